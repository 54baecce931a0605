package admin

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/keytab"
	"latchkey/internal/store"
)

func TestDescribeKerberos(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	describe := func(name string) (*DescribeKerberosResult, error) {
		return s.describeKerberos(t.Context(), at(region), &DescribeKerberosRequest{DirectoryId: new(made[name].ID)})
	}
	_, err := describe("own")
	wantFault(t, err, fault.UnsupportedOperation, "turned off")
	s.Kerberos = Kerberos{KDCs: []string{"127.0.0.1:10088"}, PasswordServers: []string{"127.0.0.1:10464"}}
	for name, want := range map[string]*DescribeKerberosResult{
		"own":  {Realm: new("OWN.EXAMPLE.COM"), Domain: new("own.example.com"), Kdcs: []string{"127.0.0.1:10088"}, PasswordServers: []string{"127.0.0.1:10464"}},
		"far":  {Realm: new("FAR.EXAMPLE.COM"), Domain: new("far.example.com"), Kdcs: []string{"dc7.far.example.com"}, PasswordServers: []string{"dc7.far.example.com"}},
		"corp": {Realm: new("CORP.EXAMPLE.COM"), Domain: new("corp.example.com")},
	} {
		got, err := describe(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	_, err = s.describeKerberos(t.Context(), at("eu-west-1"), &DescribeKerberosRequest{DirectoryId: new(made["own"].ID)})
	wantFault(t, err, fault.EntityDoesNotExist, "It is in Region us-east-1")
	if _, err := controllersOf(store.Directory{}); err == nil {
		t.Error("a record without settings")
	}
}

func TestExportKeytab(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	conn, err := s.Lifecycle.Conn(made["own"].ID)
	if err != nil {
		t.Fatal(err)
	}
	domain := directory.Domain{Kind: directory.SimpleAD, Name: "own.example.com", NetBIOS: "OWN"}
	if _, err := directory.CreateComputer(t.Context(), conn, domain, directory.NewComputer{Name: "WEB01", Password: []byte(password)}); err != nil {
		t.Fatal(err)
	}
	add := func(name string, attributes map[string][]string) {
		request := ldap.NewAddRequest("CN="+name+",CN=Users,DC=own,DC=example,DC=com", nil)
		request.Attribute("objectClass", []string{"user"})
		request.Attribute("sAMAccountName", []string{name})
		for attribute, values := range attributes {
			request.Attribute(attribute, values)
		}
		if err := conn.Add(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	secret := string(directory.EncodePassword([]byte(password)))
	add("svc", map[string][]string{"unicodePwd": {secret}, "servicePrincipalName": {"HTTP/www.own.example.com", "HTTP/www"}})
	add("chief", map[string][]string{"unicodePwd": {secret}})
	add("empty", nil)
	group := ldap.NewModifyRequest("CN=Domain Admins,CN=Users,DC=own,DC=example,DC=com", nil)
	group.Add("member", []string{"CN=chief,CN=Users,DC=own,DC=example,DC=com"})
	if err := conn.Modify(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	export := func(id, principal string) (*ExportKeytabResult, error) {
		return s.exportKeytab(t.Context(), at(region), &ExportKeytabRequest{DirectoryId: &id, Principal: &principal})
	}
	for principal, want := range map[string][]string{
		"svc":                        {"svc", "HTTP/www.own.example.com", "HTTP/www"},
		"SVC@own.example.com":        {"svc", "HTTP/www.own.example.com", "HTTP/www"},
		"http/www":                   {"HTTP/www"},
		"HTTP/www@OWN.EXAMPLE.COM":   {"HTTP/www"},
		"WEB01$":                     {"WEB01$", "HOST/web01", "HOST/web01.own.example.com"},
		"web01":                      {"WEB01$", "HOST/web01", "HOST/web01.own.example.com"},
		"host/web01.own.example.com": {"HOST/web01.own.example.com"},
		"postgres/web01":             {"postgres/web01"}, // of HOST
		"Administrator":              {"Administrator"},
	} {
		out, err := export(made["own"].ID, principal)
		if err != nil {
			t.Errorf("%s: %v", principal, err)
			continue
		}
		if diff := cmp.Diff(want, out.Principals); diff != "" || *out.Version < 1 {
			t.Errorf("%s: version %d\n%s", principal, *out.Version, diff)
		}
		file, err := base64.StdEncoding.DecodeString(string(out.Keytab.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := keytab.Keys(file)
		if err != nil || len(keys) != 2*len(want) || keys[0].Type != keytab.AES256 || keys[1].Type != keytab.AES128 || keys[0].Version != uint32(*out.Version) {
			t.Errorf("%s: %d keys, %v", principal, len(keys), err)
		}
		if said := fmt.Sprintf("%v %+v %#v", out, *out, out); strings.Contains(said, string(out.Keytab.Bytes())) {
			t.Errorf("%s: the keytab shows", principal)
		}
	}
	for principal, code := range map[string]string{
		"krbtgt": fault.EntityDoesNotExist, "DC1$": fault.EntityDoesNotExist, "ldap/dc1.own.example.com": fault.EntityDoesNotExist, "nobody": fault.EntityDoesNotExist,
		"Domain Users": fault.EntityDoesNotExist, "svc@corp.example.com": fault.EntityDoesNotExist, "*": fault.EntityDoesNotExist,
		"chief": fault.UnsupportedOperation, "empty": fault.UnsupportedOperation,
	} {
		_, err := export(made["own"].ID, principal)
		wantFault(t, err, code, principal)
	}
	_, err = export("d-ffffffffff", "svc")
	wantFault(t, err, fault.EntityDoesNotExist, "d-ffffffffff")
}
