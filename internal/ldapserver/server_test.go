package ldapserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latchkey/internal/certificate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a server on two ports with a fake tree behind it.
type fixture struct {
	tree         *fakeTree
	server       *Server
	plain, ldaps string
	caPath       string
	roots        *x509.CertPool
	log          *lockedBuffer
	told         *told
}

func newFixture(t *testing.T, limits Limits, wrap func(net.Listener) net.Listener) *fixture {
	t.Helper()
	tree := newFakeTree()
	return newFixtureOf(t, tree, tree, limits, wrap)
}

// newFixtureOf is a fixture of a backend that is made of the tree.
func newFixtureOf(t *testing.T, backend Backend, tree *fakeTree, limits Limits, wrap func(net.Listener) net.Listener) *fixture {
	t.Helper()
	own, caPath, err := certificate.Load(t.TempDir(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(caPath)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{tree: tree, caPath: caPath, roots: x509.NewCertPool(), log: &lockedBuffer{}, told: &told{}}
	f.roots.AppendCertsFromPEM(pem)
	logger := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.server, err = New(Options{Backend: backend, TLS: certificate.Config(own), Logger: logger, Limits: limits, Observer: f.told})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	listen := func(implicit bool) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		if wrap != nil {
			listener = wrap(listener)
		}
		go func() { served <- f.server.Serve(listener, implicit) }()
		return address
	}
	f.plain, f.ldaps = listen(false), listen(true)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		if err := f.server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		for range 2 {
			if err := <-served; err != nil {
				t.Errorf("serve: %v", err)
			}
		}
		if strings.Contains(f.log.String(), janeSecret) || strings.Contains(f.log.String(), "secret in a panic") {
			t.Error("a secret is in the log")
		}
	})
	return f
}

// wantLimit says that the observer is told of the limit that many times. The end of a handshake that takes too long reaches the
// client before it.
func (f *fixture) wantLimit(t *testing.T, limit string, times int) {
	t.Helper()
	count := func() (n int) {
		f.told.mu.Lock()
		defer f.told.mu.Unlock()
		for _, what := range f.told.all {
			if what == limit {
				n++
			}
		}
		return n
	}
	for deadline := time.Now().Add(soon); count() < times && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if n := count(); n != times {
		t.Errorf("the observer was told of %s %d times, want %d", limit, n, times)
	}
}

func (f *fixture) config() *tls.Config { return &tls.Config{RootCAs: f.roots, ServerName: "localhost"} }

