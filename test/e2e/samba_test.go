package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"latchkey/internal/config"
)

// onSamba makes a server's new directories Samba's, each with one domain controller at the next of the addresses.
func onSamba(controllers int, addresses ...string) func(*config.Config) {
	return func(c *config.Config) { c.Engine, c.SambaAddress, c.SambaControllers = "samba", addresses, controllers }
}

// needSamba ends a test where there is no Samba.
func needSamba(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/samba"); err != nil {
		missing(t, "samba", "apt-get install samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind")
	}
	program(t, "kinit", "krb5-user")
	program(t, "smbclient", "smbclient")
}

// domain is a directory as its own clients see it.
type domain struct {
	s       *server
	name    string // DNS
	netbios string
	address string // of a domain controller
}

func (d domain) base() string { return "DC=" + strings.ReplaceAll(d.name, ".", ",DC=") }

// run runs a client of the domain with a Kerberos configuration of its own.
func (d domain) run(t *testing.T, input string, name, pack string, args ...string) (said string, code int) {
	t.Helper()
	dir := t.TempDir()
	realm := strings.ToUpper(d.name)
	files := map[string]string{
		"krb5.conf": fmt.Sprintf("[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\n[realms]\n%s = {\n kdc = %s\n admin_server = %s\n}\n",
			realm, realm, d.address, d.address),
		"smb.conf": "[global]\nworkgroup = " + d.netbios + "\nclient min protocol = SMB2\nlock directory = " + dir + "\nstate directory = " + dir + "\ncache directory = " + dir + "\nprivate dir = " + dir + "\n",
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), program(t, name, pack), args...)
	command.Env = environment(t, d.s, "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(dir, "ccache"),
		"SMB_CONF_PATH="+filepath.Join(dir, "smb.conf"), "LDAPTLS_CACERT="+d.s.caFile(), "LDAPTLS_REQCERT=demand")
	command.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// holds proves by Kerberos, SMB and LDAPS that of the two passwords only the second is the user's.
func (d domain) holds(t *testing.T, user, old, current string) {
	t.Helper()
	for _, way := range []struct {
		name    string
		login   func(password string) (said string, code int)
		refusal string
	}{
		{"kinit", func(password string) (string, int) {
			return d.run(t, password+"\n", "kinit", "krb5-user", user+"@"+strings.ToUpper(d.name))
		}, "failed while getting initial credentials"},
		{"smbclient", func(password string) (string, int) {
			auth := filepath.Join(t.TempDir(), "auth")
			if err := os.WriteFile(auth, fmt.Appendf(nil, "username=%s\npassword=%s\ndomain=%s\n", user, password, d.netbios), 0o600); err != nil {
				t.Fatal(err)
			}
			return d.run(t, "", "smbclient", "smbclient", "//"+d.address+"/sysvol", "-A", auth, "-c", "ls")
		}, "NT_STATUS_LOGON_FAILURE"},
		{"ldapsearch", func(password string) (string, int) {
			return d.run(t, "", "ldapsearch", "ldap-utils", "-x", "-LLL", "-H", "ldaps://"+d.address, "-D", user+"@"+d.name, "-w", password, "-s", "base", "-b", d.base(), "name")
		}, "data 52e"},
	} {
		if said, code := way.login(current); code != 0 {
			t.Errorf("%s: %s can't log in with the new password: %d %s", way.name, user, code, said)
		}
		if said, code := way.login(old); code == 0 || !strings.Contains(said, way.refusal) && !strings.Contains(said, "incorrect") {
			t.Errorf("%s: %s with the old password: %d %s", way.name, user, code, said)
		}
	}
}

// as runs ldapadd or ldapmodify as the directory's administrator.
func (d domain) as(t *testing.T, admin, tool, ldif string) {
	t.Helper()
	if said, code := d.run(t, ldif, tool, "ldap-utils", "-x", "-H", "ldaps://"+d.address, "-D", admin+"@"+d.name, "-w", adminPassword); code != 0 {
		t.Fatalf("%s: %d %s", tool, code, said)
	}
}

// awaitStage waits longer than become: a domain controller has to be made.
func awaitStage(t *testing.T, call caller, id, stage string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		d := described(t, call, home, id)
		if d["Stage"] == stage {
			return d
		}
		if d["Stage"] == "Failed" || time.Now().After(deadline) {
			t.Fatalf("%s is %v and not %s: %v", id, d["Stage"], stage, d["StageReason"])
		}
	}
}

