package ds

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// controllerLimit is AWS's for a directory (API reference, DomainControllerLimitExceededException).
const controllerLimit = 20

// updateNumberOfDomainControllers lets domain controllers join or leave a Managed Microsoft AD (API reference,
// UpdateNumberOfDomainControllers); they do it in the background. In a further Region the number is kept and shown.
func (s *Service) updateNumberOfDomainControllers(ctx context.Context, call *operation.Call, in *UpdateNumberOfDomainControllersRequest) (*UpdateNumberOfDomainControllersResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	switch {
	case record.Type != string(directory.MicrosoftAD):
		return nil, fault.Newf(fault.UnsupportedOperation, "The operation is not supported for a directory of the type %s.", record.Type)
	case record.Stage != lifecycle.Active && record.Stage != lifecycle.Impaired:
		return nil, fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", record.Stage)
	case *in.DesiredNumber > controllerLimit:
		return nil, fault.Newf(fault.DomainControllerLimitExceeded, "A directory has at most %d domain controllers.", controllerLimit)
	}
	if call.Region != record.Region {
		_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
			for i := range record.Regions {
				if record.Regions[i].Name == call.Region {
					record.Regions[i].Controllers = *in.DesiredNumber
				}
			}
			return nil
		})
		return &UpdateNumberOfDomainControllersResult{}, err
	}
	err = s.Lifecycle.SetControllers(ctx, record, int(*in.DesiredNumber))
	switch {
	case errors.Is(err, lifecycle.ErrNoControllers):
		return nil, fault.New(fault.UnsupportedOperation, "The operation is not supported: the directory has no domain controllers that this server runs.").Because(err)
	case errors.Is(err, lifecycle.ErrAddresses):
		return nil, fault.New(fault.Client, "The server has no address for a further domain controller.").Because(err)
	case err != nil:
		return nil, StoreFault(record.ID, err)
	}
	return &UpdateNumberOfDomainControllersResult{}, nil
}