func (f *fixture) dial(t *testing.T) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL("ldap://" + f.plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (f *fixture) dialTLS(t *testing.T) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL("ldaps://"+f.ldaps, ldap.DialWithTLSConfig(f.config()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (f *fixture) bound(t *testing.T) *ldap.Conn {
	t.Helper()
	c := f.dialTLS(t)
	if err := c.Bind(janeDN, janeSecret); err != nil {
		t.Fatal(err)
	}
	return c
}

func wantCode(t *testing.T, err error, code uint16) {
	t.Helper()
	var refusal *ldap.Error
	if !errors.As(err, &refusal) || refusal.ResultCode != code {
		t.Errorf("result %v, want %d %s", err, code, ldap.LDAPResultCodeMap[code])
	}
}

func subtree(filter string, attributes ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(rootDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
}

func TestSearch(t *testing.T) {
	c := newFixture(t, Limits{}, nil).bound(t)
	result, err := c.Search(subtree(`(&(objectClass=user)(photo=\00\ff\28\2a\29\5c))`, "cn", "photo"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	for _, attribute := range result.Entries[0].Attributes {
		got[attribute.Name] = attribute.ByteValues[0]
	}
	want := map[string][]byte{"cn": []byte("Jane"), "photo": []byte("\x00\xff(*)\\")}
	if diff := cmp.Diff(want, got); diff != "" || len(result.Entries) != 1 || result.Entries[0].DN != janeDN {
		t.Errorf("%d entries: %s", len(result.Entries), diff)
	}

	request := subtree("(objectClass=*)", "cn")
	request.TypesOnly = true
	if result, err = c.Search(request); err != nil || len(result.Entries) != 27 {
		t.Fatalf("types only: %v", err)
	}
	if attribute := result.Entries[1].Attributes[0]; attribute.Name != "cn" || len(attribute.Values) != 0 {
		t.Errorf("types only: %v", attribute)
	}

	request = subtree("(objectClass=*)")
	request.SizeLimit = 3
	result, err = c.Search(request)
	wantCode(t, err, ldap.LDAPResultSizeLimitExceeded)
	if result == nil || len(result.Entries) != 3 {
		t.Error("a search over its size limit loses what was found")
	}

	request = subtree("(objectClass=*)")
	request.BaseDN = "DC=nowhere"
	_, err = c.Search(request)
	wantCode(t, err, ldap.LDAPResultNoSuchObject)
	var refusal *ldap.Error
	if errors.As(err, &refusal); refusal.MatchedDN != rootDN || refusal.Err.Error() != "00002030: No such Base DN: DC=nowhere" {
		t.Errorf("matched %q, text %q", refusal.MatchedDN, refusal.Err)
	}
}

func TestSearchInPages(t *testing.T) {
	c := newFixture(t, Limits{}, nil).bound(t)
	result, err := c.SearchWithPaging(subtree("(objectClass=user)", "cn"), 10)
	if err != nil || len(result.Entries) != 26 {
		t.Errorf("%v, %d entries", err, len(result.Entries))
	}
}

func TestUpdates(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	c := f.bound(t)
	dn := "CN=New," + rootDN
	add := ldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("unicodePwd", []string{"\"\x00a\x00\"\x00"})
	if err := c.Add(add); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.Add(add), ldap.LDAPResultEntryAlreadyExists)
	modify := ldap.NewModifyRequest(dn, nil)
	modify.Add("mail", []string{"a", "b"})
	modify.Delete("objectClass", nil)
	modify.Replace("cn", []string{"New"})
	if err := c.Modify(modify); err != nil {
		t.Fatal(err)
	}
	if err := c.ModifyDN(ldap.NewModifyDNRequest(dn, "CN=Newer", true, "OU=Else,"+rootDN)); err != nil {
		t.Fatal(err)
	}
	moved := "CN=Newer,OU=Else," + rootDN
	want := map[string][]string{"mail": {"a", "b"}, "cn": {"New"}, "unicodePwd": {"\"\x00a\x00\"\x00"}}
	if diff := cmp.Diff(want, f.tree.entries[moved]); diff != "" {
		t.Error(diff)
	}
	if err := c.Del(ldap.NewDelRequest(moved, nil)); err != nil {
		t.Fatal(err)
	}
	if f.tree.entries[moved] != nil {
		t.Error("not deleted")
	}
}

func TestPasswordsInTheClear(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	c := f.dial(t)
	if err := c.Bind(janeDN, janeSecret); err != nil {
		t.Fatalf("from loopback: %v", err)
	}
	for _, name := range []string{"unicodePwd", "UNICODEPWD;binary", "1.2.840.113556.1.4.90", "userPassword"} {
		modify := ldap.NewModifyRequest(janeDN, nil)
		modify.Replace("cn", []string{"changed"})
		modify.Replace(name, []string{"x"})
		wantCode(t, c.Modify(modify), ldap.LDAPResultUnwillingToPerform)
		add := ldap.NewAddRequest("CN=Clear,"+rootDN, nil)
		add.Attribute(name, []string{"x"})
		wantCode(t, c.Add(add), ldap.LDAPResultUnwillingToPerform)
	}
	if f.tree.entries[janeDN]["cn"][0] != "Jane" || f.tree.entries["CN=Clear,"+rootDN] != nil {
		t.Error("a refused request changed something")
	}
	_, err := c.PasswordModify(ldap.NewPasswordModifyRequest("", janeSecret, "Other-Horse-8"))
	wantCode(t, err, ldap.LDAPResultConfidentialityRequired)
}

func TestCompare(t *testing.T) {
	c := newFixture(t, Limits{}, nil).bound(t)
	if same, err := c.Compare(janeDN, "cn", "Jane"); !same || err != nil {
		t.Errorf("%v, %v", same, err)
	}
	if same, err := c.Compare(janeDN, "cn", "*"); same || err != nil {
		t.Errorf("%v, %v", same, err)
	}
	_, err := c.Compare(janeDN, "pager", "1")
	wantCode(t, err, ldap.LDAPResultNoSuchAttribute)
	_, err = c.Compare("DC=nowhere", "cn", "1")
	wantCode(t, err, ldap.LDAPResultNoSuchObject)
	_, err = c.Compare(janeDN, "cn)(x", "1")
	wantCode(t, err, ldap.LDAPResultUndefinedAttributeType)
}

func TestBind(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	c := f.bound(t)
	who := func() string {
		t.Helper()
		result, err := c.WhoAmI(nil)
		if err != nil {
			t.Fatal(err)
		}
		return result.AuthzID
	}
	if got := who(); got != `u:CORP\jane` {
		t.Errorf("who: %q", got)
	}
	// The bind's bytes are wiped before the next request is read.
	f.tree.mu.Lock()
	if string(f.tree.binding) == janeSecret {
		t.Error("the password still lies in the connection's buffer")
	}
	f.tree.mu.Unlock()
	wantCode(t, c.Bind(janeDN, "wrong"), ldap.LDAPResultInvalidCredentials)
	if got := who(); got != "" {
		t.Errorf("after a refused bind: %q", got)
	}
	if !strings.Contains(f.log.String(), "data=52e") {
		t.Error("a refused bind is not in the log with its code")
	}
	if err := c.Bind("jane@corp.example.com", janeSecret); err != nil || who() == "" {
		t.Error(err)
	}
	if err := c.UnauthenticatedBind(janeDN); err == nil {
		t.Error("a name without a password was taken for a proof")
	} else {
		wantCode(t, err, ldap.LDAPResultUnwillingToPerform)
	}
	if err := c.UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous: %v", err)
	}
	wantCode(t, c.ExternalBind(), ldap.LDAPResultAuthMethodNotSupported)
}

// elsewhere makes connections look as if they came from another machine.
type elsewhere struct{ net.Listener }

type elsewhereConn struct{ net.Conn }

func (l elsewhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return elsewhereConn{c}, nil
}

func (elsewhereConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}
}

func TestBindFromElsewhere(t *testing.T) {
	f := newFixture(t, Limits{}, func(l net.Listener) net.Listener { return elsewhere{l} })
	c := f.dial(t)
	err := c.Bind(janeDN, janeSecret)
	wantCode(t, err, ldap.LDAPResultStrongAuthRequired)
	if err == nil || !strings.Contains(err.Error(), "BindSimple: Transport encryption required.") {
		t.Errorf("text: %v", err)
	}
	if f.tree.binding != nil {
		t.Error("the backend was asked")
	}
	if err := c.UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous: %v", err)
	}
	if err := c.StartTLS(f.config()); err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(janeDN, janeSecret); err != nil {
		t.Errorf("under TLS: %v", err)
	}
}

func TestStartTLS(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	c := f.dial(t)
	if err := c.StartTLS(f.config()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Extended(ldap.NewExtendedRequest(oidStartTLS, nil))
	wantCode(t, err, ldap.LDAPResultOperationsError)
	if err := c.Bind(janeDN, janeSecret); err != nil {
		t.Fatal(err)
	}
	result, err := c.PasswordModify(ldap.NewPasswordModifyRequest("", janeSecret, ""))
	if err != nil || result.GeneratedPassword != "Generated-9-Password" {
		t.Errorf("%v, %v", result, err)
	}
	wantCode(t, c.Bind(janeDN, janeSecret), ldap.LDAPResultInvalidCredentials)
	if err := c.Bind(janeDN, result.GeneratedPassword); err != nil {
		t.Error(err)
	}

	bound := f.dial(t)
	if err := bound.Bind(janeDN, "Generated-9-Password"); err != nil {
		t.Fatal(err)
	}
	_, err = bound.Extended(ldap.NewExtendedRequest(oidStartTLS, nil))
	wantCode(t, err, ldap.LDAPResultOperationsError)
}

func TestStartTLSWhileOperationsAreOutstanding(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	c := f.dial(t)
	searched := make(chan error, 1)
	go func() {
		_, err := c.Search(ldap.NewSearchRequest("DC=wait", 2, 0, 0, 0, false, "(cn=*)", nil, nil))
		searched <- err
	}()
	<-f.tree.entered
	_, err := c.Extended(ldap.NewExtendedRequest(oidStartTLS, nil))
	wantCode(t, err, ldap.LDAPResultOperationsError)
	close(f.tree.release)
	wantCode(t, <-searched, ldap.LDAPResultOperationsError)
	if err := c.StartTLS(f.config()); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	c := f.bound(t)
	_, err := c.Extended(ldap.NewExtendedRequest("1.2.3.4", nil))
	wantCode(t, err, ldap.LDAPResultProtocolError)

	request := subtree("(cn=Jane)")
	request.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", true, "x")}
	_, err = c.Search(request)
	wantCode(t, err, ldap.LDAPResultUnavailableCriticalExtension)
	request.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", false, "x")}
	if _, err = c.Search(request); err != nil {
		t.Errorf("with an unknown control that is not critical: %v", err)
	}

	for dn, code := range map[string]uint16{"DC=broken": ldap.LDAPResultOther, "DC=remote": ldap.LDAPResultUnavailable} {
		err := c.Modify(&ldap.ModifyRequest{DN: dn})
		wantCode(t, err, code)
		if err != nil && (strings.Contains(err.Error(), "disk") || strings.Contains(err.Error(), "reset")) {
			t.Errorf("an inner error reached the client: %v", err)
		}
	}
	if !strings.Contains(f.log.String(), "the disk is full") {
		t.Error("an inner error is not in the log")
	}
	_, err = c.Search(subtree("(userPassword=" + janeSecret + ")"))
	if err != nil || !strings.Contains(f.log.String(), "(userPassword=[redacted])") {
		t.Errorf("%v; or the log does not say what was searched", err)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	bystander := f.bound(t)
	c := f.bound(t)
	if err := c.Modify(&ldap.ModifyRequest{DN: "DC=panic"}); err == nil {
		t.Error("no error")
	}
	if err := f.dialTLS(t).Bind("panic", "x"); err == nil {
		t.Error("no error")
	}
	if _, err := bystander.WhoAmI(nil); err != nil {
		t.Errorf("another connection: %v", err)
	}
	if !strings.Contains(f.log.String(), "panicked") {
		t.Error("not in the log")
	}
}
