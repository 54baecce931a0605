package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestOpenLDAPTools: what OpenLDAP's clients can do to a directory, and what Apache Directory Studio and sssd ask it.
func TestOpenLDAPTools(t *testing.T) {
	t.Parallel()
	var seed strings.Builder
	seed.WriteString(`
directories:
  - id: ` + corpID + `
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: ` + adminPassword + `
    organizationalUnits: [Sales]
    users:
`)
	for i, name := range []string{"echo", "Charlie", "alpha", "Delta", "bravo"} {
		seed.WriteString(fmt.Sprintf("      - {name: row%d, ou: Sales, displayName: %s, password: %s}\n", i, name, firstPassword))
	}
	s := start(t, seed.String())
	const sales = "OU=Sales,OU=CORP," + corpBase
	tool := func(t *testing.T, name, input string, args ...string) (said string, code int) {
		t.Helper()
		return openldap(t, s, name, input, append([]string{"-D", corpAdmin, "-w", adminPassword}, args...)...)
	}
	accepted := func(t *testing.T, name, input string, args ...string) string {
		t.Helper()
		said, code := tool(t, name, input, args...)
		if code != 0 {
			t.Fatalf("%s %v: %d %s", name, args, code, said)
		}
		return said
	}
	inOrder := func(said string) string {
		var names []string
		for line := range strings.Lines(said) {
			if name, ok := strings.CutPrefix(line, "sAMAccountName: "); ok {
				names = append(names, strings.TrimSpace(name))
			}
		}
		return strings.Join(names, " ")
	}

	t.Run("ldapadd, ldapmodrdn, ldapcompare and ldapdelete", func(t *testing.T) {
		accepted(t, "ldapadd", "dn: OU=Tools,"+sales+"\nobjectClass: organizationalUnit\n\ndn: CN=Anna,OU=Tools,"+sales+"\nobjectClass: user\nsAMAccountName: anna\nmail: anna@example.com\n"+
			unicodePwd(firstPassword)+"userAccountControl: 512\n")
		if data := login(t, s, `CORP\anna`, firstPassword); data != "" {
			t.Errorf("data %s", data)
		}
		accepted(t, "ldapmodrdn", "", "-r", "-s", sales, "CN=Anna,OU=Tools,"+sales, "CN=Anne")
		for assertion, want := range map[string]int{"mail:ANNA@example.com": 6, "mail:other@example.com": 5, "pager:1": 16} {
			if said, code := tool(t, "ldapcompare", "", "CN=Anne,"+sales, assertion); code != want {
				t.Errorf("%s: %d %s", assertion, code, said)
			}
		}
		accepted(t, "ldapmodrdn", "", "-r", "-s", "OU=Tools,"+sales, "CN=Anne,"+sales, "CN=Anne")
		if said, code := tool(t, "ldapdelete", "", "OU=Tools,"+sales); code != 66 {
			t.Errorf("%d %s", code, said)
		}
		accepted(t, "ldapdelete", "", "-r", "OU=Tools,"+sales)
		if said, code := tool(t, "ldapsearch", "", "-b", "OU=Tools,"+sales); code != 32 {
			t.Errorf("%d %s", code, said)
		}
	})
	t.Run("ldapdelete with the tree delete control", func(t *testing.T) {
		accepted(t, "ldapadd", "dn: OU=Tree,"+sales+"\nobjectClass: organizationalUnit\n\ndn: OU=Below,OU=Tree,"+sales+"\nobjectClass: organizationalUnit\n\n"+
			"dn: CN=leaf,OU=Below,OU=Tree,"+sales+"\nobjectClass: user\nsAMAccountName: leaf\n")
		accepted(t, "ldapdelete", "", "-e", "!1.2.840.113556.1.4.805", "OU=Tree,"+sales)
		if said, code := tool(t, "ldapsearch", "", "-b", corpBase, "(sAMAccountName=leaf)"); code != 0 || strings.Contains(said, "leaf,") {
			t.Errorf("%d %s", code, said)
		}
	})
	t.Run("controls that nobody knows", func(t *testing.T) {
		if said, code := tool(t, "ldapdelete", "", "-e", "!1.2.3.4", "CN=echo,"+sales); code != 12 {
			t.Errorf("%d %s", code, said)
		}
		accepted(t, "ldapsearch", "", "-e", "1.2.3.4", "-b", sales, "-s", "base")
		// The tree delete control means nothing to a search.
		if said, code := tool(t, "ldapsearch", "", "-e", "!1.2.840.113556.1.4.805", "-b", sales); code != 12 {
			t.Errorf("%d %s", code, said)
		}
	})
	t.Run("ldapmodify, permissively", func(t *testing.T) {
		change := "dn: CN=echo," + sales + "\nchangetype: modify\nadd: otherTelephone\notherTelephone: 1\n"
		accepted(t, "ldapmodify", change)
		if said, code := tool(t, "ldapmodify", change); code != 20 {
			t.Errorf("%d %s", code, said)
		}
		accepted(t, "ldapmodify", change, "-e", "!1.2.840.113556.1.4.1413")
	})
	t.Run("ldappasswd", func(t *testing.T) {
		said := accepted(t, "ldappasswd", "", "CN=Charlie,"+sales)
		_, generated, found := strings.Cut(said, "New password: ")
		if !found {
			t.Fatal(said)
		}
		generated = strings.TrimSpace(generated)
		logins(t, s, `CORP\row1`, firstPassword, generated)
		accepted(t, "ldappasswd", "", "-s", nextPassword, "u:row1")
		logins(t, s, `CORP\row1`, generated, nextPassword)
		if said, code := openldap(t, s, "ldappasswd", "", "-D", `CORP\row2`, "-w", firstPassword, "-s", nextPassword, "CN=Charlie,"+sales); code == 0 {
			t.Errorf("a user resets another's password: %s", said)
		}
	})
	t.Run("sorted", func(t *testing.T) {
		said := accepted(t, "ldapsearch", "", "-b", sales, "-E", "!sss=displayName", "(sAMAccountName=row*)", "sAMAccountName")
		if got := inOrder(said); got != "row2 row4 row1 row3 row0" {
			t.Errorf("%s:\n%s", got, said)
		}
		said = accepted(t, "ldapsearch", "", "-b", sales, "-E", "!sss=-displayName:1.2.840.113556.1.4.1499", "-E", "pr=2/noprompt", "(sAMAccountName=row*)", "sAMAccountName")
		if got := inOrder(said); got != "row0 row3 row1 row4 row2" {
			t.Errorf("%s:\n%s", got, said)
		}
		if said, code := tool(t, "ldapsearch", "", "-b", sales, "-E", "!sss=noSuchAttribute"); code != 12 {
			t.Errorf("%d %s", code, said)
		}
		if got := inOrder(accepted(t, "ldapsearch", "", "-b", sales, "-E", "sss=noSuchAttribute", "(sAMAccountName=row*)", "sAMAccountName")); len(got) != len("row0 row1 row2 row3 row4") {
			t.Errorf("not insisting on the order: %s", got)
		}
	})
	t.Run("a window of a list", func(t *testing.T) {
		for window, want := range map[string]string{"!vlv=1/1/3/0": "row4 row1 row3", "!vlv=0/1:c": "row1 row3", "!vlv=9/9/5/0": "row2 row4 row1 row3 row0"} {
			said := firstWindow(t, s, "-D", corpAdmin, "-w", adminPassword, "-b", sales, "-E", "!sss=displayName", "-E", window, "(sAMAccountName=row*)", "sAMAccountName")
			if got := inOrder(said); got != want || !strings.Contains(said, "count=5") {
				t.Errorf("%s: %s:\n%s", window, got, said)
			}
		}
		if said, code := tool(t, "ldapsearch", "", "-b", sales, "-e", "!2.16.840.1.113730.3.4.9=:MAkCAQECAQGAAQM=", "(sAMAccountName=row*)"); code == 0 {
			t.Error(said)
		}
	})
	t.Run("Apache Directory Studio", func(t *testing.T) {
		root := accepted(t, "ldapsearch", "", "-LLL", "-b", "", "-s", "base", "(objectClass=*)", "*", "+")
		subschema := attribute(root, "subschemaSubentry")
		if subschema == "" || !strings.Contains(root, "supportedControl: 1.2.840.113556.1.4.473") || !strings.Contains(root, "supportedControl: 2.16.840.1.113730.3.4.9") {
			t.Fatal(root)
		}
		said := accepted(t, "ldapsearch", "", "-LLL", "-b", subschema, "-s", "base", "(objectClass=subschema)", "createTimestamp", "modifyTimestamp", "objectClasses", "attributeTypes", "ldapSyntaxes", "matchingRules", "matchingRuleUse")
		if strings.Count(said, "attributeTypes: ") < 1000 || strings.Count(said, "objectClasses: ") < 200 || !strings.Contains(said, "NAME 'userPrincipalName'") {
			t.Errorf("%d attribute types, %d classes", strings.Count(said, "attributeTypes: "), strings.Count(said, "objectClasses: "))
		}
		said = accepted(t, "ldapsearch", "", "-LLL", "-b", corpBase, "-s", "one", "-z", "1000", "-a", "finding", "-M", "(objectClass=*)", "hasSubordinates", "numSubordinates", "subordinateCount", "objectClass", "msDS-Approx-Immed-Subordinates")
		if !strings.Contains(said, "dn: OU=CORP,"+corpBase) || !strings.Contains(said, "msDS-Approx-Immed-Subordinates: 3") {
			t.Error(said)
		}
	})
	t.Run("sssd", func(t *testing.T) {
		for _, c := range []struct {
			base, filter string
			attributes   []string
			want         string
		}{
			{corpBase, "(&(sAMAccountName=row2)(objectclass=user)(objectSID=*))", []string{"objectClass", "name", "userPassword", "uidNumber", "objectSid", "primaryGroupID", "objectGUID", "userAccountControl", "memberOf"}, "objectSid::"},
			{corpBase, "(&(objectClass=group)(sAMAccountName=Domain Users)(objectSID=*))", []string{"member;range=0-1499", "groupType", "uSNChanged"}, "groupType: -2147483646"},
			{"CN=alpha," + sales, "(objectClass=*)", []string{"tokenGroups"}, "tokenGroups::"},
			{"CN=Partitions,CN=Configuration," + corpBase, "(&(nETBIOSName=*)(nCName=" + corpBase + "))", []string{"nETBIOSName"}, "nETBIOSName: CORP"},
			{corpBase, "(&(objectClass=trustedDomain)(trustType=2)(!(msDS-TrustForestTrustInfo=*)))", []string{"flatName"}, ""},
		} {
			if said := accepted(t, "ldapsearch", "", append([]string{"-LLL", "-b", c.base, c.filter}, c.attributes...)...); !strings.Contains(said, c.want) {
				t.Errorf("%s: %s", c.filter, said)
			}
		}
	})
}

// firstWindow is what ldapsearch says of a list until it asks which window is to be next. Without an answer it takes the next,
// for ever: it is ended.
func firstWindow(t *testing.T, s *server, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "ldapsearch", "ldap-utils"), append([]string{"-x", "-H", s.LDAPS}, args...)...)
	command.Env = environment(t, s, "LDAPTLS_CACERT="+s.caFile(), "LDAPTLS_REQCERT=demand")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "Press ["); {
		said.WriteString(lines.Text() + "\n")
	}
	return said.String()
}
