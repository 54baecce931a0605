package ds

import (
	"context"
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// removeTagsFromResource takes labels off a directory; keys that it does not have are no error (API reference,
// RemoveTagsFromResource).
func (s *Service) removeTagsFromResource(ctx context.Context, call *operation.Call, in *RemoveTagsFromResourceRequest) (*RemoveTagsFromResourceResult, error) {
	if _, err := s.find(call, *in.ResourceId); err != nil {
		return nil, err
	}
	_, err := s.update(ctx, *in.ResourceId, func(record *store.Directory) error {
		tags := tagsIn(record, call.Region)
		*tags = slices.DeleteFunc(*tags, func(t store.Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
		return nil
	})
	return &RemoveTagsFromResourceResult{}, err
}
