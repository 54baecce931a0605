package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/go-jose/go-jose/v4"
)

// TestReloadRoles: SIGHUP puts the file of roles as it is now in force, for new sessions and for those that there are.
func TestReloadRoles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allow := func(name, action string) {
		write(name, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+action+`,"Resource":"*"}}`)
	}
	stays, goes := startProvider(t), startProvider(t)
	providers := func(all ...*identityProvider) string {
		var text strings.Builder
		text.WriteString("providers:\n")
		for _, p := range all {
			fmt.Fprintf(&text, "  - {url: %q, audiences: [sts.amazonaws.com], caFile: %q}\n", p.URL, p.ca)
		}
		return text.String()
	}
	deploy := func(all ...*identityProvider) string {
		var text strings.Builder
		text.WriteString("  - name: deploy\n    policies: [deploy.json]\n    federated:\n")
		for _, p := range all {
			fmt.Fprintf(&text, "      - {provider: %q, condition: {StringLike: {%q: 'repo:acme/app:*'}}}\n", p.URL, p.name()+":sub")
		}
		return text.String()
	}
	const reader, writer = "  - {name: reader, trusted: [ci], policies: [reader.json]}\n", "  - {name: writer, trusted: [ci], policies: [writer.json]}\n"
	allow("reader.json", `"ds:Describe*"`)
	allow("writer.json", `["ds:DescribeTrusts","ds:CreateAlias"]`)
	allow("deploy.json", `"ds:Describe*"`)
	write("seed.yaml", worldSeed)
	write("latchkey.yaml", "roles: "+in("roles.yaml")+"\nlog-format: json\n")
	write("roles.yaml", providers(stays, goes)+"roles:\n"+reader+deploy(stays, goes))

	p := startProcess(t, in("data"), "--seed", in("seed.yaml"), "--config", in("latchkey.yaml"))
	s := p.server
	id, secret := accessKey(t, s, "ci", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ds:DescribeTrusts","Resource":"*"}}`)
	ci := holder{s, id, secret, ""}
	assume := func(role string) []string {
		return []string{"sts", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/" + role, "--role-session-name", "build-7"}
	}
	// hangUp sends the signal and returns what the log says of it.
	hangUp := func() string {
		t.Helper()
		before := len(s.log.String())
		if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		said := ""
		await(t, "the configuration that is read again", func() bool {
			said = s.log.String()[before:]
			return strings.Contains(said, "was read again") || strings.Contains(said, "read again; nothing changes")
		})
		return said
	}
	reread := func() {
		t.Helper()
		if said := hangUp(); !strings.Contains(said, `"need-restart":null`) {
			t.Fatal(said)
		}
	}
	byToken := func(p *identityProvider) (string, error) {
		return assumeByToken(t, s, signed(t, jose.ES256, p.ec, "e", p.claims(nil)))
	}
	for _, p := range []*identityProvider{stays, goes} {
		if said, err := byToken(p); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	session := ci.done(t, assume("reader")...).holder(s)
	session.done(t, "ds", "describe-directories")
	ci.refused(t, "(AccessDenied)", assume("writer")...)

	// Nobody told the server: nothing has changed.
	allow("reader.json", `"ds:DescribeTrusts"`)
	write("roles.yaml", providers(stays)+"roles:\n"+reader+writer+deploy(stays))
	session.done(t, "ds", "describe-directories")
	ci.refused(t, "(AccessDenied)", assume("writer")...)

	// A role is new, one may do less, and one of the providers is gone.
	reread()
	alias := []string{"ds", "create-alias", "--directory-id", corpID, "--alias", "corp-reloaded"}
	made := ci.done(t, assume("writer")...).holder(s)
	made.done(t, alias...)
	session.refused(t, "because no identity-based policy allows the ds:DescribeDirectories action", "ds", "describe-directories")
	session.done(t, "ds", "describe-trusts")
	if said, err := byToken(goes); err == nil || !strings.Contains(said, "No OpenIDConnect provider found in your account for "+goes.URL) {
		t.Errorf("a token of the provider that is gone: %v, %s", err, said)
	}
	stays.Close()
	if said, err := byToken(stays); err != nil {
		t.Errorf("the keys of the provider that stays were not kept: %v, %s", err, said)
	}

	// A mistake, in the file or in a policy that it names: all stays as it is, and the log says where.
	write("roles.yaml", "roles:\n"+reader+"  - {name: writer, trusted: [ci], policies: [writer.json], until: tomorrow}\n")
	if said := hangUp(); !strings.Contains(said, `"level":"ERROR"`) || !strings.Contains(said, in("roles.yaml")+":3: field until not found") {
		t.Error(said)
	}
	write("roles.yaml", "roles:\n"+reader)
	write("reader.json", `{"Statement":{"Effect":"Perhaps"}}`)
	if said := hangUp(); !strings.Contains(said, in("roles.yaml")+`:2: role \"reader\": `+in("reader.json")+": line 1, column 24: Effect is Allow or Deny") {
		t.Error(said)
	}
	made.done(t, "ds", "describe-trusts")
	session.done(t, "ds", "describe-trusts")
	ci.done(t, assume("writer")...)

	// The role is gone, and so are its sessions. The provider is there again, and has to be asked for its keys.
	goes.Close()
	allow("reader.json", `"ds:DescribeTrusts"`)
	write("roles.yaml", providers(goes)+"roles:\n"+writer+deploy(goes))
	reread()
	session.refused(t, "(UnrecognizedClientException)", "ds", "describe-trusts")
	session.refused(t, "(InvalidClientTokenId)", "sts", "get-caller-identity")
	ci.refused(t, "(AccessDenied)", assume("reader")...)
	made.done(t, "ds", "describe-trusts")
	if said, err := byToken(goes); err == nil || !strings.Contains(said, "(IDPCommunicationError)") {
		t.Errorf("the keys of a provider that was gone: %v, %s", err, said)
	}

	// The configuration may name another file, or none. A role that is there again has the sessions that are not over yet.
	write("others.yaml", "roles:\n"+reader)
	write("latchkey.yaml", "roles: "+in("others.yaml")+"\nlog-format: json\n")
	reread()
	session.done(t, "ds", "describe-trusts")
	made.refused(t, "(UnrecognizedClientException)", "ds", "describe-trusts")

	// Whoever calls meanwhile notices nothing of a role that stays.
	client := directoryservice.New(directoryservice.Options{
		Region: home, BaseEndpoint: &s.API, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(session.id, session.secret, session.token),
	})
	ended, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-ended:
				return
			default:
			}
			if _, err := client.DescribeTrusts(t.Context(), &directoryservice.DescribeTrustsInput{}); err != nil {
				failed <- err
				return
			}
		}
	}()
	for i := range 20 {
		write("others.yaml", "roles:\n"+[]string{reader + writer, reader}[i%2])
		reread()
	}
	close(ended)
	if err := <-failed; err != nil {
		t.Errorf("while the roles were read again: %v", err)
	}

	write("latchkey.yaml", "log-format: json\n")
	reread()
	session.refused(t, "(UnrecognizedClientException)", "ds", "describe-trusts")
}
