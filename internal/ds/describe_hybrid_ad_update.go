package ds

import (
	"context"

	"latchkey/internal/operation"
)

// describeHybridADUpdate is refused (API reference, DescribeHybridADUpdate).
func (s *Service) describeHybridADUpdate(_ context.Context, call *operation.Call, in *DescribeHybridADUpdateRequest) (*DescribeHybridADUpdateResult, error) {
	return nil, s.findHybrid(call, *in.DirectoryId)
}