// told waits until the security events of TestSamba are there.
func (d domain) told(t *testing.T, file string) {
	t.Helper()
	var got string
	await(t, "the events", func() bool {
		text, _ := os.ReadFile(file)
		var all []string
		for line := range strings.Lines(string(text)) {
			var e struct {
				EventID                           int
				Account, Code, By, Target, Domain string
			}
			decode(t, []byte(line), &e)
			if e.Account == "ann" && e.Domain == d.name {
				all = append(all, strings.TrimSpace(fmt.Sprint(e.EventID, " ", e.Code, " ", e.By)))
			}
		}
		got = strings.Join(all, "; ")
		for _, want := range []string{`4720  u:MADE\Admin`, "4724", "4624", "4625 52e"} {
			if !strings.Contains(got+";", want+";") {
				return false
			}
		}
		return true
	})
	t.Logf("events: %s", got)
	if text, _ := os.ReadFile(file); strings.Contains(string(text), marker) {
		t.Error("a password is in an event")
	}
}

// TestSamba: from nothing, the AWS CLI makes a directory of each type on Samba, and resets that Kerberos, SMB and LDAP
// clients believe. Nothing of it is left when the directory is deleted.
func TestSamba(t *testing.T) {
	needSamba(t)
	t.Parallel()
	events := filepath.Join(t.TempDir(), "events.jsonl")
	s := start(t, "", onSamba(1, "127.82.1.1", "127.82.1.2"), func(c *config.Config) { c.LogGroup = []string{"samba=" + events} })
	cli, call := commandLine(t, s), goClient(t, s)
	simpleID, _ := cli(t, home, "CreateDirectory", simple("plain.example.com")).Output["DirectoryId"].(string)
	managedID, _ := cli(t, home, "CreateMicrosoftAD", managed("made.example.com")).Output["DirectoryId"].(string)
	began := time.Now()
	for id, c := range map[string]struct {
		domain
		admin, users string
	}{
		simpleID:  {domain{s: s, name: "plain.example.com", netbios: "PLAIN"}, "Administrator", "CN=Users"},
		managedID: {domain{s: s, name: "made.example.com", netbios: "MADE"}, "Admin", "OU=Users,OU=MADE"},
	} {
		t.Run(c.netbios, func(t *testing.T) {
			described := awaitStage(t, call, id, "Active")
			t.Logf("Active within %s of the last create call", time.Since(began).Round(time.Millisecond))
			addresses, _ := described["DnsIpAddrs"].([]any)
			if len(addresses) != 1 {
				t.Fatalf("DnsIpAddrs are %v", described["DnsIpAddrs"])
			}
			d := c.domain
			d.address, _ = addresses[0].(string)
			if id == managedID {
				call(t, home, "CreateLogSubscription", of(id, "LogGroupName", "samba")).accepted(t)
			}

			d.as(t, c.admin, "ldapadd", "dn: CN=Ann Other,"+c.users+","+d.base()+"\nobjectClass: user\nsAMAccountName: ann\n")
			cli(t, home, "ResetUserPassword", reset(id, "ann", firstPassword)).accepted(t)
			rotates(t, s, realm{d.name, d.address}, id, "ann")
			d.holds(t, "ann", firstPassword, nextPassword)
			if id == managedID {
				d.told(t, events)
			}
			cli(t, home, "ResetUserPassword", reset(id, c.admin, nextPassword)).accepted(t)
			d.holds(t, c.admin, adminPassword, nextPassword)

			call(t, home, "ResetUserPassword", reset(id, "nobody", nextPassword)).refused(t, "UserDoesNotExistException", "")
			call(t, home, "ResetUserPassword", reset(id, "krbtgt", nextPassword)).refused(t, "UserDoesNotExistException", "")
			call(t, home, "ResetUserPassword", reset(id, "ann", "alllowercase")).refused(t, "InvalidPasswordException", "")
			protected := "Administrator"
			if c.admin == "Administrator" {
				protected = "boss"
				// The administrator's own password is another one by now.
				if said, code := d.run(t, "dn: CN=boss,CN=Users,"+d.base()+"\nobjectClass: user\nsAMAccountName: boss\n\ndn: CN=Domain Admins,CN=Users,"+d.base()+
					"\nchangetype: modify\nadd: member\nmember: CN=boss,CN=Users,"+d.base()+"\n", "ldapmodify", "ldap-utils", "-a", "-x", "-H", "ldaps://"+d.address, "-D", c.admin+"@"+d.name, "-w", nextPassword); code != 0 {
					t.Fatalf("ldapmodify: %d %s", code, said)
				}
			}
			call(t, home, "ResetUserPassword", reset(id, protected, nextPassword)).refused(t, "UnsupportedOperationException", "")
			d.holds(t, "ann", firstPassword, nextPassword)

			withKeytab(t, s, id, strings.ToUpper(d.name), "ann")

			if _, err := net.DialTimeout("tcp", d.address+":389", time.Second); err != nil {
				t.Error(err)
			}
			call(t, home, "DeleteDirectory", map[string]any{"DirectoryId": id}).accepted(t)
			gone(t, call, home, id)
			if conn, err := net.DialTimeout("tcp", d.address+":389", time.Second); err == nil {
				_ = conn.Close()
				t.Error("the domain controller still answers")
			}
			if left, err := os.ReadDir(filepath.Join(s.data, "samba", id)); err == nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	s.stop()
	noSecrets(t, s)
}

// TestDelegatedAdministrator: on Managed Microsoft AD, Admin does everything in the customer's OU and nothing outside it.
func TestDelegatedAdministrator(t *testing.T) {
	needSamba(t)
	t.Parallel()
	s := start(t, "", onSamba(1, "127.82.2.1"))
	call := goClient(t, s)
	id, _ := call(t, home, "CreateMicrosoftAD", managed("made.example.com")).Output["DirectoryId"].(string)
	awaitStage(t, call, id, "Active")
	d := domain{s, "made.example.com", "MADE", "127.82.2.1"}
	customer := "OU=MADE," + d.base()
	try := func(tool, ldif string) (string, int) {
		return d.run(t, ldif, tool, "ldap-utils", "-x", "-H", "ldaps://"+d.address, "-D", "Admin@"+d.name, "-w", adminPassword)
	}
	for _, inside := range []string{
		"dn: OU=Sales," + customer + "\nchangetype: add\nobjectClass: organizationalUnit\n",
		"dn: CN=Jo,OU=Sales," + customer + "\nchangetype: add\nobjectClass: user\nsAMAccountName: jo\n" + unicodePwd(firstPassword) + "userAccountControl: 512\n",
		"dn: CN=Staff,OU=Users," + customer + "\nchangetype: add\nobjectClass: group\nsAMAccountName: Staff\nmember: CN=Jo,OU=Sales," + customer + "\n",
		replacePassword("CN=Jo,OU=Sales,"+customer, nextPassword),
		"dn: CN=PC1,OU=Computers," + customer + "\nchangetype: add\nobjectClass: computer\nsAMAccountName: PC1$\nuserAccountControl: 4096\n",
		"dn: CN=Staff,OU=Users," + customer + "\nchangetype: delete\n",
	} {
		if said, code := try("ldapmodify", inside); code != 0 {
			t.Errorf("inside: %d %s\n%s", code, said, inside)
		}
	}
	d.holds(t, "jo", firstPassword, nextPassword)
	for _, outside := range []string{
		"dn: CN=Eve,CN=Users," + d.base() + "\nchangetype: add\nobjectClass: user\nsAMAccountName: eve\n",
		"dn: OU=Elsewhere," + d.base() + "\nchangetype: add\nobjectClass: organizationalUnit\n",
		"dn: CN=Domain Admins,CN=Users," + d.base() + "\nchangetype: modify\nadd: member\nmember: CN=Jo,OU=Sales," + customer + "\n",
		replacePassword("CN=Administrator,CN=Users,"+d.base(), nextPassword),
		"dn: " + d.base() + "\nchangetype: modify\nreplace: minPwdLength\nminPwdLength: 0\n",
	} {
		if said, code := try("ldapmodify", outside); code != 50 {
			t.Errorf("outside: %d %s\n%s", code, said, outside)
		}
	}
}

// TestDomainControllers: further domain controllers join, replicate and leave, a reset survives the loss of the first, and
// the API tells how they are.
func TestDomainControllers(t *testing.T) {
	needSamba(t)
	t.Parallel()
	s := start(t, "", onSamba(2, "127.82.3.1", "127.82.3.2", "127.82.3.3"))
	cli := commandLine(t, s)
	id, _ := cli(t, home, "CreateMicrosoftAD", managed("made.example.com")).Output["DirectoryId"].(string)
	description := awaitStage(t, cli, id, "Active")
	if n := description["DesiredNumberOfDomainControllers"]; n != float64(2) && n != json.Number("2") {
		t.Errorf("DesiredNumberOfDomainControllers is %v", n)
	}
	controllers := func(status string, count int) []map[string]any {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
			a := cli(t, home, "DescribeDomainControllers", map[string]any{"DirectoryId": id})
			a.accepted(t)
			list, _ := a.Output["DomainControllers"].([]any)
			var all []map[string]any
			for _, each := range list {
				if c, _ := each.(map[string]any); c["Status"] == status {
					all = append(all, c)
				}
			}
			if len(all) == count && len(list) == count {
				return all
			}
			if time.Now().After(deadline) {
				t.Fatalf("the domain controllers are %v", list)
			}
		}
	}
	controllers("Active", 2)
	cli(t, home, "UpdateNumberOfDomainControllers", map[string]any{"DirectoryId": id, "DesiredNumber": 3}).accepted(t)
	all := controllers("Active", 3)
	addresses := map[string]bool{}
	for _, c := range all {
		addresses[c["DnsIpAddr"].(string)] = true
	}
	if len(addresses) != 3 {
		t.Errorf("the addresses are %v", addresses)
	}
	first := domain{s, "made.example.com", "MADE", "127.82.3.1"}
	first.as(t, "Admin", "ldapadd", "dn: CN=ann,OU=Users,OU=MADE,"+first.base()+"\nobjectClass: user\nsAMAccountName: ann\n")
	cli(t, home, "ResetUserPassword", reset(id, "ann", nextPassword)).accepted(t)
	// Each of them has it once it has replicated.
	for address := range addresses {
		d := first
		d.address = address
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
			said, code := d.run(t, nextPassword+"\n", "kinit", "krb5-user", "ann@MADE.EXAMPLE.COM")
			if code == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not know the new password: %s", address, said)
			}
		}
	}
	cli(t, home, "UpdateNumberOfDomainControllers", map[string]any{"DirectoryId": id, "DesiredNumber": 2}).accepted(t)
	controllers("Active", 2)
	said, code := first.run(t, "", "ldapsearch", "ldap-utils", "-x", "-LLL", "-H", "ldaps://"+first.address, "-D", "Admin@"+first.name, "-w", adminPassword,
		"-b", "OU=Domain Controllers,"+first.base(), "(objectClass=computer)", "cn")
	if code != 0 || strings.Count(said, "cn: ") != 2 {
		t.Errorf("the domain's own list: %d %s", code, said)
	}
	cli(t, home, "UpdateNumberOfDomainControllers", map[string]any{"DirectoryId": id, "DesiredNumber": 21}).refused(t, "DomainControllerLimitExceededException", "")
}

