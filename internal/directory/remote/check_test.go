package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// domainOf answers searches from a few entries: base searches by the DN, others with all entries below.
type domainOf map[string]map[string][]string

func (d domainOf) Search(_ context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	result := &ldap.SearchResult{}
	for dn, attributes := range d {
		if request.Scope == ldap.ScopeBaseObject && dn == request.BaseDN || request.Scope != ldap.ScopeBaseObject && below(dn, request.BaseDN) && dn != request.BaseDN {
			result.Entries = append(result.Entries, ldap.NewEntry(dn, attributes))
		}
	}
	if len(result.Entries) == 0 && request.Scope == ldap.ScopeBaseObject {
		return nil, ldap.NewError(ldap.LDAPResultNoSuchObject, errors.New("00002030: no such object"))
	}
	return result, nil
}

func (domainOf) Add(context.Context, *ldap.AddRequest) error           { return errReadsOnly }
func (domainOf) Modify(context.Context, *ldap.ModifyRequest) error     { return errReadsOnly }
func (domainOf) ModifyDN(context.Context, *ldap.ModifyDNRequest) error { return errReadsOnly }
func (domainOf) Delete(context.Context, *ldap.DelRequest) error        { return errReadsOnly }

const (
	naming  = "DC=corp,DC=example,DC=com"
	servers = "CN=Servers,CN=Site,CN=Sites,CN=Configuration," + naming
)

// two is a doctor before a domain of two domain controllers, of which the first is the PDC emulator.
func two() (*doctor, domainOf, domainOf) {
	first := domainOf{
		naming:              {"fSMORoleOwner": {"CN=NTDS Settings,CN=DC1," + servers}},
		"CN=DC1," + servers: {"dNSHostName": {"dc1.corp.example.com"}, "serverReference": {"CN=DC1,OU=Domain Controllers," + naming}},
		"CN=DC2," + servers: {"dNSHostName": {"dc2.corp.example.com"}, "serverReference": {"CN=DC2,OU=Domain Controllers," + naming}},
		"CN=DCX," + servers: {"dNSHostName": {"dcx.child.corp.example.com"}, "serverReference": {"CN=DCX,OU=Domain Controllers,DC=other"}},
		"CN=jane," + naming: {"pwdLastSet": {"1"}, "userAccountControl": {"512"}},
	}
	second := domainOf{"CN=jane," + naming: {"pwdLastSet": {"1"}, "userAccountControl": {"512"}}}
	d := &doctor{
		domain: directory.Domain{Kind: directory.SimpleAD, Name: "corp.example.com", NetBIOS: "CORP"}, config: "CN=Configuration," + naming, conn: first,
		controllers: []*controller{
			{url: "ldaps://dc1", host: "dc1.corp.example.com", bound: true, fits: true, asks: first},
			{url: "ldaps://dc2", host: "DC2.corp.example.com", bound: true, fits: true, asks: second},
		},
		samples: []string{"CN=jane," + naming},
	}
	return d, first, second
}

