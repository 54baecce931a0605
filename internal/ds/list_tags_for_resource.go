package ds

import (
	"cmp"
	"context"
	"slices"

	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// listTagsForResource lists the labels of a directory in the Region by their keys (API reference, ListTagsForResource).
func (s *Service) listTagsForResource(_ context.Context, call *operation.Call, in *ListTagsForResourceRequest) (*ListTagsForResourceResult, error) {
	record, err := s.find(call, *in.ResourceId)
	if err != nil {
		return nil, err
	}
	tags := slices.SortedFunc(slices.Values(*tagsIn(&record, call.Region)), func(a, b store.Tag) int { return cmp.Compare(a.Key, b.Key) })
	out := &ListTagsForResourceResult{Tags: []Tag{}}
	page, next, err := pageOf(s, call, "ListTagsForResource/"+record.ID+"/"+call.Region, in.NextToken, in.Limit, tags, func(t store.Tag) string { return t.Key })
	for _, tag := range page {
		out.Tags = append(out.Tags, Tag{Key: &tag.Key, Value: &tag.Value})
	}
	out.NextToken = next
	return out, err
}
