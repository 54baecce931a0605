package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/config"
)

// authority signs the certificates of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T, name string, change ...func(*x509.Certificate)) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	for _, each := range change {
		each(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{parsed, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))}
}

// card makes a user's certificate and key, as a smart card has them.
func (a authority) card(t *testing.T, upn string) (cert, key string) {
	t.Helper()
	type otherName struct {
		Type  asn1.ObjectIdentifier
		Value string `asn1:"explicit,tag:0,utf8"`
	}
	name, err := asn1.MarshalWithParams(otherName{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, upn}, "tag:0")
	if err != nil {
		t.Fatal(err)
	}
	names, err := asn1.Marshal([]asn1.RawValue{{FullBytes: name}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "card.pem"), filepath.Join(dir, "card.key")
	a.sign(t, cert, key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "A card"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: names}},
	})
	return cert, key
}

// sign makes a key, and a certificate for an hour as the template has it, in two files.
func (a authority) sign(t *testing.T, cert, key string, template *x509.Certificate) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, own.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: raw}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// whoami is who a certificate logs in as, by OpenLDAP's client.
func whoami(t *testing.T, s *server, cert, key string, args ...string) (said string, code int) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "ldapwhoami", "ldap-utils"), append([]string{"-Y", "EXTERNAL", "-Q", "-H", s.LDAPS}, args...)...)
	command.Env = environment(t, s, "LDAPTLS_CACERT="+s.caFile(), "LDAPTLS_REQCERT=demand", "LDAPTLS_CERT="+cert, "LDAPTLS_KEY="+key)
	out, _ := command.CombinedOutput()
	return string(out), command.ProcessState.ExitCode()
}

// TestCertificates: authorities are registered, listed and taken out, each once, and not while something rests on them.
func TestCertificates(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	register := func(id, text string, more ...any) answer {
		return call(t, home, "RegisterCertificate", of(id, append(more, "CertificateData", text)...))
	}
	state := func(call caller, id string) any {
		a := call(t, home, "DescribeCertificate", of(corpID, "CertificateId", id))
		if a.Exception != "" {
			return a.Exception
		}
		return a.Output["Certificate"].(map[string]any)["State"]
	}
	ours := newAuthority(t, "Ours")
	made := register(corpID, ours.pem)
	made.accepted(t)
	id := made.Output["CertificateId"].(string)
	await(t, "Registered", func() bool { return state(call, id) == "Registered" })
	if all := call(t, home, "ListCertificates", of(corpID)).list(t, "CertificatesInfo"); len(all) != 1 || all[0]["CommonName"] != "Ours" || all[0]["Type"] != "ClientLDAPS" {
		t.Errorf("%v", all)
	}
	register(corpID, ours.pem).refused(t, "CertificateAlreadyExistsException", id)
	for text, why := range map[string]string{
		"no PEM":            "one certificate",
		ours.pem + ours.pem: "one certificate",
		newAuthority(t, "Old", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).pem: "expired",
		newAuthority(t, "No authority", func(c *x509.Certificate) { c.IsCA = false }).pem:                   "not the certificate of an authority",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n":                                    "can't be read",
	} {
		register(corpID, text).refused(t, "InvalidCertificateException", why)
	}
	register(corpID, ours.pem, "ClientCertAuthSettings", map[string]any{"OCSPUrl": "http://ocsp.example.com"}).refused(t, "InvalidParameterException", "ClientCertAuth")
	register(labID, ours.pem).refused(t, "UnsupportedOperationException", "LDAPS operations are not supported for this Directory Type.")
	register(noID, ours.pem).refused(t, "DirectoryDoesNotExistException", noID)
	for i := range 4 {
		register(corpID, newAuthority(t, "More").pem).accepted(t)
		_ = i
	}
	register(corpID, newAuthority(t, "Too many").pem).refused(t, "CertificateLimitExceededException", "at most 5")
	call(t, home, "ListCertificates", of(corpID, "NextToken", "forged")).refused(t, "InvalidNextTokenException", "")

	// LDAPS rests on them.
	ldaps := func(operation string) answer { return call(t, home, operation, of(corpID, "Type", "Client")) }
	status := func() any { return ldaps("DescribeLDAPSSettings").list(t, "LDAPSSettingsInfo")[0]["LDAPSStatus"] }
	if got := status(); got != "Disabled" {
		t.Errorf("LDAPS is %v", got)
	}
	ldaps("DisableLDAPS").refused(t, "InvalidLDAPSStatusException", "Disabled")
	ldaps("EnableLDAPS").accepted(t)
	await(t, "Enabled", func() bool { return status() == "Enabled" })
	ldaps("EnableLDAPS").refused(t, "InvalidLDAPSStatusException", "already")
	deregister := func(id string) answer { return call(t, home, "DeregisterCertificate", of(corpID, "CertificateId", id)) }
	for _, each := range call(t, home, "ListCertificates", of(corpID)).list(t, "CertificatesInfo") {
		if other := each["CertificateId"].(string); other != id {
			deregister(other).accepted(t)
		}
	}
	await(t, "the others' end", func() bool {
		return len(call(t, home, "ListCertificates", of(corpID)).list(t, "CertificatesInfo")) == 1
	})
	deregister(id).refused(t, "CertificateInUseException", id)
	s.stop()
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	call = goClient(t, again)
	if got := status(); got != "Enabled" {
		t.Errorf("after a restart LDAPS is %v", got)
	}
	ldaps("DisableLDAPS").accepted(t)
	deregister(id).accepted(t)
	await(t, "its end", func() bool { return state(call, id) == "CertificateDoesNotExistException" })
	deregister(id).refused(t, "CertificateDoesNotExistException", id)
	ldaps("EnableLDAPS").refused(t, "NoAvailableCertificateException", "ClientLDAPS")
	call(t, home, "ListCertificates", of(labID)).refused(t, "UnsupportedOperationException", "LDAPS operations are not supported for this Directory Type.")
}

