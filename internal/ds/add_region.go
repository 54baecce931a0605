package ds

import (
	"context"
	"regexp"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// regionLimit is how many Regions a directory is in at most, its own among them.
const regionLimit = 5

var regionPattern = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)

// addRegion makes a directory answer in a further Region (API reference, AddRegion). It gets no domain controllers there.
func (s *Service) addRegion(ctx context.Context, call *operation.Call, in *AddRegionRequest) (*AddRegionResult, error) {
	record, err := s.findDirectory(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if err := only(record, directory.MicrosoftAD); err != nil {
		return nil, err
	}
	name := *in.RegionName
	switch {
	case record.Edition == DirectoryEditionStandard:
		return nil, fault.New(fault.UnsupportedOperation, "The operation is not supported for a directory of the edition Standard.")
	case call.Region != record.Region:
		return nil, fault.Newf(fault.UnsupportedOperation, "Regions are added from the directory's primary Region, %s.", record.Region)
	case !regionPattern.MatchString(name):
		return nil, fault.Newf(fault.InvalidParameter, "%s is not the name of a Region.", name)
	}
	vpc, err := readVPC(in.VPCSettings)
	if err != nil {
		return nil, err
	}
	if err := available(record); err != nil {
		return nil, err
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		switch {
		case inRegion(*record, name):
			return fault.Newf(fault.DirectoryAlreadyInRegion, "Directory %s is in Region %s already.", record.ID, name)
		case len(record.Regions)+1 >= regionLimit:
			return fault.Newf(fault.RegionLimitExceeded, "A directory is in at most %d Regions.", regionLimit)
		}
		record.Regions = append(record.Regions, store.Region{
			Name: name, VPC: *vpc, Controllers: defaultControllers, LaunchTime: call.Time, Status: store.Status{State: lifecycle.Creating, Since: call.Time},
		})
		return nil
	})
	return &AddRegionResult{}, err
}

// defaultControllers is how many domain controllers AWS gives a directory in each Region.
const defaultControllers = 2

// inRegion tells whether calls in a Region find the directory.
func inRegion(record store.Directory, region string) bool {
	return record.Region == region || slices.ContainsFunc(record.Regions, func(r store.Region) bool { return r.Name == region })
}
