package e2e

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// openldap runs one of OpenLDAP's clients over LDAPS, unless args name another server with -H, and gives back what it
// said, unfolded, and its exit code: the LDAP result.
func openldap(t *testing.T, s *server, tool, input string, args ...string) (said string, code int) {
	t.Helper()
	usual := []string{"-x"}
	if !slices.Contains(args, "-H") {
		usual = append(usual, "-H", s.LDAPS)
	}
	command := exec.CommandContext(t.Context(), program(t, tool, "ldap-utils"), append(usual, args...)...)
	command.Env = environment(t, s, "LDAPTLS_CACERT="+s.caFile(), "LDAPTLS_REQCERT=demand")
	command.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), "\n ", ""), command.ProcessState.ExitCode()
}

// login is a simple bind over LDAPS. data is AD's code for a refusal, "" for a success.
func login(t *testing.T, s *server, name, password string) (data string) {
	t.Helper()
	said, code := openldap(t, s, "ldapwhoami", "", "-D", name, "-w", password)
	if code == 0 {
		return ""
	}
	_, rest, found := strings.Cut(said, "data ")
	if code != 49 || !found {
		t.Fatalf("the bind of %s ended with %d: %s", name, code, said)
	}
	data, _, _ = strings.Cut(rest, ",")
	return data
}

// logins holds that of the two passwords only the second works.
func logins(t *testing.T, s *server, name, old, current string) {
	t.Helper()
	if data := login(t, s, name, current); data != "" {
		t.Errorf("%s can't log in with the new password: data %s", name, data)
	}
	if data := login(t, s, name, old); data != "52e" {
		t.Errorf("%s with the old password: data %q, want 52e", name, data)
	}
}

// entry is all of an account's entry as its administrator sees it.
func entry(t *testing.T, s *server, admin, base, account string) string {
	t.Helper()
	said, code := openldap(t, s, "ldapsearch", "", "-LLL", "-D", admin, "-w", adminPassword, "-b", base, "(sAMAccountName="+account+")", "*", "+")
	if code != 0 || !strings.HasPrefix(said, "dn") {
		t.Fatalf("search for %s: %d %s", account, code, said)
	}
	return said
}

// attribute is a value of an entry that ldapsearch printed.
func attribute(said, name string) string {
	for line := range strings.Lines(said) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
