// Package sts is AWS Security Token Service, as far as Latchkey has it: credentials that end, for the holders of access keys, and
// for the roles that they, or whom an identity provider vouches for, may assume
// (https://docs.aws.amazon.com/STS/latest/APIReference/).
package sts

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/authz"
	"latchkey/internal/durable"
	"latchkey/internal/identity"
	"latchkey/internal/oidc"
	"latchkey/internal/strict"
)

// Role is what holders of access keys, or of an identity provider's tokens, may become for a while.
type Role struct {
	Name     string
	Policies []*authz.Policy
	// Trusted is the names of the users whose access keys may assume it, and, behind trustedRole, those of the roles whose sessions may.
	Trusted []string
	// Federated is whose tokens may.
	Federated []Federated
	// Tags are its sessions' aws:PrincipalTag.
	Tags       map[string]string
	MaxSession time.Duration
}

func (r *Role) trusts(p identity.Principal) bool {
	switch p.Type {
	case "IAMUser":
		return slices.Contains(r.Trusted, p.UserName)
	case "AssumedRole":
		return slices.Contains(r.Trusted, trustedRole+p.Session.Role)
	}
	return false
}

// Roles is what a file of roles says.
type Roles struct {
	ByName map[string]*Role
	// Providers is the identity providers by their URLs.
	Providers map[string]*oidc.Issuer
}

const (
	maxRoles     = 1000 // of an account (IAM User Guide, "IAM and AWS STS quotas")
	maxProviders = 100  // there as well
	maxTags      = 50   // of a role; there as well
	maxTagKey    = 128  // characters
	maxTagValue  = 256  // characters
)

// trustedRole is what a role's name begins with where it is trusted by another one, as in its ARN.
const trustedRole = "role/"

var (
	roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	userName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
)

type rolesFile struct {
	Providers []providerEntry `yaml:"providers"`
	Roles     []roleEntry     `yaml:"roles"`
}

type roleEntry struct {
	Name              string            `yaml:"name"`
	Trusted           []string          `yaml:"trusted"`
	Federated         []federatedEntry  `yaml:"federated"`
	Policies          []string          `yaml:"policies"`
	Tags              map[string]string `yaml:"tags"`
	MaxSessionSeconds *int              `yaml:"maxSessionSeconds"`
}

// ReadRoles reads a file of roles and identity providers. Policies and certificates in it are files, whose names are relative to its
// own folder. Its error joins every problem that the file has, each with its line.
func ReadRoles(path string, now func() time.Time) (*Roles, error) {
	all := &Roles{ByName: map[string]*Role{}, Providers: map[string]*oidc.Issuer{}}
	text, err := durable.ReadSmall(path)
	if err != nil {
		return nil, err
	}
	root, err := strict.Parse(path, string(text))
	if err != nil || root == nil {
		return all, err
	}
	var file rolesFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, misfit(path, err)
	}
	if len(file.Roles) > maxRoles || len(file.Providers) > maxProviders {
		return nil, fmt.Errorf("%s: there are more than %d roles or %d providers", path, maxRoles, maxProviders)
	}
	var problems []error
	at := lines(root, "providers")
	for i, each := range file.Providers {
		provider, err := each.read(path, now)
		if err == nil && all.Providers[each.URL] != nil {
			err = errors.New("it is there twice")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: provider %q: %w", path, at[i], each.URL, err))
			continue
		}
		all.Providers[each.URL] = provider
	}
	at = lines(root, "roles")
	names := map[string]bool{}
	for _, each := range file.Roles {
		names[each.Name] = true
	}
	for i, each := range file.Roles {
		role, found := each.read(path, names, all.Providers)
		if all.ByName[each.Name] != nil {
			found = append(found, errors.New("it is there twice"))
		}
		for _, problem := range found {
			problems = append(problems, fmt.Errorf("%s:%d: role %q: %w", path, at[i], each.Name, problem))
		}
		all.ByName[each.Name] = role
	}
	return all, errors.Join(problems...)
}

var yamlLine = regexp.MustCompile(`^line (\d+): (.*?)(?: in type sts\.\w+)?$`)

// misfit is the decoder's error with the lines where all others have theirs.
func misfit(path string, err error) error {
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return fmt.Errorf("%s: %w", path, err)
	}
	var problems []error
	for _, each := range wrong.Errors {
		if parts := yamlLine.FindStringSubmatch(each); parts != nil {
			each = parts[1] + ": " + parts[2]
		}
		problems = append(problems, errors.New(path+":"+each))
	}
	return errors.Join(problems...)
}

// lines is where the items of a list begin.
func lines(root *yaml.Node, list string) (all []int) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != list {
			continue
		}
		items := root.Content[i+1]
		if items.Kind == yaml.AliasNode {
			items = items.Alias
		}
		for _, item := range items.Content {
			all = append(all, item.Line)
		}
	}
	return all
}

func (e *roleEntry) read(beside string, names map[string]bool, providers map[string]*oidc.Issuer) (role *Role, problems []error) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	role = &Role{Name: e.Name, Trusted: e.Trusted, Tags: e.Tags, MaxSession: defaultRole}
	if !roleName.MatchString(e.Name) {
		report("a name has 1 to 64 letters, digits and _+=,.@-")
	}
	for _, each := range e.Trusted {
		other, isRole := strings.CutPrefix(each, trustedRole)
		switch {
		case isRole && !names[other]:
			report("trusted: there is no role %q in this file", other)
		case !isRole && !userName.MatchString(each):
			report("trusted: %q is not a user's name, and no role/NAME", each)
		}
	}
	if len(e.Tags) > maxTags {
		report("there are more than %d tags", maxTags)
	}
	for key, value := range e.Tags {
		if n := utf8.RuneCountInString(key); n == 0 || n > maxTagKey || utf8.RuneCountInString(value) > maxTagValue {
			report("tag %.200q: a key has 1 to %d characters, a value at most %d", key, maxTagKey, maxTagValue)
		}
	}
	for _, each := range e.Federated {
		federated, err := each.read(providers)
		if err != nil {
			report("federated: %w", err)
		}
		role.Federated = append(role.Federated, federated)
	}
	if seconds := e.MaxSessionSeconds; seconds != nil {
		role.MaxSession = time.Duration(*seconds) * time.Second
		if *seconds < int(defaultRole/time.Second) || *seconds > int(maxRole/time.Second) {
			report("maxSessionSeconds is from %d to %d", defaultRole/time.Second, maxRole/time.Second)
		}
	}
	for _, name := range e.Policies {
		policy, err := readPolicy(near(beside, name))
		if err != nil {
			report("%w", err)
		}
		role.Policies = append(role.Policies, policy)
	}
	return role, problems
}

// near is a file that another one names.
func near(beside, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(beside), path)
}

func readPolicy(path string) (*authz.Policy, error) {
	text, err := durable.ReadSmall(path)
	if err != nil {
		return nil, err
	}
	policy, err := authz.Parse(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return policy, nil
}
