package admin

import (
	"context"

	"latchkey/internal/operation"
)

// listFaults lists the faults that calls are answered with.
func (s *Service) listFaults(context.Context, *operation.Call, *ListFaultsRequest) (*ListFaultsResult, error) {
	if err := s.developing(); err != nil {
		return nil, err
	}
	out := &ListFaultsResult{Faults: []InjectedFault{}}
	for _, f := range s.Faults.List() {
		shown := InjectedFault{
			FaultId: &f.ID, Operation: optional(f.Operation), DirectoryId: optional(f.Directory), UserName: optional(f.User), Code: optional(f.Code), Message: &f.Message,
			Drop: optional(f.Drop), DelayMilliseconds: optional(int32(f.Delay.Milliseconds())), Times: optional(int32(f.Times)), //nolint:gosec // bounded by the model
		}
		out.Faults = append(out.Faults, shown)
	}
	return out, nil
}

func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}
