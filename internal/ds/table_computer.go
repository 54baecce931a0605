package ds

import "latchkey/internal/operation"

// computerRows make computers.
func (s *Service) computerRows() []operation.Spec {
	return []operation.Spec{
		operation.New("CreateComputer", operation.Write, func(in *CreateComputerRequest) string { return *in.DirectoryId }, s.createComputer),
	}
}
