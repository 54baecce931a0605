package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"latchkey/internal/admin"
	"latchkey/internal/authz"
	"latchkey/internal/identity"
	"latchkey/internal/wire"
)

type accessKeyCommand struct {
	Create      accessKeyCreateCommand   `cmd:"" help:"Make an access key for a person or a program."`
	List        accessKeyListCommand     `cmd:"" help:"List the access keys."`
	Enable      accessKeyEnableCommand   `cmd:"" help:"Let a disabled access key work again."`
	Disable     accessKeyDisableCommand  `cmd:"" help:"Let an access key work no more, until it is enabled."`
	SetPolicies accessKeyPoliciesCommand `cmd:"" help:"Give an access key other policies."`
	Rotate      accessKeyRotateCommand   `cmd:"" help:"Make an access key in the place of another one."`
	Delete      accessKeyDeleteCommand   `cmd:"" help:"Delete an access key."`
}

type accessKeyCreateCommand struct {
	User string `arg:"" help:"Whose key it is: letters, digits and _+=,.@-"`
	client

	Policy  []string          `name:"policy" sep:"none" placeholder:"FILE" help:"File with an IAM policy (JSON), which says what the key may do; repeatable. Without any it may do nothing."`
	Expires time.Duration     `name:"expires" placeholder:"TIME" help:"How long the key works, such as 720h; without it, until it is deleted."`
	Tag     map[string]string `name:"tag" placeholder:"KEY=VALUE" help:"Tag of the holder, aws:PrincipalTag/KEY in policies; repeatable."`
}

// Help is what --help says beyond the flags.
func (*accessKeyCreateCommand) Help() string {
	return `The secret is shown once. Credentials are printed as a profile of AWS's shared credentials file, so that the output can be kept as one.

Example:

  latchkey access-key create helpdesk-berlin --policy berlin.json --expires 2160h > berlin.credentials`
}

// Run makes the key.
func (c *accessKeyCreateCommand) Run(s streams) error {
	policies, err := readPolicies(c.Policy)
	if err != nil {
		return err
	}
	in := &admin.CreateAccessKeyRequest{UserName: &c.User, Policies: policies, LifetimeSeconds: optional(int32(c.Expires / time.Second))} //nolint:gosec // the server bounds it
	for key, value := range c.Tag {
		in.Tags = append(in.Tags, admin.AccessKeyTag{Key: &key, Value: &value})
	}
	return c.printNew(s, "CreateAccessKey", in)
}

