package samba_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
	"latchkey/internal/directory/samba"
)

const (
	bossPassword = "Harbour-Light-11"
	newPassword  = "Summer-Rain-2026"
)

// world is the folder that engines of one test share, and the authority of their certificates.
type world struct {
	dir string
	ca  string
}

func newWorld(t *testing.T) world {
	t.Helper()
	dir := directorytest.SambaFolder(t)
	return world{dir: dir, ca: directorytest.SambaCA(dir)}
}

func (w world) engine(t *testing.T, change ...func(*samba.Options)) *samba.Engine {
	t.Helper()
	options := directorytest.SambaOptions(w.dir)
	options.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	for _, each := range change {
		each(&options)
	}
	engine := samba.New(options)
	t.Cleanup(engine.Close)
	return engine
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

func domainOf(t *testing.T, id, name, netbios, sid string) directory.Domain {
	t.Helper()
	parsed, err := directory.ParseSID(sid)
	if err != nil {
		t.Fatal(err)
	}
	return directory.Domain{ID: id, Kind: directory.SimpleAD, Name: name, NetBIOS: netbios, SID: parsed}
}

func at(host, address string) samba.Controller {
	return samba.Controller{Host: host, Address: netip.MustParseAddr(address)}
}

// login is a bind over LDAPS, with the certificate verified.
func (w world) login(t *testing.T, address, name, password string) error {
	t.Helper()
	conn, err := ldap.DialURL("ldaps://"+address, ldap.DialWithTLSConfig(directorytest.SambaTrust(t, w.dir)))
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Bind(name, password)
}

func laidOut(t *testing.T, engine *samba.Engine, d directory.Domain) directory.Conn {
	t.Helper()
	conn, err := engine.Conn(d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := directory.LayOut(t.Context(), conn, d, []byte(bossPassword)); err != nil {
		t.Fatal(err)
	}
	if err := directory.Delegate(t.Context(), conn, d); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Two domains side by side, from nothing to a login, and nothing is left.
func TestProvision(t *testing.T) {
	w := newWorld(t)
	before := outside(t)
	engine := w.engine(t)
	for _, c := range []struct {
		domain     directory.Domain
		controller samba.Controller
	}{
		{domainOf(t, "d-0000000001", "corpa.example.com", "CORPA", "S-1-5-21-1-2-3"), at("dc1", "127.78.0.1")},
		{domainOf(t, "d-0000000002", "corpb.example.com", "CORPB", "S-1-5-21-4-5-6"), at("dc1", "127.78.0.2")},
	} {
		if err := engine.Provision(t.Context(), c.domain, []samba.Controller{c.controller}); err != nil {
			t.Fatal(err)
		}
		conn := laidOut(t, engine, c.domain)
		if err := w.login(t, c.controller.Address.String(), "Administrator@"+c.domain.Name, bossPassword); err != nil {
			t.Error(err)
		}
		if _, err := directory.ResetPassword(t.Context(), conn, c.domain, "administrator", []byte(newPassword), directory.ResetOptions{Unlock: true}); err != nil {
			t.Error(err)
		}
		if err := w.login(t, c.controller.Address.String(), "Administrator@"+c.domain.Name, newPassword); err != nil {
			t.Error(err)
		}
		if err := w.login(t, c.controller.Address.String(), "Administrator@"+c.domain.Name, bossPassword); !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
			t.Errorf("the old password: %v", err)
		}
	}
	for _, id := range []string{"d-0000000001", "d-0000000002"} {
		if err := engine.Remove(context.Background(), id); err != nil {
			t.Error(err)
		}
		if _, err := engine.Conn(id); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("after Remove: %v", err)
		}
		for _, address := range []string{"127.78.0.1", "127.78.0.2"} {
			if id == "d-0000000002" && has(t, address) {
				t.Errorf("%s is left on the loopback interface", address)
			}
		}
		if _, err := os.Stat(filepath.Join(w.dir, "samba", id)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind: %v", id, err)
		}
	}
	if diff := cmp.Diff(before, outside(t)); diff != "" {
		t.Errorf("outside of its folder Samba changed:\n%s", diff)
	}
	if left := w.processes(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// outside is what the machine's own Samba and resolver have.
func outside(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, root := range []string{"/etc/samba", "/var/lib/samba", "/var/cache/samba", "/var/log/samba", "/run/samba", "/etc/resolv.conf", "/etc/krb5.conf", "/etc/hosts", "/tmp/krb5cc_0"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err == nil {
				found[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// What an interrupted run has left is made anew.
func TestProvisionAgain(t *testing.T) {
	w := newWorld(t)
	engine := w.engine(t)
	d := domainOf(t, "d-0000000007", "corpg.example.com", "CORPG", "S-1-5-21-13-14-15")
	controllers := []samba.Controller{at("dc1", "127.78.0.7")}
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	if err := engine.Provision(ctx, d, controllers); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a run that is given up: %v", err)
	}
	// As kill -9 leaves it.
	half := filepath.Join(w.dir, "samba", d.ID, "dc1", "private")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "sam.ldb"), []byte("half a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := engine.Serve(t.Context(), d, controllers); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("what was not made is served: %v", err)
	}
	if err := engine.Provision(t.Context(), d, controllers); err != nil {
		t.Fatal(err)
	}
	laidOut(t, engine, d)
	if err := w.login(t, "127.78.0.7", "Administrator@"+d.Name, bossPassword); err != nil {
		t.Error(err)
	}
	conn, err := engine.Conn(d.ID)
	if err != nil {
		t.Fatal(err)
	}
	found, err := conn.Search(t.Context(), ldap.NewSearchRequest(d.BaseDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"minPwdLength", "objectSid", "pwdHistoryLength"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	head := found.Entries[0]
	if head.GetAttributeValue("minPwdLength") != "7" || head.GetAttributeValue("pwdHistoryLength") != "24" || head.GetAttributeValue("objectSid") != string(d.SID) {
		t.Errorf("%+v", head)
	}
}

// What keeps a domain controller from being made is said before anything is made.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	d := domainOf(t, "d-0000000008", "corph.example.com", "CORPH", "S-1-5-21-16-17-18")
	provision := func(engine *samba.Engine, address string) error {
		return engine.Provision(t.Context(), d, []samba.Controller{at("dc1", address)})
	}
	t.Run("port taken", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.78.0.8:389")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		engine := w.engine(t)
		err = provision(engine, "127.78.0.8")
		if err == nil || !strings.Contains(err.Error(), "389") || !strings.Contains(err.Error(), "ss --listening") {
			t.Error(err)
		}
		engine.Drop(d.ID)
		if has(t, "127.78.0.8") {
			t.Error("the address is left on the loopback interface")
		}
	})
	t.Run("long path", func(t *testing.T) {
		err := provision(w.engine(t, func(o *samba.Options) { o.Dir = filepath.Join(o.Dir, strings.Repeat("x", 100)) }), "127.78.0.8")
		if err == nil || !strings.Contains(err.Error(), "107") {
			t.Error(err)
		}
	})
	t.Run("address of another machine", func(t *testing.T) {
		if err := provision(w.engine(t), "203.0.113.7"); !errors.Is(err, samba.ErrNotPermitted) || !strings.Contains(err.Error(), "203.0.113.7") {
			t.Error(err)
		}
	})
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("PATH", "")
		engine := w.engine(t)
		for _, err := range []error{engine.Available(), provision(engine, "127.78.0.8")} {
			if !errors.Is(err, samba.ErrNotInstalled) || !strings.Contains(err.Error(), "apt-get install") {
				t.Error(err)
			}
		}
	})
	if left, err := filepath.Glob(filepath.Join(w.dir, "samba", d.ID, "dc1")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
