package ds

import (
	"context"

	"latchkey/internal/operation"
)

// disableSSO takes back what EnableSso noted (API reference, DisableSso).
func (s *Service) disableSSO(ctx context.Context, call *operation.Call, in *DisableSsoRequest) (*DisableSsoResult, error) {
	return &DisableSsoResult{}, s.turnSSO(ctx, call, *in.DirectoryId, in.UserName, in.Password, false)
}
