package ds

import (
	"context"
	"errors"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// createDirectory makes a Simple AD (API reference, CreateDirectory).
func (s *Service) createDirectory(ctx context.Context, call *operation.Call, in *CreateDirectoryRequest) (*CreateDirectoryResult, error) {
	if in.VpcSettings == nil {
		return nil, fault.New(fault.InvalidParameter, "VpcSettings must be specified.")
	}
	id, err := s.create(ctx, call, newDirectory{
		kind: directory.SimpleAD, name: *in.Name, shortName: in.ShortName, description: in.Description, vpc: in.VpcSettings, tags: in.Tags,
		size: *in.Size, network: in.NetworkType, password: in.Password,
	})
	if err != nil {
		return nil, err
	}
	return &CreateDirectoryResult{DirectoryId: &id}, nil
}

// newDirectory is what the two create operations have in common.
type newDirectory struct {
	kind        directory.Kind
	name        string
	shortName   *string
	description *string
	size        string
	edition     string
	network     *string
	vpc         *DirectoryVpcSettings
	tags        []Tag
	password    wire.Secret
}

// tagLimit is how many tags a directory has at most (API reference, AddTagsToResource).
const tagLimit = 50

func (s *Service) create(ctx context.Context, call *operation.Call, n newDirectory) (string, error) {
	record := store.Directory{
		Account: call.Account, Region: call.Region, Type: string(n.kind), Name: strings.ToLower(n.name), Size: n.size, Edition: n.edition,
		Engine: s.Engine, Description: value(n.description), Network: value(n.network),
	}
	var err error
	if record.Tags, err = readTags(n.tags); err != nil {
		return "", err
	}
	record.ShortName = strings.ToUpper(value(n.shortName))
	if record.ShortName == "" {
		record.ShortName = directory.DefaultShortName(record.Name)
	}
	if err := checkNames(record); err != nil {
		return "", err
	}
	if record.VPC, err = readVPC(n.vpc); err != nil {
		return "", err
	}
	if len(n.tags) > tagLimit {
		return "", fault.Newf(fault.InvalidParameter, "A directory has at most %d tags.", tagLimit)
	}
	administrator := directory.Domain{Kind: n.kind}.Administrator()
	if err := directory.DefaultPasswordSettings().Check(n.password.Bytes(), administrator, ""); err != nil {
		return "", fault.Newf(fault.InvalidParameter, "The password does not meet the complexity requirements, or it contains the administrator's name (%s).", administrator).Because(err)
	}
	if err := s.checkLimit(call, string(n.kind)); err != nil {
		return "", err
	}
	record, err = s.Lifecycle.Create(ctx, record, n.password.Bytes())
	if errors.Is(err, lifecycle.ErrEngine) {
		return "", fault.Newf(fault.Client, "The server can't make the directory: %v", err).Because(err)
	}
	if err != nil {
		return "", StoreFault(record.ID, err)
	}
	return record.ID, nil
}

func (s *Service) checkLimit(call *operation.Call, kind string) error {
	if _, most, reached := s.count(call, kind); reached {
		return fault.Newf(fault.DirectoryLimitExceeded, "Directory limit exceeded. A maximum of %d directories may be created.", most)
	}
	return nil
}

// readVPC is where a directory would be on AWS.
func readVPC(settings *DirectoryVpcSettings) (*store.VPC, error) {
	if len(settings.SubnetIds) != 2 || settings.SubnetIds[0] == settings.SubnetIds[1] {
		return nil, fault.New(fault.InvalidParameter, "Invalid subnet ID(s). They must correspond to two subnets in different Availability Zones.")
	}
	return &store.VPC{ID: *settings.VpcId, Subnets: settings.SubnetIds}, nil
}

func checkNames(record store.Directory) error {
	if err := directory.CheckName(record.Name); err != nil {
		return fault.New(fault.InvalidParameter, "Invalid directory name. The directory name must be between 2 and 64 characters, and can only contain alphanumeric characters, periods (.). or minus signs (-). Also, the directory name must begin and end with an alphanumeric character.").Because(err)
	}
	if err := directory.CheckShortName(record.ShortName); err != nil {
		return fault.Newf(fault.InvalidParameter, "Invalid short name. %v.", sentence(err.Error()))
	}
	return nil
}

// sentence begins with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
