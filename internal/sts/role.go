// Package sts is AWS Security Token Service, as far as Latchkey has it: credentials that end, for the holders of access keys and
// for the roles that they may assume (https://docs.aws.amazon.com/STS/latest/APIReference/).
package sts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/authz"
	"latchkey/internal/strict"
)

// Role is what holders of access keys may become for a while.
type Role struct {
	Name     string
	Policies []*authz.Policy
	// Trusted is the names of the users whose access keys may assume it.
	Trusted    []string
	MaxSession time.Duration
}

// Roles is an account's roles, by name.
type Roles map[string]*Role

const (
	maxFile  = 1 << 20
	maxRoles = 1000 // of an account (IAM User Guide, "IAM and AWS STS quotas")
)

var (
	roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	userName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
)

type rolesFile struct {
	Roles []struct {
		Name              string   `yaml:"name"`
		Trusted           []string `yaml:"trusted"`
		Policies          []string `yaml:"policies"`
		MaxSessionSeconds *int     `yaml:"maxSessionSeconds"`
	} `yaml:"roles"`
}

// ReadRoles reads a file of roles. Policies in it are files, whose names are relative to its own folder. Its error joins every
// problem that the roles have.
func ReadRoles(path string) (Roles, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	root, err := strict.Parse(path, string(text))
	if err != nil || root == nil {
		return Roles{}, err
	}
	var file rolesFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(file.Roles) > maxRoles {
		return nil, fmt.Errorf("%s: there are more than %d roles", path, maxRoles)
	}
	all := Roles{}
	var problems []error
	for _, each := range file.Roles {
		report := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("%s: role %q: %w", path, each.Name, fmt.Errorf(format, args...)))
		}
		role := &Role{Name: each.Name, Trusted: each.Trusted, MaxSession: defaultRole}
		if !roleName.MatchString(each.Name) {
			report("a name has 1 to 64 letters, digits and _+=,.@-")
		}
		if all[each.Name] != nil {
			report("it is there twice")
		}
		for _, user := range each.Trusted {
			if !userName.MatchString(user) {
				report("trusted: %q is not a user's name", user)
			}
		}
		if seconds := each.MaxSessionSeconds; seconds != nil {
			role.MaxSession = time.Duration(*seconds) * time.Second
			if *seconds < int(defaultRole/time.Second) || *seconds > int(maxRole/time.Second) {
				report("maxSessionSeconds is from %d to %d", defaultRole/time.Second, maxRole/time.Second)
			}
		}
		for _, name := range each.Policies {
			policy, err := readPolicy(path, name)
			if err != nil {
				report("%w", err)
			}
			role.Policies = append(role.Policies, policy)
		}
		all[each.Name] = role
	}
	return all, errors.Join(problems...)
}

func readPolicy(beside, path string) (*authz.Policy, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(beside), path)
	}
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	policy, err := authz.Parse(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return policy, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: larger than %d MB", path, maxFile>>20)
	}
	return text, err
}
