package remote_test

import (
	"context"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/directorytest"
	"latchkey/internal/directory/remote"
	"latchkey/internal/directory/samba"
)

const servicePassword = "Harbour-Light-11"

// clinic is a real domain whose state the checks have to tell.
type clinic struct {
	dir      string
	address  string
	domain   directory.Domain
	settings remote.Settings
	admin    directory.Conn // the system itself
	svc      string         // the service account's DN
}

func openClinic(t *testing.T, address string) *clinic {
	t.Helper()
	dir := directorytest.SambaFolder(t)
	engine := samba.New(directorytest.SambaOptions(dir))
	t.Cleanup(engine.Close)
	sid, err := directory.ParseSID("S-1-5-21-11-22-33")
	if err != nil {
		t.Fatal(err)
	}
	c := &clinic{dir: dir, address: address, domain: directory.Domain{ID: "d-0000000001", Kind: directory.MicrosoftAD, Name: "corp.example.com", NetBIOS: "CORP", SID: sid}}
	if err := engine.Provision(t.Context(), c.domain, []samba.Controller{{Host: "dc1", Address: netip.MustParseAddr(address)}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Remove(context.Background(), c.domain.ID); err != nil {
			t.Error(err)
		}
	})
	if c.admin, err = engine.Conn(c.domain.ID); err != nil {
		t.Fatal(err)
	}
	c.settings = remote.Settings{
		URLs: []string{"ldaps://" + address}, BindDN: "svc@corp.example.com", BindPasswordFile: c.file(t, "password", servicePassword+"\n", 0o600), CAFile: directorytest.SambaCA(dir),
	}
	c.furnish(t)
	return c
}

func (c *clinic) file(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// furnish makes the OU that resets are allowed in, and users inside and outside.
func (c *clinic) furnish(t *testing.T) {
	t.Helper()
	base := c.domain.BaseDN()
	for _, ou := range []string{"OU=CORP," + base, "OU=Users,OU=CORP," + base, "OU=Admins,OU=CORP," + base, "OU=Empty,OU=CORP," + base} {
		c.add(t, ou, "organizationalUnit")
	}
	c.svc = c.user(t, "svc", "CN=Users,"+base)
	c.user(t, "outside", "CN=Users,"+base)
	c.user(t, "inside", "OU=Users,OU=CORP,"+base)
	c.user(t, "second", "OU=CORP,"+base)
	trustee, err := directory.FindTrustee(t.Context(), c.admin, c.domain, "svc")
	if err != nil {
		t.Fatal(err)
	}
	grant := func(mask directory.AccessMask, object directory.GUID) directory.ACE {
		return directory.ACE{Type: directory.AllowObject, Flags: directory.ContainerInherit | directory.InheritOnly, Mask: mask, Object: object, Class: directory.ClassUser, SID: trustee.SID}
	}
	if err := directory.Grant(t.Context(), c.admin, c.domain.CustomerDN(), grant(directory.ControlAccess, directory.RightResetPassword),
		grant(directory.WriteProperty, directory.AttributeUserAccountControl), grant(directory.WriteProperty, directory.AttributeLockoutTime),
		grant(directory.WriteProperty, directory.AttributePwdLastSet)); err != nil {
		t.Fatal(err)
	}
}

func (c *clinic) add(t *testing.T, dn, class string, attributes ...string) {
	t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", []string{class})
	for i := 0; i < len(attributes); i += 2 {
		request.Attribute(attributes[i], []string{attributes[i+1]})
	}
	if err := c.admin.Add(t.Context(), request); err != nil {
		t.Fatalf("%s: %v", dn, err)
	}
}

func (c *clinic) user(t *testing.T, name, parent string) string {
	t.Helper()
	dn := "CN=" + name + "," + parent
	c.add(t, dn, "user", "sAMAccountName", name, "userAccountControl", "512", "unicodePwd", string(directory.EncodePassword([]byte(servicePassword))))
	return dn
}

func (c *clinic) set(t *testing.T, dn, attribute string, values ...string) {
	t.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace(attribute, values)
	if err := c.admin.Modify(t.Context(), request); err != nil {
		t.Fatalf("%s %s: %v", dn, attribute, err)
	}
}

// forward is another way to the domain controller, so that there seem to be two.
func forward(t *testing.T, address, target string) string {
	t.Helper()
	return stall(t, address, target, math.MaxInt64)
}

// stall is such a way on which nothing comes back any more after so many bytes.
func stall(t *testing.T, address, target string, after int64) string {
	t.Helper()
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	t.Cleanup(func() {
		_ = listener.Close()
		end()
		group.Wait()
	})
	group.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", target)
			if err != nil {
				_ = from.Close()
				continue
			}
			group.Go(func() {
				_, _ = io.Copy(to, from)
				_, _ = from.Close(), to.Close()
			})
			group.Go(func() {
				if n, _ := io.CopyN(from, to, after); n == after {
					<-ended.Done()
				}
				_, _ = from.Close(), to.Close()
			})
		}
	})
	return "ldaps://" + listener.Addr().String()
}

// silent is a server that takes connections and says nothing.
func silent(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "ldaps://" + listener.Addr().String()
}

func (c *clinic) get(t *testing.T, dn, attribute string) string {
	t.Helper()
	result, err := c.admin.Search(t.Context(), ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return result.Entries[0].GetAttributeValue(attribute)
}

func (c *clinic) rename(t *testing.T, dn, rdn string) {
	t.Helper()
	if err := c.admin.ModifyDN(t.Context(), ldap.NewModifyDNRequest(dn, rdn, true, "")); err != nil {
		t.Fatal(err)
	}
}
