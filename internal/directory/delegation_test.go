package directory_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
	"latchkey/internal/directory/samba"
)

var corp = directory.Domain{ID: "d-0000000001", Kind: directory.SimpleAD, Name: "corp.example.com", NetBIOS: "CORP"}

// lines are the commands of a dialect.
func lines(commands []directory.Command, dialect directory.Dialect) []string {
	var all []string
	for _, c := range commands {
		if c.Dialect == dialect {
			all = append(all, c.Line)
		}
	}
	return all
}

func TestDelegationCommands(t *testing.T) {
	d := directory.Delegation{Domain: corp, Trustee: directory.Trustee{Name: "svc", SID: sid(t, jane)}, Bases: []string{"OU=Sales,DC=corp,DC=example,DC=com"}, Server: "dc1.corp.example.com"}
	commands, err := d.Commands(directory.PurposeReset, directory.PurposeManagement)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`dsacls "OU=Sales,DC=corp,DC=example,DC=com" /I:S /G "CORP\svc:CA;Reset Password;user" "CORP\svc:WP;userAccountControl;user" "CORP\svc:WP;lockoutTime;user" "CORP\svc:WP;pwdLastSet;user"`,
		`dsacls "OU=Sales,DC=corp,DC=example,DC=com" /I:S /G "CORP\svc:RP;userAccountControl;user" "CORP\svc:RP;tokenGroups;user" "CORP\svc:RP;memberOf;user"`,
		`dsacls "OU=Sales,DC=corp,DC=example,DC=com" /I:T /G "CORP\svc:CCDC;user" "CORP\svc:CCDC;group"`,
		`dsacls "OU=Sales,DC=corp,DC=example,DC=com" /I:S /G "CORP\svc:RPWP;;user" "CORP\svc:RPWP;;group"`,
	}
	if diff := cmp.Diff(want, lines(commands, directory.DialectDsacls)); diff != "" {
		t.Error(diff)
	}
	to := ` --objectdn='OU=Sales,DC=corp,DC=example,DC=com' --sddl=`
	before := `samba-tool dsacl set -H 'ldap://dc1.corp.example.com' -U 'CORP\Administrator'` + to
	user := "bf967aba-0de6-11d0-a285-00aa003049e2"
	want = []string{
		before + `'(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;` + user + `;` + jane + `)(OA;CIIO;WP;bf967a68-0de6-11d0-a285-00aa003049e2;` + user + `;` + jane + `)(OA;CIIO;WP;28630ebf-41d5-11d1-a9c1-0000f80367c1;` + user + `;` + jane + `)(OA;CIIO;WP;bf967a0a-0de6-11d0-a285-00aa003049e2;` + user + `;` + jane + `)'`,
		before + `'(OA;CIIO;RP;bf967a68-0de6-11d0-a285-00aa003049e2;` + user + `;` + jane + `)(OA;CIIO;RP;b7c69e6d-2cc7-11d2-854e-00a0c983f608;` + user + `;` + jane + `)(OA;CIIO;RP;bf967991-0de6-11d0-a285-00aa003049e2;` + user + `;` + jane + `)'`,
		before + `'(OA;CI;CCDC;` + user + `;;` + jane + `)(OA;CI;CCDC;bf967a9c-0de6-11d0-a285-00aa003049e2;;` + jane + `)'`,
		before + `'(OA;CIIO;RPWP;;` + user + `;` + jane + `)(OA;CIIO;RPWP;;bf967a9c-0de6-11d0-a285-00aa003049e2;` + jane + `)'`,
	}
	if diff := cmp.Diff(want, lines(commands, directory.DialectSambaTool)); diff != "" {
		t.Error(diff)
	}

	d.LeaveOut = []string{"useraccountcontrol", "pwdLastSet"}
	commands, err = d.Commands(directory.PurposeReset)
	if err != nil {
		t.Fatal(err)
	}
	if got := commands[0].Line; strings.Contains(got, "WP;userAccountControl") || strings.Contains(got, "pwdLastSet") || !strings.Contains(got, "WP;lockoutTime") {
		t.Errorf("what is left out is granted: %s", got)
	}

	none := directory.Delegation{Domain: corp, Trustee: d.Trustee}
	none.Domain.Kind = directory.MicrosoftAD
	commands, err = none.Commands(directory.PurposeReset)
	if err != nil || !strings.Contains(commands[0].Line, `"OU=CORP,DC=corp,DC=example,DC=com"`) {
		t.Errorf("%v, %v", commands, err)
	}

	for _, base := range []string{"", "Sales", "OU=Sales,DC=other,DC=example,DC=com", "DC=example,DC=com", "OU=a\nb,DC=corp,DC=example,DC=com"} {
		d.Bases = []string{base}
		if commands, err := d.Commands(directory.PurposeReset); !errors.Is(err, directory.ErrDelegation) {
			t.Errorf("%q: %v, %v", base, commands, err)
		}
	}
}