func TestDomainControllers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d *doctor, first, second domainOf)
		check  func(*doctor, context.Context, string)
		status Status
		detail string
	}{
		{"all are used", func(*doctor, domainOf, domainOf) {}, (*doctor).list, StatusOK, "dc1.corp.example.com, dc2.corp.example.com; all"},
		{"one of two", func(d *doctor, _, _ domainOf) { d.controllers = d.controllers[:1] }, (*doctor).list, StatusWarning, "only one"},
		{"the other can't be bound to", func(d *doctor, _, _ domainOf) { d.controllers[1].bound = false }, (*doctor).list, StatusWarning, "only one"},
		{"two of three", func(_ *doctor, first, _ domainOf) {
			first["CN=DC3,"+servers] = map[string][]string{"dNSHostName": {"dc3.corp.example.com"}, "serverReference": {"CN=DC3," + naming}}
		}, (*doctor).list, StatusOK, "not used: dc3.corp.example.com"},
		{"a read-only one is not missed", func(d *doctor, first, _ domainOf) {
			d.controllers = d.controllers[:1]
			first["CN=DC2,"+servers]["msDS-isRODC"] = []string{"TRUE"}
		}, (*doctor).list, StatusOK, "dc2.corp.example.com (read-only)"},
		{"hidden", func(d *doctor, _, _ domainOf) { d.conn = domainOf{} }, (*doctor).list, StatusSkipped, "does not see"},

		{"the PDC emulator is used", func(*doctor, domainOf, domainOf) {}, (*doctor).emulator, StatusOK, "dc1.corp.example.com"},
		{"it is not used", func(d *doctor, _, _ domainOf) { d.controllers = d.controllers[1:] }, (*doctor).emulator, StatusOK, "not used here"},
		{"it is wanted and not used", func(d *doctor, _, _ domainOf) { d.controllers, d.settings.PreferPDC = d.controllers[1:], true }, (*doctor).emulator, StatusWarning, "preferred"},
		{"it is gone", func(_ *doctor, first, _ domainOf) { delete(first, "CN=DC1,"+servers) }, (*doctor).emulator, StatusWarning, "can't be read"},
		{"it is hidden", func(_ *doctor, first, _ domainOf) { delete(first, naming) }, (*doctor).emulator, StatusSkipped, "does not see"},

		{"the same everywhere", func(*doctor, domainOf, domainOf) {}, (*doctor).replication, StatusOK, "1 users are the same on 2"},
		{"a password behind", func(_ *doctor, _, second domainOf) { second["CN=jane,"+naming]["pwdLastSet"] = []string{"0"} }, (*doctor).replication, StatusWarning, "pwdLastSet 1, userAccountControl 512 on dc1"},
		{"a user behind", func(_ *doctor, _, second domainOf) { delete(second, "CN=jane,"+naming) }, (*doctor).replication, StatusWarning, "no such user on DC2"},
		{"one alone", func(d *doctor, _, _ domainOf) { d.controllers = d.controllers[1:] }, (*doctor).replication, StatusSkipped, "only one"},
		{"nobody to compare", func(d *doctor, _, _ domainOf) { d.samples = nil }, (*doctor).replication, StatusSkipped, "no user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, first, second := two()
			c.change(d, first, second)
			c.check(d, t.Context(), "check")
			if len(d.findings) != 1 || d.findings[0].Status != c.status || !strings.Contains(d.findings[0].Detail, c.detail) {
				t.Errorf("%+v", d.findings)
			}
		})
	}
}

// What a server says of itself.
func TestAsk(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(root map[string][]string)
		fits   bool
		status Status
		detail string
	}{
		{"a domain controller", func(map[string][]string) {}, true, StatusOK, "functional level 7 (2016)"},
		{"a level of the future", func(root map[string][]string) { root["domainFunctionality"] = []string{"77"} }, true, StatusOK, "unknown"},
		{"another LDAP server", func(root map[string][]string) { delete(root, "supportedCapabilities") }, false, StatusFailed, "not Active Directory"},
		{"AD LDS", func(root map[string][]string) { root["supportedCapabilities"] = []string{capabilityADAM} }, false, StatusFailed, "Lightweight"},
		{"of another domain", func(root map[string][]string) { root["defaultNamingContext"] = []string{"DC=example,DC=com"} }, false, StatusFailed, "of DC=example,DC=com, not of " + naming},
		{"new", func(root map[string][]string) { root["isSynchronized"] = []string{"FALSE"} }, true, StatusWarning, "first replication"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := map[string][]string{
				"supportedCapabilities": {capabilityAD}, "defaultNamingContext": {"dc=Corp,dc=example,dc=com"}, "domainFunctionality": {"7"}, "dnsHostName": {"dc1.corp.example.com"},
			}
			c.change(root)
			at := &controller{url: "ldaps://dc1", asks: domainOf{"": root}}
			if !at.ask(t.Context(), directory.Domain{Name: "corp.example.com"}) || at.fits != c.fits || at.findings[0].Status != c.status || !strings.Contains(at.findings[0].Detail, c.detail) {
				t.Errorf("fits %t: %+v", at.fits, at.findings)
			}
		})
	}
	at := &controller{url: "ldaps://dc1", asks: domainOf{}}
	if at.ask(t.Context(), directory.Domain{Name: "corp.example.com"}) || at.findings[0].Status != StatusFailed {
		t.Errorf("a server that answers nothing: %+v", at.findings)
	}
}

