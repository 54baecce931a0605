package kdc_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/kdc"
	"latchkey/internal/store"
)

const password = "Winter-Sun-2025"

// realm is a directory with its key distribution center.
type realm struct {
	testing.TB
	engine        *embedded.Engine
	server        *kdc.Server
	domain        directory.Domain
	conn          directory.Conn
	kdc, kpasswd  string // addresses
	dir           string
	configuration string
	clock         *clock // the engine's
}

// clock runs as the machine's does, so much ahead.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func newEngine(t testing.TB, now func() time.Time) *embedded.Engine {
	t.Helper()
	records, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	keyring, err := embedded.NewKeyring(make([]byte, embedded.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := embedded.New(records, keyring, nil, slog.New(slog.DiscardHandler), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	return engine
}

func newDomain(t testing.TB, engine *embedded.Engine, id string, kind directory.Kind) (directory.Domain, directory.Conn) {
	t.Helper()
	sid, err := directory.ParseSID("S-1-5-21-1-2-3")
	if err != nil {
		t.Fatal(err)
	}
	domain := directory.Domain{ID: id, Kind: kind, Name: "corp.example.com", NetBIOS: "CORP", SID: sid}
	if err := engine.Serve(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	if err := engine.Provision(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := directory.LayOut(t.Context(), conn, domain, []byte("Pa55-of-the-boss")); err != nil {
		t.Fatal(err)
	}
	return domain, conn
}

// listen takes a port that is free on both transports.
func listen(t testing.TB) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if udp, err := net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp
		}
		_ = tcp.Close()
	}
	t.Fatal("no port is free on both transports")
	return nil, nil
}

// serve starts a server for an engine, and gives its addresses.
func serve(t testing.TB, options kdc.Options) (s *kdc.Server, kdcAddr, kpasswdAddr string) {
	t.Helper()
	s = kdc.New(options)
	var addresses []string
	for _, run := range []func(net.Listener, net.PacketConn) error{s.ServeKDC, s.ServePasswords} {
		tcp, udp := listen(t)
		addresses = append(addresses, tcp.Addr().String())
		done := make(chan error, 1)
		go func() { done <- run(tcp, udp) }()
		t.Cleanup(func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return s, addresses[0], addresses[1]
}

func newRealm(t testing.TB, kind directory.Kind) *realm {
	t.Helper()
	r := &realm{TB: t, clock: &clock{}, dir: t.TempDir()}
	r.engine = newEngine(t, r.clock.now)
	r.domain, r.conn = newDomain(t, r.engine, "d-1234567890", kind)
	logger := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	r.server, r.kdc, r.kpasswd = serve(t, kdc.Options{Engine: r.engine, Logger: logger})
	r.configure("")
	return r
}

// configure writes a krb5.conf of the realm's own.
func (r *realm) configure(more string) {
	r.configuration = filepath.Join(r.dir, "krb5.conf")
	text := fmt.Sprintf(`[libdefaults]
default_realm = CORP.EXAMPLE.COM
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
%s
[realms]
CORP.EXAMPLE.COM = {
 kdc = %s
 kpasswd_server = %s
}
[domain_realm]
.corp.example.com = CORP.EXAMPLE.COM
`, more, r.kdc, r.kpasswd)
	if err := os.WriteFile(r.configuration, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// user adds a person with the password.
func (r *realm) user(name string, attributes ...string) string {
	r.Helper()
	dn := "CN=" + name + "," + r.domain.UsersDN()
	all := map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}, "unicodePwd": {encoded(password)}, "userAccountControl": {"512"}}
	for i := 0; i+1 < len(attributes); i += 2 {
		all[attributes[i]] = append(all[attributes[i]], attributes[i+1])
	}
	if attributes != nil {
		if own, ok := all["userAccountControl"]; ok {
			all["userAccountControl"] = own[len(own)-1:]
		}
	}
	if err := directory.Ensure(r.Context(), r.conn, dn, all); err != nil {
		r.Fatal(err)
	}
	return dn
}

func (r *realm) set(dn, attribute string, values ...string) {
	r.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace(attribute, values)
	if err := r.conn.Modify(r.Context(), request); err != nil {
		r.Fatal(err)
	}
}

func encoded(password string) string { return string(directory.EncodePassword([]byte(password))) }

// run runs a program of MIT Kerberos with a credentials cache of that name; input goes to its standard input.
func (r *realm) run(cache, input, program string, args ...string) (string, error) {
	r.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		const missing = "MIT Kerberos is missing (hint: apt-get install krb5-user)"
		if os.Getenv("CI") != "" {
			r.Fatal(missing)
		}
		r.Skip(missing)
	}
	command := exec.CommandContext(r.Context(), path, args...)
	command.Env = append(os.Environ(), "KRB5_CONFIG="+r.configuration, "KRB5CCNAME=FILE:"+filepath.Join(r.dir, cache), "LC_ALL=C")
	if testing.Verbose() {
		command.Env = append(command.Env, "KRB5_TRACE=/dev/stderr")
	}
	command.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err = command.Run()
	return out.String(), err
}

// must is run for what has to work.
func (r *realm) must(cache, input, program string, args ...string) string {
	r.Helper()
	out, err := r.run(cache, input, program, args...)
	if err != nil {
		r.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return out
}