// TestSnapshotOfSamba: a snapshot brings back a user who was deleted and the passwords of its time.
func TestSnapshotOfSamba(t *testing.T) {
	needSamba(t)
	t.Parallel()
	s := start(t, "", onSamba(1, "127.82.4.1"))
	cli := commandLine(t, s)
	id, _ := cli(t, home, "CreateDirectory", simple("plain.example.com")).Output["DirectoryId"].(string)
	awaitStage(t, cli, id, "Active")
	d := domain{s, "plain.example.com", "PLAIN", "127.82.4.1"}
	dn := "CN=ann,CN=Users," + d.base()
	d.as(t, "Administrator", "ldapadd", "dn: "+dn+"\nobjectClass: user\nsAMAccountName: ann\n")
	cli(t, home, "ResetUserPassword", reset(id, "ann", firstPassword)).accepted(t)
	a := cli(t, home, "CreateSnapshot", map[string]any{"DirectoryId": id, "Name": "before"})
	a.accepted(t)
	snapshot, _ := a.Output["SnapshotId"].(string)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		a := cli(t, home, "DescribeSnapshots", map[string]any{"DirectoryId": id})
		a.accepted(t)
		list, _ := a.Output["Snapshots"].([]any)
		if len(list) == 1 && list[0].(map[string]any)["Status"] == "Completed" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the snapshots are %v", list)
		}
	}
	cli(t, home, "ResetUserPassword", reset(id, "ann", nextPassword)).accepted(t)
	d.as(t, "Administrator", "ldapmodify", "dn: "+dn+"\nchangetype: delete\n")
	cli(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": snapshot}).accepted(t)
	awaitStage(t, cli, id, "Active")
	d.holds(t, "ann", nextPassword, firstPassword)
	cli(t, home, "ResetUserPassword", reset(id, "ann", nextPassword)).accepted(t)
	d.holds(t, "ann", firstPassword, nextPassword)
}
