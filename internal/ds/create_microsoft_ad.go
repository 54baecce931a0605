package ds

import (
	"context"

	"latchkey/internal/directory"
	"latchkey/internal/operation"
)

const defaultEdition = DirectoryEditionEnterprise

// createMicrosoftAD makes a Managed Microsoft AD (API reference, CreateMicrosoftAD).
func (s *Service) createMicrosoftAD(ctx context.Context, call *operation.Call, in *CreateMicrosoftADRequest) (*CreateMicrosoftADResult, error) {
	edition := value(in.Edition)
	if edition == "" {
		edition = defaultEdition
	}
	id, err := s.create(ctx, call, newDirectory{
		kind: directory.MicrosoftAD, name: *in.Name, shortName: in.ShortName, description: in.Description, vpc: in.VpcSettings, tags: in.Tags,
		edition: edition, network: in.NetworkType, password: in.Password,
	})
	if err != nil {
		return nil, err
	}
	return &CreateMicrosoftADResult{DirectoryId: &id}, nil
}