// atPrompt is what a program is given by cmd.exe: first its own reading of carets, outside of quotes, then the runtime's of
// quotes and backslashes. It fails where cmd.exe would see an operator, or a variable that may be defined.
func atPrompt(t *testing.T, line string) []string {
	t.Helper()
	var seen strings.Builder
	quoted, percent := false, -1
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '^' && !quoted:
			i++
			if line[i] == '%' {
				percent = i
			}
		case c == '"':
			quoted = !quoted
		case c == '%':
			t.Errorf("%s: a variable at %d", line, i)
		case !quoted && strings.ContainsRune("&|<>()", rune(c)):
			t.Errorf("%s: an operator at %d", line, i)
		}
		seen.WriteByte(line[i])
	}
	if percent >= 0 && quoted {
		t.Errorf("%s: quotes are left open", line)
	}
	var args []string
	var arg strings.Builder
	quoted = false
	for rest := seen.String(); rest != ""; {
		backslashes := len(rest) - len(strings.TrimLeft(rest, `\`))
		rest = rest[backslashes:]
		switch {
		case strings.HasPrefix(rest, `"`):
			arg.WriteString(strings.Repeat(`\`, backslashes/2))
			if backslashes%2 == 1 {
				arg.WriteByte('"')
			} else {
				quoted = !quoted
			}
			rest = rest[1:]
		case backslashes > 0:
			arg.WriteString(strings.Repeat(`\`, backslashes))
		case rest[0] == ' ' && !quoted:
			args = append(args, arg.String())
			arg.Reset()
			rest = rest[1:]
		default:
			arg.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	return append(args, arg.String())
}

// odd are names of OUs that shells could take for something else.
var odd = []string{
	"Sales", "Sales & More", `say "hello"`, "50% off", "%PATH%", `$HOME $(id) ` + "`id`", "O'Brien's", "Bücher 漢字", `a\b`, `end\`, `quote"&calc"`, "a;b", "(x)", "a^b", "#1 <x>", "-H x", "!x!",
}

func TestDelegationQuotes(t *testing.T) {
	for _, name := range odd {
		base := "OU=" + ldap.EscapeDN(name) + ",DC=corp,DC=example,DC=com"
		d := directory.Delegation{Domain: corp, Trustee: directory.Trustee{Name: "svc", SID: sid(t, jane)}, Bases: []string{base}}
		commands, err := d.Commands(directory.PurposeReset)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		args := atPrompt(t, lines(commands, directory.DialectDsacls)[0])
		if args[1] != base || args[4] != `CORP\svc:CA;Reset Password;user` {
			t.Errorf("%s: %q", base, args)
		}
		// A real shell, with a function of the command's name.
		script := `samba-tool() { printf '%s\0' "$@"; }` + "\n" + lines(commands, directory.DialectSambaTool)[0]
		out, err := exec.CommandContext(t.Context(), "bash", "-c", script).Output()
		if err != nil || !slices.Contains(strings.Split(string(out), "\x00"), "--objectdn="+base) {
			t.Errorf("%s: %q, %v", base, out, err)
		}
	}
}

// found answers every search with the same entries.
type found struct {
	directory.Conn
	entries []*ldap.Entry
}

func (f found) Search(context.Context, *ldap.SearchRequest) (*ldap.SearchResult, error) {
	return &ldap.SearchResult{Entries: f.entries}, nil
}

// Rights do not go to whoever made himself a name that looks like another's. Newer domain controllers refuse such names.
func TestFindTrusteeTwice(t *testing.T) {
	id := string(sid(t, jane))
	two := found{entries: []*ldap.Entry{
		ldap.NewEntry("CN=one", map[string][]string{"sAMAccountName": {"svc"}, "objectSid": {id}}),
		ldap.NewEntry("CN=two", map[string][]string{"sAMAccountName": {"mallory"}, "userPrincipalName": {"svc"}, "objectSid": {id}}),
	}}
	if got, err := directory.FindTrustee(t.Context(), two, corp, "svc"); !errors.Is(err, directory.ErrNoSuchTrustee) || !strings.Contains(err.Error(), "CN=two") {
		t.Errorf("%v, %v", got, err)
	}
}

const password = "Harbour-Light-11"

// server is a Samba domain controller for the tests.
type server struct {
	domain  directory.Domain
	address string
	dir     string
	conn    directory.Conn // as the system itself
}

func startSamba(t *testing.T, address string) server {
	t.Helper()
	dir := directorytest.SambaFolder(t)
	engine := samba.New(directorytest.SambaOptions(dir))
	t.Cleanup(engine.Close)
	domain := corp
	domain.SID = sid(t, "S-1-5-21-11-22-33")
	if err := engine.Provision(t.Context(), domain, []samba.Controller{{Host: "dc1", Address: netip.MustParseAddr(address)}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Remove(context.Background(), domain.ID); err != nil {
			t.Error(err)
		}
	})
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	return server{domain, address, dir, conn}
}

func (s server) host() string { return "dc1." + s.domain.Name }

func (s server) add(t *testing.T, dn string, attributes ...string) string {
	t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for i := 0; i < len(attributes); i += 2 {
		request.Attribute(attributes[i], []string{attributes[i+1]})
	}
	if err := s.conn.Add(t.Context(), request); err != nil {
		t.Fatalf("%s: %v", dn, err)
	}
	return dn
}

func (s server) user(t *testing.T, name, parent string) string {
	t.Helper()
	return s.add(t, "CN="+name+","+parent, "objectClass", "user", "sAMAccountName", name, "userAccountControl", "512", "unicodePwd", string(directory.EncodePassword([]byte(password))))
}

// bind is a plain connection over LDAPS, as a stranger makes it.
func (s server) bind(t *testing.T, name string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL("ldaps://"+s.address, ldap.DialWithTLSConfig(directorytest.SambaTrust(t, s.dir)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(name+"@"+s.domain.Name, password); err != nil {
		t.Fatalf("bind as %s: %v", name, err)
	}
	return conn
}

// plain is such a connection as a directory.Conn.
type plain struct{ *ldap.Conn }

func (p plain) Search(_ context.Context, r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	return p.Conn.Search(r)
}
func (p plain) Add(_ context.Context, r *ldap.AddRequest) error       { return p.Conn.Add(r) }
func (p plain) Modify(_ context.Context, r *ldap.ModifyRequest) error { return p.Conn.Modify(r) }

func (p plain) ModifyDN(_ context.Context, r *ldap.ModifyDNRequest) error { return p.Conn.ModifyDN(r) }
func (p plain) Delete(_ context.Context, r *ldap.DelRequest) error        { return p.Del(r) }

func modify(conn *ldap.Conn, dn string, change func(*ldap.ModifyRequest)) error {
	request := ldap.NewModifyRequest(dn, nil)
	change(request)
	return conn.Modify(request)
}

func replace(attribute, value string) func(*ldap.ModifyRequest) {
	return func(r *ldap.ModifyRequest) { r.Replace(attribute, []string{value}) }
}

// reset is all that a reset may change, in one request. Before it the user is disabled.
func (s server) reset(t *testing.T, conn *ldap.Conn, dn string) error {
	t.Helper()
	disable := ldap.NewModifyRequest(dn, nil)
	disable.Replace("userAccountControl", []string{"514"})
	if err := s.conn.Modify(t.Context(), disable); err != nil {
		t.Fatal(err)
	}
	return modify(conn, dn, func(r *ldap.ModifyRequest) {
		r.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte("Summer-Rain-2026")))})
		r.Delete("userAccountControl", []string{"514"})
		r.Add("userAccountControl", []string{"512"})
		r.Replace("lockoutTime", []string{"0"})
		r.Replace("pwdLastSet", []string{"0"})
	})
}

func allowed(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("%s: %v, want result 50", what, err)
	}
}

// run gives rights by the printed command, in a shell, as the domain's administrator.
func (s server) run(t *testing.T, line string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// In a mount namespace of its own, in which the name of the domain controller is known.
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"+s.address+" "+s.host()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/hosts && exec sh -c "$2"`, "sh", hosts, line)
	command.Env = append(os.Environ(), "PASSWD_FILE="+file, "LC_ALL=C.UTF-8")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// The commands that are printed give what they say, and no more, on a real domain controller.
func TestDelegation(t *testing.T) {
	s := startSamba(t, "127.80.0.2")
	base := s.domain.BaseDN()
	if err := directory.LayOut(t.Context(), s.conn, s.domain, []byte(password)); err != nil {
		t.Fatal(err)
	}
	unit := s.add(t, "OU="+ldap.EscapeDN(`Bücher & "Söhne" $HOME '50%' (x), a\b`)+","+base, "objectClass", "organizationalUnit")
	below := s.add(t, "OU=Below,"+unit, "objectClass", "organizationalUnit")
	s.user(t, "svc", "CN=Users,"+base)
	trustee, err := directory.FindTrustee(t.Context(), s.conn, s.domain, `corp\SVC`)
	if err != nil {
		t.Fatal(err)
	}
	d := directory.Delegation{Domain: s.domain, Trustee: trustee, Bases: []string{unit}, Server: s.host()}

	inside, deep, outside := s.user(t, "inside", unit), s.user(t, "deep", below), s.user(t, "outside", "CN=Users,"+base)
	group := s.add(t, "CN=staff,"+unit, "objectClass", "group", "sAMAccountName", "staff")
	outerGroup := s.add(t, "CN=outer,CN=Users,"+base, "objectClass", "group", "sAMAccountName", "outer")
	computer := s.add(t, "CN=PC1,"+unit, "objectClass", "computer", "sAMAccountName", "PC1$", "userAccountControl", "4096")
	svc := s.bind(t, "svc")

	t.Run("nothing yet", func(t *testing.T) {
		refused(t, "a reset", s.reset(t, svc, inside))
	})
	t.Run("reset", func(t *testing.T) {
		commands, err := d.Commands(directory.PurposeReset)
		if err != nil {
			t.Fatal(err)
		}
		s.run(t, lines(commands, directory.DialectSambaTool)[0])
		once := s.descriptor(t, unit)
		s.run(t, lines(commands, directory.DialectSambaTool)[0])
		if again := s.descriptor(t, unit); len(again.DACL) != len(once.DACL) {
			t.Errorf("%d entries after one run, %d after two", len(once.DACL), len(again.DACL))
		}
		allowed(t, "a reset", s.reset(t, svc, inside))
		allowed(t, "a reset in an OU below", s.reset(t, svc, deep))
		refused(t, "a reset outside", s.reset(t, svc, outside))
		allowed(t, "a reset as Latchkey does it", func() error {
			_, err := directory.ResetPassword(t.Context(), plain{svc}, s.domain, "deep", []byte("Autumn-Wind-2026"), directory.ResetOptions{Unlock: true, MustChange: true})
			return err
		}())
		if _, err := directory.ResetPassword(t.Context(), plain{svc}, s.domain, "outside", []byte("Autumn-Wind-2026"), directory.ResetOptions{Unlock: true}); !errors.Is(err, directory.ErrForbidden) {
			t.Errorf("a reset outside, as Latchkey does it: %v", err)
		}
		s.nothingElse(t, svc, inside, group, computer)
		s.judge(t, svc, inside, deep, outside, computer)
	})
	t.Run("reading", func(t *testing.T) { s.reading(t, d, inside, outside) })
	t.Run("management", func(t *testing.T) {
		s.user(t, "keeper", "CN=Users,"+base)
		d := d
		if d.Trustee, err = directory.FindTrustee(t.Context(), s.conn, s.domain, "keeper"); err != nil {
			t.Fatal(err)
		}
		commands, err := d.Commands(directory.PurposeManagement)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines(commands, directory.DialectSambaTool) {
			s.run(t, line)
		}
		keeper := s.bind(t, "keeper")
		for _, parent := range []string{unit, below} {
			s.manages(t, keeper, parent, inside)
		}
		refused(t, "a user outside", keeper.Add(newObject("CN=x,CN=Users,"+base, "user")))
		refused(t, "a computer", keeper.Add(newObject("CN=x,"+unit, "computer")))
		refused(t, "an OU", keeper.Add(newObject("OU=x,"+unit, "organizationalUnit")))
		refused(t, "a description outside", modify(keeper, outside, replace("description", "x")))
		refused(t, "a member outside", modify(keeper, outerGroup, replace("member", inside)))
		refused(t, "somebody's password", modify(keeper, inside, replace("unicodePwd", string(directory.EncodePassword([]byte("Summer-Rain-2026"))))))
		refused(t, "rights", modify(keeper, inside, replace("nTSecurityDescriptor", string(emptyDescriptor(t)))))
		refused(t, "a computer's description", modify(keeper, computer, replace("description", "x")))
		refused(t, "the OU's description", modify(keeper, unit, replace("description", "x")))
		s.judge(t, keeper, inside, deep, outside, computer)
	})
	t.Run("who", func(t *testing.T) {
		for _, name := range []string{"svc", "SVC", `CORP\svc`, `corp.example.com\svc`, "svc@corp.example.com", "Svc@CORP.example.com"} {
			if got, err := directory.FindTrustee(t.Context(), s.conn, s.domain, name); err != nil || got != trustee {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		for _, name := range []string{"", "nobody", `OTHER\svc`, "*", "svc ", ")(cn=*", "svc@other.example.com"} {
			if got, err := directory.FindTrustee(t.Context(), s.conn, s.domain, name); !errors.Is(err, directory.ErrNoSuchTrustee) {
				t.Errorf("%q: %v, %v", name, got, err)
			}
		}
	})
	t.Run("full control", func(t *testing.T) { s.fullControl(t) })
	t.Run("all descriptors", func(t *testing.T) { s.allDescriptors(t) })
}

func newObject(dn, class string) *ldap.AddRequest {
	request := ldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", []string{class})
	if class != "organizationalUnit" {
		request.Attribute("sAMAccountName", []string{"new" + class})
	}
	return request
}

func emptyDescriptor(t *testing.T) []byte {
	t.Helper()
	b, err := (&directory.Descriptor{Control: directory.DACLPresent, DACL: []directory.ACE{}}).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s server) descriptor(t *testing.T, dn string) *directory.Descriptor {
	t.Helper()
	d, err := directory.ReadDescriptor(t.Context(), s.conn, dn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// nothingElse tries what the right to reset must not give.
func (s server) nothingElse(t *testing.T, svc *ldap.Conn, user, group, computer string) {
	t.Helper()
	for _, attribute := range []string{"description", "displayName", "mail", "servicePrincipalName", "scriptPath", "sAMAccountName", "userPrincipalName", "accountExpires", "sIDHistory", "msDS-AllowedToActOnBehalfOfOtherIdentity"} {
		if modify(svc, user, replace(attribute, "1")) == nil {
			t.Errorf("it may write %s", attribute)
		}
	}
	refused(t, "a description", modify(svc, user, replace("description", "x")))
	refused(t, "a member", modify(svc, group, replace("member", user)))
	refused(t, "rights", modify(svc, user, replace("nTSecurityDescriptor", string(emptyDescriptor(t)))))
	refused(t, "delegation", modify(svc, user, replace("userAccountControl", "524800")))
	refused(t, "a computer's password", modify(svc, computer, replace("unicodePwd", string(directory.EncodePassword([]byte("Summer-Rain-2026"))))))
	refused(t, "a computer's flags", modify(svc, computer, replace("userAccountControl", "4098")))
	refused(t, "a deletion", svc.Del(ldap.NewDelRequest(user, nil)))
	refused(t, "a new name", svc.ModifyDN(ldap.NewModifyDNRequest(user, "CN=other", true, "")))
	refused(t, "a move", svc.ModifyDN(ldap.NewModifyDNRequest(user, strings.SplitN(user, ",", 2)[0], true, "CN=Users,"+s.domain.BaseDN())))
	refused(t, "a new user", svc.Add(newObject("CN=x,"+strings.SplitN(user, ",", 2)[1], "user")))
	refused(t, "a new group", svc.Add(newObject("CN=x,"+strings.SplitN(user, ",", 2)[1], "group")))
}

// judge holds Grants against what the domain controller itself says that the account may write.
func (s server) judge(t *testing.T, conn *ldap.Conn, dns ...string) {
	t.Helper()
	root, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"tokenGroups"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var tokens []directory.SID
	for _, token := range root.Entries[0].GetRawAttributeValues("tokenGroups") {
		tokens = append(tokens, directory.SID(token))
	}
	for _, dn := range dns {
		entry, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"allowedAttributesEffective"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		effective := entry.Entries[0].GetAttributeValues("allowedAttributesEffective")
		d, err := directory.ReadDescriptor(t.Context(), plain{conn}, dn)
		if err != nil {
			t.Fatal(err)
		}
		for attribute, about := range map[string][]directory.GUID{
			"lockoutTime":        {directory.AttributeLockoutTime},
			"userAccountControl": {directory.AttributeUserAccountControl, directory.SetUserAccountRestrictions},
			"pwdLastSet":         {directory.AttributePwdLastSet, directory.SetUserAccountRestrictions},
		} {
			if got, want := d.Grants(tokens, directory.WriteProperty, about...), slices.Contains(effective, attribute); got != want {
				t.Errorf("%s, %s: Grants says %t, the domain controller %t", dn, attribute, got, want)
			}
		}
		change := ldap.NewModifyRequest(dn, nil)
		change.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte("short")))})
		mayReset := !ldap.IsErrorWithCode(conn.Modify(change), ldap.LDAPResultInsufficientAccessRights) // else it is too short
		if got := d.Grants(tokens, directory.ControlAccess, directory.RightResetPassword); got != mayReset {
			t.Errorf("%s: Grants says %t of a reset, the domain controller %t", dn, got, mayReset)
		}
	}
}

// reading needs a right of its own only where the domain hides users from those who have logged in.
func (s server) reading(t *testing.T, d directory.Delegation, inside, outside string) {
	hide := ldap.NewModifyRequest("CN=Pre-Windows 2000 Compatible Access,CN=Builtin,"+s.domain.BaseDN(), nil)
	hide.Delete("member", nil)
	if err := s.conn.Modify(t.Context(), hide); err != nil {
		t.Fatal(err)
	}
	show := ldap.NewModifyRequest(hide.DN, nil)
	show.Add("member", []string{"CN=S-1-5-11,CN=ForeignSecurityPrincipals," + s.domain.BaseDN()})
	defer func() {
		if err := s.conn.Modify(t.Context(), show); err != nil {
			t.Error(err)
		}
	}()
	svc := s.bind(t, "svc")
	attributes := []string{"userAccountControl", "tokenGroups"}
	sees := func(dn string) (seen []string) {
		result, err := svc.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attributes, nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, attribute := range attributes {
			if len(result.Entries[0].GetAttributeValues(attribute)) > 0 {
				seen = append(seen, attribute)
			}
		}
		return seen
	}
	if seen := sees(inside); seen != nil {
		t.Errorf("without a right it reads %v", seen)
	}
	commands, err := d.Commands(directory.PurposeReset)
	if err != nil {
		t.Fatal(err)
	}
	s.run(t, lines(commands, directory.DialectSambaTool)[1])
	if diff := cmp.Diff(attributes, sees(inside)); diff != "" {
		t.Error(diff)
	}
	if seen := sees(outside); seen != nil {
		t.Errorf("outside it reads %v", seen)
	}
	_, err = directory.ResetPassword(t.Context(), plain{svc}, s.domain, "inside", []byte("Winter-Snow-2026"), directory.ResetOptions{Unlock: true})
	allowed(t, "a reset in a domain that hides its users", err)
}

// manages goes through the life of a user and a group.
func (s server) manages(t *testing.T, keeper *ldap.Conn, parent, member string) {
	t.Helper()
	user, group := "CN=newuser,"+parent, "CN=newgroup,"+parent
	allowed(t, "a user", keeper.Add(newObject(user, "user")))
	allowed(t, "a group", keeper.Add(newObject(group, "group")))
	for _, attribute := range []string{"description", "displayName", "givenName", "mail", "telephoneNumber", "sAMAccountName"} {
		allowed(t, attribute, modify(keeper, user, replace(attribute, "changed")))
	}
	allowed(t, "an attribute of somebody who was there", modify(keeper, member, replace("description", "changed")))
	allowed(t, "a group's scope", modify(keeper, group, replace("groupType", "-2147483640")))
	allowed(t, "members", modify(keeper, group, replace("member", member)))
	allowed(t, "no members", modify(keeper, group, func(r *ldap.ModifyRequest) { r.Delete("member", []string{member}) }))
	allowed(t, "disable", modify(keeper, member, replace("userAccountControl", "514")))
	allowed(t, "a new name", keeper.ModifyDN(ldap.NewModifyDNRequest(user, "CN=other", true, "")))
	allowed(t, "deletion of a user", keeper.Del(ldap.NewDelRequest("CN=other,"+parent, nil)))
	allowed(t, "deletion of a group", keeper.Del(ldap.NewDelRequest(group, nil)))
}

// fullControl is what the delegated administrators of a Managed Microsoft AD have in the customer's OU.
func (s server) fullControl(t *testing.T) {
	base := s.domain.BaseDN()
	unit := s.add(t, "OU=CORP,"+base, "objectClass", "organizationalUnit")
	users := s.add(t, "OU=Users,"+unit, "objectClass", "organizationalUnit")
	before := s.user(t, "before", users)
	boss := s.user(t, "boss", "CN=Users,"+base)
	group := s.add(t, "CN=Delegated,CN=Users,"+base, "objectClass", "group", "sAMAccountName", "Delegated", "member", boss)
	trustee, err := directory.FindTrustee(t.Context(), s.conn, s.domain, "Delegated")
	if err != nil {
		t.Fatal(err)
	}
	conn := s.bind(t, "boss")
	refused(t, "a reset before", s.reset(t, conn, before))
	kept := s.descriptor(t, unit)
	ace := directory.ACE{Type: directory.Allow, Flags: directory.ContainerInherit, Mask: directory.FullControl, SID: trustee.SID}
	for range 2 {
		if err := directory.Grant(t.Context(), s.conn, unit, ace); err != nil {
			t.Fatal(err)
		}
	}
	after := s.descriptor(t, unit)
	if len(after.DACL) != len(kept.DACL)+1 || after.Owner != kept.Owner || after.Group != kept.Group {
		t.Errorf("%d entries before, %d after; owner %s, %s", len(kept.DACL), len(after.DACL), kept.Owner, after.Owner)
	}
	allowed(t, "a reset", s.reset(t, conn, before))
	allowed(t, "an OU", conn.Add(newObject("OU=Sales,"+unit, "organizationalUnit")))
	allowed(t, "a user", conn.Add(newObject("CN=x,OU=Sales,"+unit, "user")))
	allowed(t, "a deletion", conn.Del(ldap.NewDelRequest("CN=x,OU=Sales,"+unit, nil)))
	refused(t, "a reset outside", s.reset(t, conn, "CN=outside,CN=Users,"+base))
	refused(t, "a user outside", conn.Add(newObject("CN=x,CN=Users,"+base, "user")))
	refused(t, "its own group", modify(conn, group, replace("description", "x")))
	refused(t, "an OU at the top", conn.Add(newObject("OU=x,"+base, "organizationalUnit")))
	if err := directory.Grant(t.Context(), plain{conn}, base, ace); !errors.Is(err, directory.ErrForbidden) {
		t.Errorf("rights on the domain: %v", err)
	}
	s.judge(t, conn, before, "CN=outside,CN=Users,"+base)
}

// allDescriptors reads every one of a new domain, and writes them as they were.
func (s server) allDescriptors(t *testing.T) {
	request := ldap.NewSearchRequest(s.domain.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"nTSecurityDescriptor"},
		[]ldap.Control{&ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: 15}})
	result, err := s.conn.Search(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Entries) < 100 {
		t.Fatalf("only %d objects", len(result.Entries))
	}
	for _, entry := range result.Entries {
		value := entry.GetRawAttributeValue("nTSecurityDescriptor")
		d, err := directory.ParseDescriptor(value)
		if err != nil {
			t.Errorf("%s: %v: %x", entry.DN, err, value)
			continue
		}
		written, err := d.Bytes()
		if err != nil || string(written) != string(value) {
			t.Errorf("%s: %x, written %x, %v", entry.DN, value, written, err)
		}
	}
}
