package e2e

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestPostgreSQL: users of the directory log in to a database by ldap authentication, in both of its modes: by a name that is
// made of what they type, and by a search for them.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	bin := filepath.Dir(installed(t, "/usr/lib/postgresql/*/bin/initdb", "postgresql"))
	owner := credential(t, "postgres")
	s := start(t, consumerSeed)
	dir := openDir(t)
	put(t, dir, map[string]string{"ca.pem": s.ca(t)})
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	as := func(name string, args ...string) *exec.Cmd {
		command := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
		command.Dir, command.SysProcAttr = dir, &syscall.SysProcAttr{Credential: owner}
		command.Env = environment(t, s, "LDAPTLS_CACERT="+filepath.Join(dir, "ca.pem"), "LDAPTLS_REQCERT=demand")
		return command
	}
	data := filepath.Join(dir, "data")
	if said, err := as("initdb", "--no-sync", "--no-locale", "--encoding=UTF8", "--auth=peer", "-D", data).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v %s", err, said)
	}
	address, err := url.Parse(s.LDAP)
	if err != nil {
		t.Fatal(err)
	}
	rules := fmt.Sprintf(`local all postgres peer
local simple all ldap ldapserver=%s ldapport=%s ldaptls=1 ldapprefix="CORP\"
local search all ldap ldapurl="%s/%s??sub?(&(sAMAccountName=$username)(memberOf:1.2.840.113556.1.4.1941:=CN=Everyone,OU=Users,%[4]s))" ldapbinddn="CN=svc,OU=Users,%[4]s" ldapbindpasswd="%s"
`, address.Hostname(), address.Port(), s.LDAPS, customerDN, adminPassword)
	put(t, data, map[string]string{"pg_hba.conf": rules})
	background(t, as("postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir, "-c", "fsync=off", "-c", "log_min_messages=fatal"), nil)
	query := func(database, who, password, text string) (string, int) {
		command := as("psql", "-h", dir, "-U", who, "-d", database, "-w", "-t", "-A", "-c", text)
		command.Env = append(command.Env, "PGPASSWORD="+password)
		var out bytes.Buffer
		command.Stdout, command.Stderr = &out, &out
		_ = command.Run()
		return out.String(), command.ProcessState.ExitCode()
	}
	await(t, "PostgreSQL", func() bool {
		_, code := query("postgres", "postgres", "", "select 1")
		return code == 0
	})
	for _, text := range []string{"create role jane login", "create role joe login", "create role off login", `create role "nobody-here" login`, "create database simple", "create database search"} {
		if said, code := query("postgres", "postgres", "", text); code != 0 {
			t.Fatalf("%s: %d %s", text, code, said)
		}
	}
	for _, mode := range []string{"simple", "search"} {
		t.Run(mode, func(t *testing.T) {
			callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "jane", firstPassword)).accepted(t)
			consumed(t, s, func(who, password string) error {
				said, code := query(mode, who, password, "select current_user")
				if code == 0 && strings.TrimSpace(said) != who {
					t.Errorf("%s is %q", who, said)
				}
				return refusal(said, code)
			})
		})
	}
	if said, code := query("simple", "joe", firstPassword, "select 1"); code != 0 {
		t.Errorf("joe by name: %d %s", code, said)
	}
	if said, code := query("search", "joe", firstPassword, "select 1"); code == 0 || !strings.Contains(said, "LDAP authentication failed") {
		t.Errorf("joe, whom the search does not find: %d %s", code, said)
	}
	s.stop()
	noSecrets(t, s)
}

// credential is who a daemon runs as that does not run as root.
func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root", "to run as another user")
	}
	account, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
