package ds

import (
	"context"
	"slices"
	"strings"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// addTagsToResource labels a directory; a key that is there gets the new value (API reference, AddTagsToResource).
func (s *Service) addTagsToResource(ctx context.Context, call *operation.Call, in *AddTagsToResourceRequest) (*AddTagsToResourceResult, error) {
	if _, err := s.find(call, *in.ResourceId); err != nil {
		return nil, err
	}
	added, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	_, err = s.update(ctx, *in.ResourceId, func(record *store.Directory) error {
		tags := tagsIn(record, call.Region)
		for _, tag := range added {
			at := slices.IndexFunc(*tags, func(t store.Tag) bool { return t.Key == tag.Key })
			if at < 0 {
				*tags = append(*tags, tag)
			} else {
				(*tags)[at] = tag
			}
		}
		if len(*tags) > tagLimit {
			return fault.Newf(fault.TagLimitExceeded, "A directory has at most %d tags.", tagLimit)
		}
		return nil
	})
	return &AddTagsToResourceResult{}, err
}

// tagsIn is the tags that a directory has in a Region. Each Region has its own: Terraform's provider keeps those of an
// aws_directory_service_region there, and does not expect them on the directory.
func tagsIn(record *store.Directory, region string) *[]store.Tag {
	for i := range record.Regions {
		if record.Regions[i].Name == region {
			return &record.Regions[i].Tags
		}
	}
	return &record.Tags
}

// readTags is the tags of a request, each key once. AWS keeps the prefix aws: for itself.
func readTags(tags []Tag) ([]store.Tag, error) {
	var read []store.Tag
	for _, tag := range tags {
		switch key := *tag.Key; {
		case reservedTag(key):
			return nil, fault.Newf(fault.InvalidParameter, "The tag key %s begins with aws:, which is reserved.", key)
		case slices.ContainsFunc(read, func(t store.Tag) bool { return t.Key == key }):
			return nil, fault.Newf(fault.InvalidParameter, "The tag key %s is there more than once.", key)
		}
		read = append(read, store.Tag{Key: *tag.Key, Value: *tag.Value})
	}
	return read, nil
}

func reservedTag(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }
