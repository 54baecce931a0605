package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/directory/remote"
	"latchkey/internal/ds"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// attachDirectory records a domain that somebody else runs, or how one that is attached is to be reached from now on. It
// records nothing while a check fails.
func (s *Service) attachDirectory(ctx context.Context, call *operation.Call, in *AttachDirectoryRequest) (*AttachDirectoryResult, error) {
	record, err := s.draft(call, in)
	if err != nil {
		return nil, err
	}
	settings := remote.Settings{
		URLs: in.Urls, Discover: value(in.Discover), PreferPDC: value(in.PreferPdc), Resolver: value(in.Resolver),
		BindDN: *in.BindDn, BindPasswordFile: *in.BindPasswordFile, CAFile: value(in.CaFile),
	}
	record, report, err := s.Lifecycle.AttachRemote(ctx, record, settings)
	switch {
	case errors.Is(err, lifecycle.ErrRefused):
		return nil, refusal(report)
	case err != nil:
		return nil, ds.StoreFault(record.ID, err)
	}
	return &AttachDirectoryResult{DirectoryId: &record.ID, Findings: findings(report)}, nil
}

// draft is the record that the request asks for: a new one, or one that is there with other settings.
func (s *Service) draft(call *operation.Call, in *AttachDirectoryRequest) (store.Directory, error) {
	record := store.Directory{
		Account: call.Account, Region: call.Region, Type: *in.Type, Name: strings.ToLower(*in.Name), ShortName: shortName(in),
	}
	if in.DirectoryId != nil {
		known, err := s.attached(call, *in.DirectoryId)
		switch {
		case err != nil:
			return record, err
		case known.Stage == lifecycle.Deleting:
			return record, fault.Newf(fault.DirectoryUnavailable, "The specified directory is unavailable. Its stage is %s.", known.Stage)
		case known.Type != record.Type || known.Name != record.Name || in.ShortName != nil && known.ShortName != record.ShortName:
			return record, fault.Newf(fault.InvalidParameter, "Directory %s is %s %s (%s): another domain is attached as a directory of its own.",
				known.ID, known.Type, known.Name, known.ShortName)
		}
		record = known
	}
	record.Size, record.Edition = cmp.Or(value(in.Size), record.Size), cmp.Or(value(in.Edition), record.Edition)
	record.Description = cmp.Or(value(in.Description), record.Description)
	switch {
	case record.Type == string(directory.SimpleAD) && record.Edition != "":
		return record, fault.New(fault.InvalidParameter, "A SimpleAD has a Size and no Edition.")
	case record.Type == string(directory.MicrosoftAD) && record.Size != "":
		return record, fault.New(fault.InvalidParameter, "A MicrosoftAD has an Edition and no Size.")
	case record.Type == string(directory.SimpleAD):
		record.Size = cmp.Or(record.Size, DirectorySizeSmall)
	default:
		record.Edition = cmp.Or(record.Edition, DirectoryEditionEnterprise)
	}
	leaveOut := slices.Clone(in.LeaveOut)
	slices.Sort(leaveOut)
	record.Reset = store.Reset{
		Bases: in.ResetBases, LeaveOut: slices.Compact(leaveOut), History: value(in.RespectHistory), MustChange: value(in.MustChange), ReadBack: value(in.ReadBack),
	}
	return record, nil
}

// shortName is the NetBIOS name, in upper case: the given one, or the first label of the DNS name.
func shortName(in *AttachDirectoryRequest) string {
	if in.ShortName != nil {
		return strings.ToUpper(*in.ShortName)
	}
	return directory.DefaultShortName(*in.Name)
}

func value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}