// TestClientAuthentication: with a certificate of the registered authority a user logs in, by OpenLDAP's client, and with nobody
// else's; with the type SmartCard the password does not log in any more.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	auth := func(operation, kind string) answer { return call(t, home, operation, of(corpID, "Type", kind)) }
	ours, theirs := newAuthority(t, "Cards"), newAuthority(t, "Somebody else's")
	cert, key := ours.card(t, "jane@corp.example.com")
	auth("EnableClientAuthentication", "SmartCard").refused(t, "NoAvailableCertificateException", "ClientCertAuth")
	made := call(t, home, "RegisterCertificate", of(corpID, "CertificateData", ours.pem, "Type", "ClientCertAuth", "ClientCertAuthSettings", map[string]any{"OCSPUrl": "http://ocsp.example.com"}))
	made.accepted(t)
	id := made.Output["CertificateId"]
	await(t, "Registered", func() bool {
		a := call(t, home, "DescribeCertificate", of(corpID, "CertificateId", id))
		a.accepted(t)
		return a.Output["Certificate"].(map[string]any)["State"] == "Registered"
	})
	if said, code := whoami(t, s, cert, key); code != 49 {
		t.Errorf("before it is enabled: %d %s", code, said)
	}
	auth("EnableClientAuthentication", "SmartCardOrPassword").accepted(t)
	auth("EnableClientAuthentication", "SmartCard").refused(t, "InvalidClientAuthStatusException", "already")
	if said, code := whoami(t, s, cert, key); code != 0 || !strings.Contains(said, `u:CORP\jane`) {
		t.Errorf("with the card: %d %s", code, said)
	}
	if data := login(t, s, `CORP\jane`, firstPassword); data != "" {
		t.Errorf("with the password: %s", data)
	}
	for name, c := range map[string]struct {
		by   authority
		upn  string
		data string
	}{
		"of another authority":  {theirs, "jane@corp.example.com", "data 525"},
		"of nobody":             {ours, "nobody@corp.example.com", "data 525"},
		"of another directory":  {ours, "direct@lab.example.com", "data 525"},
		"of a disabled user":    {ours, "off@corp.example.com", "data 533"},
		"of a locked-out user":  {ours, "shut@corp.example.com", "data 775"},
		"of a group's own name": {ours, "staff@corp.example.com", "data 525"},
	} {
		cert, key := c.by.card(t, c.upn)
		if said, code := whoami(t, s, cert, key); code != 49 || !strings.Contains(said, c.data) {
			t.Errorf("%s: %d %s", name, code, said)
		}
	}
	if said, code := whoami(t, s, cert, key, "-X", "u:Admin"); code == 0 {
		t.Errorf("as somebody else: %s", said)
	}
	if said, code := whoami(t, s, "", ""); code == 0 {
		t.Errorf("without a certificate: %s", said)
	}
	call(t, home, "DeregisterCertificate", of(corpID, "CertificateId", id)).refused(t, "CertificateInUseException", "")
	auth("DisableClientAuthentication", "SmartCard").refused(t, "InvalidClientAuthStatusException", "not Enabled")
	auth("DisableClientAuthentication", "SmartCardOrPassword").accepted(t)
	auth("EnableClientAuthentication", "SmartCard").accepted(t)
	if all := call(t, home, "DescribeClientAuthenticationSettings", of(corpID, "Type", "SmartCard")).list(t, "ClientAuthenticationSettingsInfo"); len(all) != 1 || all[0]["Status"] != "Enabled" {
		t.Errorf("%v", all)
	}
	if data := login(t, s, `CORP\jane`, firstPassword); data != "52f" {
		t.Errorf("with the password, where only cards do: %q", data)
	}
	if said, code := whoami(t, s, cert, key); code != 0 {
		t.Errorf("with the card: %d %s", code, said)
	}
	auth("DisableClientAuthentication", "SmartCard").accepted(t)
	if data := login(t, s, `CORP\jane`, firstPassword); data != "" {
		t.Errorf("with the password again: %s", data)
	}
	call(t, home, "EnableClientAuthentication", of(labID, "Type", "SmartCard")).refused(t, "UnsupportedOperationException", "embedded")
	call(t, home, "EnableClientAuthentication", of(noID, "Type", "SmartCard")).refused(t, "DirectoryDoesNotExistException", noID)
	call(t, home, "DescribeClientAuthenticationSettings", of(corpID, "NextToken", "forged")).refused(t, "InvalidParameterException", "")
}
