package ds

import (
	"context"
	"regexp"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
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
		size: *in.Size, password: in.Password,
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
	vpc         *DirectoryVpcSettings
	tags        []Tag
	password    wire.Secret
}

// AWS's limits for an account in a Region (API reference, GetDirectoryLimits).
const (
	simpleLimit    = 10
	microsoftLimit = 20
	tagLimit       = 50
)

func (s *Service) create(ctx context.Context, call *operation.Call, n newDirectory) (string, error) {
	record := store.Directory{
		Account: call.Account, Region: call.Region, Type: string(n.kind), Name: strings.ToLower(n.name), Size: n.size, Edition: n.edition,
		Description: value(n.description), VPC: &store.VPC{ID: *n.vpc.VpcId, Subnets: n.vpc.SubnetIds},
	}
	for _, tag := range n.tags {
		record.Tags = append(record.Tags, store.Tag{Key: *tag.Key, Value: *tag.Value})
	}
	record.ShortName = strings.ToUpper(value(n.shortName))
	if record.ShortName == "" {
		record.ShortName = defaultShortName(record.Name)
	}
	if err := checkNames(record); err != nil {
		return "", err
	}
	switch {
	case len(n.vpc.SubnetIds) != 2:
		return "", fault.New(fault.InvalidParameter, "Invalid subnet ID(s). They must correspond to two subnets in different Availability Zones.")
	case len(n.tags) > tagLimit:
		return "", fault.Newf(fault.InvalidParameter, "A directory has at most %d tags.", tagLimit)
	}
	administrator := directory.Domain{Kind: n.kind}.Administrator()
	if err := directory.DefaultPasswordSettings().Check(n.password.Bytes(), administrator, ""); err != nil {
		return "", fault.Newf(fault.InvalidParameter, "The password does not meet the complexity requirements, or it contains the administrator's name (%s).", administrator).Because(err)
	}
	if err := s.checkLimit(call, n.kind); err != nil {
		return "", err
	}
	record, err := s.Lifecycle.Create(ctx, record, n.password.Bytes())
	if err != nil {
		return "", storeFault(record.ID, err)
	}
	return record.ID, nil
}

func (s *Service) checkLimit(call *operation.Call, kind directory.Kind) error {
	limit := simpleLimit
	if kind == directory.MicrosoftAD {
		limit = microsoftLimit
	}
	count := 0
	for _, record := range s.Directories.All(call.Account, call.Region, "", 1<<20) {
		if record.Type == string(kind) {
			count++
		}
	}
	if count >= limit {
		return fault.Newf(fault.DirectoryLimitExceeded, "Directory limit exceeded. A maximum of %d directories may be created.", limit)
	}
	return nil
}

// directoryName is what AWS's message about a wrong name says, and the dot that a domain's name has.
var directoryName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

const (
	maxNameLength      = 64
	maxShortNameLength = 15 // MS-ADTS: a NetBIOS name
)

func checkNames(record store.Directory) error {
	if len(record.Name) > maxNameLength || !directoryName.MatchString(record.Name) {
		return fault.New(fault.InvalidParameter, "Invalid directory name. The directory name must be between 2 and 64 characters, and can only contain alphanumeric characters, periods (.). or minus signs (-). Also, the directory name must begin and end with an alphanumeric character.")
	}
	if len(record.ShortName) > maxShortNameLength || strings.TrimFunc(record.ShortName, func(r rune) bool { return r == '-' || r == ' ' }) != record.ShortName ||
		strings.ContainsAny(record.ShortName, "\\/:*?\"<>|.,+=;[]@'()^&!%{}~`\x00 ") || allDigits(record.ShortName) {
		return fault.New(fault.InvalidParameter, "Invalid short name. The NetBIOS name must have at most 15 characters, letters, digits and minus signs, and not digits alone.")
	}
	for _, r := range []string{"BUILTIN", "DOMAIN", "LOCAL", "USERS", "WORLD", "NT AUTHORITY", "NT SERVICE", "SYSTEM", "SELF", "NULL", "NETWORK", "INTERACTIVE", "BATCH", "DIALUP"} {
		if record.ShortName == r {
			return fault.Newf(fault.InvalidParameter, "Invalid short name. %s is a reserved name.", r)
		}
	}
	return nil
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// defaultShortName is the first label of the DNS name, in upper case, as AWS and AD have it.
func defaultShortName(name string) string {
	label, _, _ := strings.Cut(strings.ToUpper(name), ".")
	return label[:min(len(label), maxShortNameLength)]
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
