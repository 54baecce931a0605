package ds

import "latchkey/internal/operation"

// connectRows make AD Connectors.
func (s *Service) connectRows() []operation.Spec {
	return []operation.Spec{operation.New("ConnectDirectory", operation.Write, nil, s.connectDirectory)}
}