// printNew makes a call that makes a key, and prints that as a profile.
func (c *client) printNew(s streams, operation string, in any) error {
	var out struct {
		AccessKey       admin.AccessKey
		SecretAccessKey string // of a response it is to be shown
	}
	answer, err := c.call(context.Background(), wire.Latchkey, operation, in, &out)
	switch {
	case err != nil:
		return err
	case c.Output == "json":
		return writeJSON(s.out, answer)
	}
	_, err = fmt.Fprintf(s.out, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", text(out.AccessKey.UserName), text(out.AccessKey.AccessKeyId), out.SecretAccessKey)
	return err
}

// readPolicies reads policies from files, and says what is wrong with them before the server is asked. A policy has its file's name.
func readPolicies(files []string) ([]admin.AccessKeyPolicy, error) {
	var all []admin.AccessKeyPolicy
	for _, path := range files {
		document, err := readPolicy(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		all = append(all, admin.AccessKeyPolicy{PolicyName: &name, PolicyDocument: &document})
	}
	return all, nil
}

func readPolicy(path string) (string, error) {
	document, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--policy: %w", err)
	}
	if _, err := authz.Parse(path, document); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return string(document), nil
}

type accessKeyListCommand struct {
	client
	User string `name:"user" placeholder:"NAME" help:"Whose keys; without it, everybody's."`
}

// Run lists the keys.
func (c *accessKeyListCommand) Run(s streams) error {
	out := &admin.ListAccessKeysResult{}
	return c.told(s, "ListAccessKeys", &admin.ListAccessKeysRequest{UserName: optional(c.User)}, out, func(w io.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tUSER\tSTATUS\tCREATED\tEXPIRES\tPOLICIES")
		for _, k := range out.AccessKeys {
			expires := "-"
			if k.ExpireDate != nil {
				expires = k.ExpireDate.UTC().Format(time.RFC3339)
			}
			var names []string
			for _, p := range k.Policies {
				names = append(names, text(p.PolicyName))
			}
			if names == nil {
				names = []string{"-"}
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", text(k.AccessKeyId), text(k.UserName), text(k.Status), k.CreateDate.UTC().Format(time.RFC3339), expires, strings.Join(names, ","))
		}
		_ = table.Flush()
	})
}

// oneAccessKey is what commands about one key have in common.
type oneAccessKey struct {
	ID string `arg:"" help:"The access key, AKIA…"`
	client
}

func (c *oneAccessKey) update(s streams, in *admin.UpdateAccessKeyRequest, what string) error {
	in.AccessKeyId = &c.ID
	return c.told(s, "UpdateAccessKey", in, &admin.UpdateAccessKeyResult{}, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", c.ID, what) })
}

type accessKeyEnableCommand struct{ oneAccessKey }

// Run enables the key.
func (c *accessKeyEnableCommand) Run(s streams) error {
	return c.update(s, &admin.UpdateAccessKeyRequest{Status: new(admin.AccessKeyStatusActive)}, "is enabled")
}

type accessKeyDisableCommand struct{ oneAccessKey }

// Run disables the key.
func (c *accessKeyDisableCommand) Run(s streams) error {
	return c.update(s, &admin.UpdateAccessKeyRequest{Status: new(admin.AccessKeyStatusInactive)}, "is disabled")
}

type accessKeyPoliciesCommand struct {
	oneAccessKey
	Policy []string `name:"policy" required:"" sep:"none" placeholder:"FILE" help:"File with an IAM policy (JSON); repeatable. They take the place of all that the key has."`
}

// Run gives the key its policies.
func (c *accessKeyPoliciesCommand) Run(s streams) error {
	policies, err := readPolicies(c.Policy)
	if err != nil {
		return err
	}
	return c.update(s, &admin.UpdateAccessKeyRequest{Policies: policies}, "has "+counted(len(policies), "policy", "policies"))
}

type accessKeyRotateCommand struct {
	oneAccessKey
	Overlap time.Duration `name:"overlap" default:"24h" placeholder:"TIME" help:"How long both keys work."`
}

// Help is what --help says beyond the flags.
func (*accessKeyRotateCommand) Help() string {
	return "The new key has the policies, the tags and the length of life of the other one. Its secret is shown once."
}

// Run rotates the key.
func (c *accessKeyRotateCommand) Run(s streams) error {
	in := &admin.RotateAccessKeyRequest{AccessKeyId: &c.ID, OverlapSeconds: new(int32(c.Overlap / time.Second))} //nolint:gosec // the server bounds it
	return c.printNew(s, "RotateAccessKey", in)
}

type accessKeyDeleteCommand struct{ oneAccessKey }

// Run deletes the key.
func (c *accessKeyDeleteCommand) Run(s streams) error {
	in := &admin.DeleteAccessKeyRequest{AccessKeyId: &c.ID}
	return c.told(s, "DeleteAccessKey", in, &admin.DeleteAccessKeyResult{}, func(w io.Writer) { fmt.Fprintf(w, "%s is deleted\n", c.ID) })
}

type policyCommand struct {
	Test policyTestCommand `cmd:"" help:"Say how policies decide a request, statement by statement."`
}

type policyTestCommand struct {
	Policy   []string `name:"policy" required:"" sep:"none" placeholder:"FILE" help:"File with an IAM policy (JSON); repeatable."`
	Action   string   `name:"action" required:"" placeholder:"ACTION" help:"Action, such as ds:ResetUserPassword."`
	Resource string   `name:"resource" default:"*" placeholder:"ARN" help:"ARN of the directory, arn:aws:ds:REGION:ACCOUNT:directory/d-…"`
	Context  []string `name:"context" sep:"none" placeholder:"KEY=VALUE" help:"Value of a condition key, such as latchkey:UserName=jane; repeatable, also for one key of several values."`
	User     string   `name:"user" default:"someone" placeholder:"NAME" help:"Whose access key it is: aws:username."`
	Account  string   `name:"account" default:"000000000000" placeholder:"NUMBER" help:"Account of the access key."`
}

// Help is what --help says beyond the flags.
func (*policyTestCommand) Help() string {
	return `Nothing is asked of a server. The exit status is 0 if the request is allowed, and 1 otherwise.

Example:

  latchkey policy test --policy berlin.json --action ds:ResetUserPassword \
    --context latchkey:UserName=jane --context 'latchkey:UserOU=OU=Berlin,OU=CORP,DC=corp,DC=example,DC=com'`
}

// Run explains the decision.
func (c *policyTestCommand) Run(s streams) error {
	known := map[string][]string{}
	for _, pair := range c.Context {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || !authz.IsKey(key) {
			return fmt.Errorf("--context: %q is not KEY=VALUE of a condition key", pair)
		}
		key = strings.ToLower(key)
		known[key] = append(known[key], value)
	}
	r := &authz.Request{
		Principal: identity.User("aws", c.Account, c.User, "AKIAEXAMPLE"), Action: c.Action, Resource: c.Resource, Time: time.Now(),
		Values: func(key string) ([]string, error) { return known[key], nil },
	}
	for _, path := range c.Policy {
		document, err := readPolicy(path)
		if err != nil {
			return err
		}
		policy, err := authz.Parse(path, []byte(document))
		if err != nil {
			return err
		}
		r.Grant.Policies = append(r.Grant.Policies, policy)
	}
	effect, steps, err := authz.Evaluate(r)
	if err != nil {
		return err
	}
	for _, step := range steps {
		fmt.Fprintln(s.out, explain(step))
	}
	fmt.Fprintf(s.out, "%s: %s on %s\n", effect, c.Action, c.Resource)
	if effect != authz.Allow {
		return errors.New("the request is denied")
	}
	return nil
}

// explain is a line about one statement.
func explain(step authz.Step) string {
	name, does := fmt.Sprintf("%s:%d", step.Policy, step.Line), "allows"
	if step.Sid != "" {
		name += " " + step.Sid
	}
	if step.Deny {
		does = "denies"
	}
	if step.Why != "" {
		return name + " does not apply: " + step.Why
	}
	return name + " " + does
}
