package samba_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/directory/samba"
)

// eventuallyTakes waits until a domain controller takes a password.
func (w world) eventuallyTakes(t *testing.T, address, name, password string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = w.login(t, address, name, password); err == nil {
			return
		}
	}
	t.Fatalf("%s at %s: %v", name, address, err)
}

// several is a domain with two controllers, and a user.
type several struct {
	world
	engine        *samba.Engine
	domain        directory.Domain
	first, second samba.Controller
}

func (s several) conn(t *testing.T) directory.Conn {
	t.Helper()
	conn, err := s.engine.Conn(s.domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (s several) add(t *testing.T, name, password string) {
	t.Helper()
	if err := directory.Ensure(t.Context(), s.conn(t), "CN="+name+",CN=Users,"+s.domain.BaseDN(), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}}); err != nil {
		t.Fatal(err)
	}
	s.reset(t, name, password)
}

func (s several) reset(t *testing.T, name, password string) {
	t.Helper()
	if _, err := directory.ResetPassword(t.Context(), s.conn(t), s.domain, name, []byte(password), directory.ResetOptions{}); err != nil {
		t.Fatal(err)
	}
}

// takes says whether the domain controller takes a password now.
func (s several) takes(t *testing.T, c samba.Controller, name, password string) bool {
	t.Helper()
	err := s.login(t, c.Address.String(), name+"@"+s.domain.Name, password)
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		t.Error(err)
	}
	return err == nil
}

func (s several) accounts(t *testing.T) (names []string) {
	t.Helper()
	found, err := s.conn(t).Search(t.Context(), ldap.NewSearchRequest(s.domain.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(|(objectClass=computer)(sAMAccountName=latchkey*))", []string{"cn"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found.Entries {
		names = append(names, entry.GetAttributeValue("cn"))
	}
	slices.Sort(names)
	return names
}

// servers is the names of the domain's controllers in its own DNS.
func (s several) servers(t *testing.T, at samba.Controller) (names []string) {
	t.Helper()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(at.Address.String(), "53"))
	}}
	_, found, err := resolver.LookupSRV(t.Context(), "ldap", "tcp", "dc._msdcs."+s.domain.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range found {
		names = append(names, each.Target)
	}
	slices.Sort(names)
	return names
}

// Domain controllers join, replicate, stand in for each other and leave; a snapshot of them all becomes a domain again.
func TestControllers(t *testing.T) {
	w := newWorld(t)
	s := several{w, w.engine(t), domainOf(t, "d-0000000003", "corpc.example.com", "CORPC", "S-1-5-21-7-8-9"), at("dc1", "127.78.0.3"), at("dc2", "127.78.0.4")}
	if err := s.engine.Provision(t.Context(), s.domain, []samba.Controller{s.first}); err != nil {
		t.Fatal(err)
	}
	t.Run("join given up", s.joinGivenUp)
	for range 2 {
		if err := s.engine.Serve(t.Context(), s.domain, []samba.Controller{s.first, s.second}); err != nil {
			t.Fatal(err)
		}
	}
	s.add(t, "ann", bossPassword)
	s.eventuallyTakes(t, s.second.Address.String(), "ann@"+s.domain.Name, bossPassword)
	if diff := cmp.Diff([]string{"DC1", "DC2"}, s.accounts(t)); diff != "" {
		t.Errorf("accounts: %s", diff)
	}
	if diff := cmp.Diff([]string{"dc1.corpc.example.com.", "dc2.corpc.example.com."}, s.servers(t, s.first)); diff != "" {
		t.Errorf("servers: %s", diff)
	}
	verifier, ok := s.conn(t).(directory.Verifier)
	if !ok {
		t.Fatal("passwords can't be proved")
	}
	for _, each := range verifier.Verify(t.Context(), "CN=ann,CN=Users,"+s.domain.BaseDN(), []byte(bossPassword)) {
		if each.Err != nil {
			t.Errorf("%s: %v", each.Controller, each.Err)
		}
	}
	for range 2 {
		if err := s.engine.Snapshot(t.Context(), s.domain.ID, "s-1"); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("first is down", s.firstIsDown)
	t.Run("served again", s.servedAgain)
	t.Run("second leaves", s.secondLeaves)
	t.Run("restore", s.restore)
	t.Run("first leaves", s.firstLeaves)
}

// joinGivenUp leaves no account behind, and what else it leaves is no obstacle to the next join.
func (s several) joinGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.engine.Serve(ctx, s.domain, []samba.Controller{s.first, s.second}) }()
	eventually(t, "the other domain controller has an account", time.Minute, func() bool { return slices.Contains(s.accounts(t), "DC2") })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if diff := cmp.Diff([]string{"DC1", "DC2"}, s.accounts(t)); diff != "" {
		t.Errorf("accounts: %s", diff)
	}
}