func TestRole(t *testing.T) {
	for _, c := range []struct{ readOnly, want string }{{"TRUE", "read-only"}, {"FALSE", ""}, {"", ""}} {
		at := &controller{
			url: "ldaps://dc1", host: "dc1", root: ldap.NewEntry("", map[string][]string{"dsServiceName": {"CN=NTDS Settings"}}),
			asks: domainOf{"CN=NTDS Settings": {"msDS-isRODC": {c.readOnly}}},
		}
		at.role(t.Context())
		if c.want == "" && len(at.findings) != 0 || c.want != "" && (len(at.findings) != 1 || at.findings[0].Status != StatusWarning || !strings.Contains(at.findings[0].Detail, c.want)) {
			t.Errorf("msDS-isRODC %s: %+v", c.readOnly, at.findings)
		}
	}
}

// Every failure of TLS has its own words.
func TestExplainTLS(t *testing.T) {
	cert := &x509.Certificate{
		Issuer: pkix.Name{CommonName: "Corp CA"}, DNSNames: []string{"dc1.corp.example.com"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)},
		NotBefore: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for _, c := range []struct {
		err         error
		detail, fix string
	}{
		{x509.UnknownAuthorityError{Cert: cert}, `issued by "CN=Corp CA", is not signed by any of the authorities in /ca.pem`, "PEM"},
		{x509.HostnameError{Certificate: cert, Host: "dc9"}, "not for dc9 but for dc1.corp.example.com, 10.0.0.1", "subjectAltName"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "dc9"}, "but for no name", "subjectAltName"},
		{x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired}, "2024-01-01 00:00:00 to 2025-01-01 00:00:00", "clock"},
		{errors.New("tls: failed to parse certificate from server: x509: negative serial number"), "negative serial number", "private/tls"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "does not speak TLS", "636"},
		{context.DeadlineExceeded, "in time", "hangs"},
		{io.EOF, "ends the connection", "enroll"},
		{syscall.ECONNRESET, "ends the connection", "enroll"},
		{errors.New("tls: handshake failure"), "handshake failure", "openssl"},
	} {
		detail, fix := explainTLS(fmt.Errorf("%w: dc9: %w", ErrTLS, &tls.CertificateVerificationError{Err: c.err}), Settings{CAFile: "/ca.pem"})
		if !strings.Contains(detail, c.detail) || !strings.Contains(fix, c.fix) {
			t.Errorf("%v: %s; %s", c.err, detail, fix)
		}
	}
}

func TestBindFix(t *testing.T) {
	refusal := func(code uint16, text string) error {
		return fmt.Errorf("%w svc: %w", ErrBind, ldap.NewError(code, errors.New(text)))
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{refusal(49, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580"), "password in the file"},
		{refusal(49, "AcceptSecurityContext error, data 525"), "Correct the name"},
		{refusal(49, "AcceptSecurityContext error, data 530"), "logonHours"},
		{refusal(49, "AcceptSecurityContext error, data 531"), "userWorkstations"},
		{refusal(49, "AcceptSecurityContext error, data 532"), "new password"},
		{refusal(49, "AcceptSecurityContext error, data 533"), "Enable"},
		{refusal(49, "AcceptSecurityContext error, data 701"), "accountExpires"},
		{refusal(49, "AcceptSecurityContext error, data 773"), "next logon"},
		{refusal(49, "AcceptSecurityContext error, data 775"), "Unlock"},
		{refusal(49, "AcceptSecurityContext error, data 999"), "log"},
		{refusal(34, "invalid DN"), "Correct the name"},
		{fmt.Errorf("%w: gone", ErrUnreachable), "hangs"},
		{fmt.Errorf("%w: gone", ErrCredentials), "chmod 600"},
	} {
		if got := bindFix(c.err, Settings{BindPasswordFile: "/secret"}); !strings.Contains(got, c.want) {
			t.Errorf("%v: %s", c.err, got)
		}
	}
}

// Users are looked at in as many containers as possible.
func TestChoose(t *testing.T) {
	var entries []*ldap.Entry
	for i := range 10 {
		entries = append(entries, ldap.NewEntry(fmt.Sprintf("CN=u%d,OU=One", i), nil))
	}
	entries = append(entries, ldap.NewEntry("CN=x,OU=Two", nil), ldap.NewEntry("CN=y,OU=Three", nil))
	if got := strings.Join(choose(entries), " "); got != "CN=u0,OU=One CN=x,OU=Two CN=y,OU=Three CN=u1,OU=One CN=u2,OU=One" {
		t.Error(got)
	}
	if got := choose(nil); len(got) != 0 {
		t.Error(got)
	}
}