func (s several) firstIsDown(t *testing.T) {
	leader := s.leader(t, s.domain.ID, s.first.Host)
	if err := syscall.Kill(leader, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.reset(t, "ann", newPassword)
	t.Logf("reset within %s", time.Since(began))
	if !s.takes(t, s.second, "ann", newPassword) {
		t.Error("the second does not take the new password")
	}
	// It counts as working when it knows of the change.
	eventually(t, "the first is up again", time.Minute, func() bool {
		return s.leader(t, s.domain.ID, s.first.Host) != leader && up(s.engine, s.domain.ID)
	})
	if !s.takes(t, s.first, "ann", newPassword) {
		t.Error("the first does not know of the new password")
	}
}

// servedAgain is what a restart of the server does.
func (s several) servedAgain(t *testing.T) {
	s.engine.Drop(s.domain.ID)
	if left := s.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	began := time.Now()
	if err := s.engine.Serve(t.Context(), s.domain, []samba.Controller{s.first, s.second}); err != nil {
		t.Fatal(err)
	}
	t.Logf("both serve after %s", time.Since(began))
	s.reset(t, "ann", newPassword)
	for _, health := range s.engine.Health(s.domain.ID) {
		if !health.Up {
			t.Errorf("%+v", health)
		}
	}
}

func (s several) secondLeaves(t *testing.T) {
	for range 2 {
		if err := s.engine.Serve(t.Context(), s.domain, []samba.Controller{s.first}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"DC1"}, s.accounts(t)); diff != "" {
		t.Errorf("accounts: %s", diff)
	}
	if diff := cmp.Diff([]string{"dc1.corpc.example.com."}, s.servers(t, s.first)); diff != "" {
		t.Errorf("servers: %s", diff)
	}
	if health := s.engine.Health(s.domain.ID); len(health) != 1 || !health[0].Up || health[0].Host != "dc1" {
		t.Errorf("%+v", health)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "samba", s.domain.ID, "dc2*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if has(t, s.second.Address.String()) {
		t.Errorf("%s is left on the loopback interface", s.second.Address)
	}
}

func (s several) restore(t *testing.T) {
	s.add(t, "bob", newPassword)
	if _, err := s.engine.Restore(t.Context(), s.domain, []samba.Controller{s.first}, "s-0"); !os.IsNotExist(err) {
		t.Errorf("restored from nothing: %v", err)
	}
	restored, err := s.engine.Restore(t.Context(), s.domain, []samba.Controller{s.first, s.second}, "s-1")
	if err != nil {
		t.Fatal(err)
	}
	want := []samba.Controller{at("dc3", s.first.Address.String()), at("dc4", s.second.Address.String())}
	if !slices.Equal(want, restored) {
		t.Fatalf("%v, not %v", restored, want)
	}
	if !s.takes(t, restored[0], "ann", bossPassword) || s.takes(t, restored[0], "ann", newPassword) {
		t.Error("the password is not the one of then")
	}
	if _, err := directory.FindUser(t.Context(), s.conn(t), s.domain, "bob"); err == nil {
		t.Error("who came after the snapshot is still there")
	}
	s.reset(t, "ann", newPassword)
	s.eventuallyTakes(t, restored[1].Address.String(), "ann@"+s.domain.Name, newPassword)
	if diff := cmp.Diff([]string{"DC3", "DC4"}, s.accounts(t)); diff != "" {
		t.Errorf("accounts: %s", diff)
	}
	if diff := cmp.Diff([]string{"dc3.corpc.example.com.", "dc4.corpc.example.com."}, s.servers(t, restored[0])); diff != "" {
		t.Errorf("servers: %s", diff)
	}
	for range 2 {
		if err := s.engine.DeleteSnapshot(s.domain.ID, "s-1"); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(filepath.Join(s.dir, "samba", s.domain.ID))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	if diff := cmp.Diff([]string{"dc3", "dc3.address", "dc4", "dc4.address", "hosts", "snapshots"}, names); diff != "" {
		t.Errorf("files: %s", diff)
	}
}

// firstLeaves, which has all of the domain's roles: they go over to the other.
func (s several) firstLeaves(t *testing.T) {
	other := at("dc4", s.second.Address.String())
	if err := s.engine.Serve(t.Context(), s.domain, []samba.Controller{other}); err != nil {
		t.Fatal(err)
	}
	found, err := s.conn(t).Search(t.Context(), ldap.NewSearchRequest(s.domain.BaseDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"fSMORoleOwner"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	if owner := found.Entries[0].GetAttributeValue("fSMORoleOwner"); !strings.HasPrefix(owner, "CN=NTDS Settings,CN=DC4,") {
		t.Errorf("the PDC emulator is %s", owner)
	}
	s.add(t, "carl", bossPassword)
	if !s.takes(t, other, "carl", bossPassword) || !s.takes(t, other, "ann", newPassword) {
		t.Error("passwords are not taken")
	}
	if diff := cmp.Diff([]string{"DC4"}, s.accounts(t)); diff != "" {
		t.Errorf("accounts: %s", diff)
	}
}
