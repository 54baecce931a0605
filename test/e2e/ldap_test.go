package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

const (
	janeDN   = "CN=Jane Doe,OU=Users,OU=CORP," + corpBase
	adminDN  = "CN=Admin,OU=Users,OU=CORP," + corpBase
	berlinDN = "OU=Berlin,OU=Sales,OU=CORP," + corpBase
)

// unicodePwd is a line of LDIF with AD's form of a password.
func unicodePwd(password string) string {
	var wide []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	return "unicodePwd:: " + base64.StdEncoding.EncodeToString(wide) + "\n"
}

func replacePassword(dn, password string) string {
	return "dn: " + dn + "\nchangetype: modify\nreplace: unicodePwd\n" + unicodePwd(password) + "-\n"
}

func changePassword(dn, old, password string) string {
	return "dn: " + dn + "\nchangetype: modify\ndelete: unicodePwd\n" + unicodePwd(old) + "-\nadd: unicodePwd\n" + unicodePwd(password) + "-\n"
}

// TestAnonymous: who has not logged in sees the rootDSE and nothing more.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	for name, connection := range map[string][]string{"LDAP": {"-H", s.LDAP}, "StartTLS": {"-H", s.LDAP, "-ZZ"}, "LDAPS": nil} {
		t.Run(name, func(t *testing.T) {
			search := func(args ...string) (string, int) {
				return openldap(t, s, "ldapsearch", "", append(append([]string{"-LLL"}, connection...), args...)...)
			}
			said, code := search("-b", "", "-s", "base", "*", "+")
			for _, want := range []string{"namingContexts: " + corpBase, "namingContexts: " + labBase, "supportedLDAPVersion: 3", "supportedControl: 1.2.840.113556.1.4.319", "supportedExtension: 1.3.6.1.4.1.1466.20037"} {
				if !strings.Contains(said, want) {
					t.Errorf("the rootDSE (%d) does not say %s:\n%s", code, want, said)
				}
			}
			for _, args := range [][]string{{"-b", corpBase}, {"-b", corpBase, "-s", "base"}, {"-b", janeDN, "-s", "base", "1.1"}, {"-b", "", "(sAMAccountName=jane)"}, {"-b", "", "-s", "one"}} {
				said, code := search(args...)
				if code != 1 || strings.Contains(said, "dn: ") || !strings.Contains(said, "a successful bind must be completed") {
					t.Errorf("%v: %d %s", args, code, said)
				}
			}
			for tool, ldif := range map[string]string{"ldapmodify": "dn: " + janeDN + "\nchangetype: modify\nreplace: title\ntitle: x\n", "ldapadd": "dn: CN=x," + berlinDN + "\nobjectClass: user\n", "ldapdelete": janeDN} {
				if said, code := openldap(t, s, tool, ldif, connection...); code != 1 && code != 50 {
					t.Errorf("%s: %d %s", tool, code, said)
				}
			}
			if said, code := openldap(t, s, "ldapwhoami", "", connection...); code != 0 || !strings.Contains(said, "anonymous") {
				t.Errorf("ldapwhoami: %d %s", code, said)
			}
		})
	}
	t.Run("a name without a password", func(t *testing.T) {
		if said, code := openldap(t, s, "ldapwhoami", "", "-D", janeDN, "-w", ""); code != 53 {
			t.Errorf("%d %s", code, said)
		}
	})
}

// TestBind: the forms of a name, and AD's reasons for a refusal.
func TestBind(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed+`
  - id: d-00000000a1
    type: SimpleAD
    name: aged.example.com
    shortName: AGED
    size: Small
    password: `+adminPassword+`
    passwordPolicy: {maxAge: 1ms}
    users:
      - {name: late, password: `+firstPassword+`}
      - {name: jane, userPrincipalName: jane@elsewhere.example, password: `+nextPassword+`}
`)
	for _, name := range []string{janeDN, strings.ToUpper(janeDN), strings.ReplaceAll(janeDN, ",", " , "), "jane@corp.example.com", "JANE@Corp.Example.COM", `CORP\jane`, `corp\JANE`, `corp.example.com\jane`, "kim.js", "KIM.JS"} {
		t.Run(name, func(t *testing.T) {
			said, code := openldap(t, s, "ldapwhoami", "", "-D", name, "-w", firstPassword)
			want := `u:CORP\jane`
			if strings.Contains(strings.ToLower(name), "kim") {
				want = `u:CORP\kim.js`
			}
			if code != 0 || strings.TrimSpace(said) != want {
				t.Errorf("%d %s", code, said)
			}
		})
	}
	for _, c := range []struct{ name, bind, password, data string }{
		{"nobody", `CORP\nobody`, firstPassword, "525"},
		{"nobody's DN", "CN=nobody," + corpBase, firstPassword, "525"},
		{"another domain", `NOWHERE\jane`, firstPassword, "525"},
		{"a bare name that two directories have", "jane", firstPassword, "525"},
		{"a group", `CORP\Staff`, firstPassword, "525"},
		{"an OU", berlinDN, firstPassword, "525"},
		{"a wrong password", `CORP\kim.cli`, nextPassword, "52e"},
		{"the password in another case", `CORP\kim.curl`, strings.ToLower(firstPassword), "52e"},
		{"a computer without a password", `CORP\WEB01$`, firstPassword, "52e"},
		{"disabled", `CORP\off`, firstPassword, "533"},
		{"disabled, wrong password", `CORP\off`, nextPassword, "52e"},
		{"must change", `CORP\must`, firstPassword, "773"},
		{"must change, wrong password", `CORP\must`, nextPassword, "52e"},
		{"locked", `CORP\shut`, firstPassword, "775"},
		{"locked, wrong password", `CORP\shut`, nextPassword, "775"},
		{"expired", `AGED\late`, firstPassword, "532"},
		{"expired, wrong password", `AGED\late`, nextPassword, "52e"},
		{"expired, by its own UPN", "jane@elsewhere.example", nextPassword, "532"},
		{"not the LDAP filter", "*", firstPassword, "525"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if data := login(t, s, c.bind, c.password); data != c.data {
				t.Errorf("data %q, want %s", data, c.data)
			}
		})
	}
	t.Run("three wrong passwords lock", func(t *testing.T) {
		for range 3 {
			if data := login(t, s, `CORP\kim.boto3`, nextPassword); data != "52e" {
				t.Errorf("data %q, want 52e", data)
			}
		}
		if data := login(t, s, `CORP\kim.boto3`, firstPassword); data != "775" {
			t.Errorf("after three: data %q, want 775", data)
		}
		callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "kim.boto3", nextPassword)).accepted(t)
		if data := login(t, s, `CORP\kim.boto3`, nextPassword); data != "" {
			t.Errorf("after the reset: data %q", data)
		}
		if said := entry(t, s, corpAdmin, corpBase, "kim.boto3"); attribute(said, "badPwdCount") != "0" || attribute(said, "lockoutTime") != "0" {
			t.Error(said)
		}
	})
	t.Run("a success forgets the wrong ones", func(t *testing.T) {
		for range 2 {
			for range 2 {
				login(t, s, `CORP\kim.gosdk`, nextPassword)
			}
			if data := login(t, s, `CORP\kim.gosdk`, firstPassword); data != "" {
				t.Errorf("data %q", data)
			}
		}
	})
	t.Run("on loopback without TLS", func(t *testing.T) {
		if said, code := openldap(t, s, "ldapwhoami", "", "-H", s.LDAP, "-D", `CORP\jane`, "-w", firstPassword); code != 0 {
			t.Errorf("%d %s", code, said)
		}
	})
	t.Run("what a user may see of another directory", func(t *testing.T) {
		said, code := openldap(t, s, "ldapsearch", "", "-LLL", "-D", `CORP\jane`, "-w", firstPassword, "-b", labBase, "1.1")
		if code != 32 && code != 10 || strings.Contains(said, "dn: ") {
			t.Errorf("%d %s", code, said)
		}
	})
}

// accounts are the sAMAccountNames that a search gives, sorted.
func accounts(said string) (names []string) {
	for line := range strings.Lines(said) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "sAMAccountName: "); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestSearch: filters of every kind, scopes, pages and limits.
func TestSearch(t *testing.T) {
	t.Parallel()
	seed := `
directories:
  - id: ` + corpID + `
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: ` + adminPassword + `
    organizationalUnits: [Sales/Berlin]
    groups:
      - {name: Outer}
      - {name: Inner, groups: [Outer]}
    users:
      - {name: anna, ou: Sales/Berlin, givenName: Anna, surname: Berg, mail: anna@example.com, groups: [Inner], password: ` + firstPassword + `, attributes: {title: Engineer}}
      - {name: bert, ou: Sales, givenName: Bert, surname: Berg, groups: [Outer], password: ` + firstPassword + `, disabled: true}
      - {name: "c(1)*", ou: Sales, givenName: Cleo}
      - {name: dürer, ou: Sales/Berlin, givenName: Albrecht, surname: Dürer}
`
	seed = strings.ReplaceAll(seed, `"c(1)*"`, `"c(1)"`)
	s := start(t, seed)
	const sales = "OU=Sales,OU=CORP," + corpBase
	as := []string{"-LLL", "-D", corpAdmin, "-w", adminPassword}
	search := func(t *testing.T, args ...string) (string, int) {
		t.Helper()
		return openldap(t, s, "ldapsearch", "", append(slices.Clone(as), args...)...)
	}
	const outer, inner = "CN=Outer,OU=Users,OU=CORP," + corpBase, "CN=Inner,OU=Users,OU=CORP," + corpBase
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"(sAMAccountName=ANNA)", []string{"anna"}},
		{"(sn=berg)", []string{"anna", "bert"}},
		{"(sn=b*g)", []string{"anna", "bert"}},
		{"(givenName=*e*)", []string{"bert", "c(1)", "dürer"}},
		{"(givenName=an*)", []string{"anna"}},
		{"(givenName=*o)", []string{"c(1)"}},
		{"(mail=*)", []string{"anna"}},
		{"(&(sn=berg)(!(mail=*)))", []string{"bert"}},
		{"(|(mail=*)(givenName=cleo))", []string{"anna", "c(1)"}},
		{`(sAMAccountName=c\281\29)`, []string{"c(1)"}},
		{"(sn=DÜRER)", []string{"dürer"}},
		{"(&(objectCategory=person)(objectClass=user))", []string{"anna", "bert", "c(1)", "dürer"}},
		{"(objectCategory=computer)", nil},
		{"(title=engineer)", []string{"anna"}},
		{"(noSuchAttribute=x)", nil},
		{"(!(noSuchAttribute=x))", nil},
		{"(userAccountControl=514)", []string{"bert", "c(1)", "dürer"}},
		{"(userAccountControl:1.2.840.113556.1.4.803:=2)", []string{"bert", "c(1)", "dürer"}},
		{"(!(userAccountControl:1.2.840.113556.1.4.803:=2))", []string{"anna"}},
		{"(userAccountControl:1.2.840.113556.1.4.803:=514)", []string{"bert", "c(1)", "dürer"}},
		{"(userAccountControl:1.2.840.113556.1.4.804:=3)", []string{"bert", "c(1)", "dürer"}},
		{"(userAccountControl:1.2.840.113556.1.4.804:=513)", []string{"anna", "bert", "c(1)", "dürer"}},
		{"(&(userAccountControl>=513)(sAMAccountName=*))", []string{"bert", "c(1)", "dürer"}},
		{"(&(userAccountControl<=513)(sAMAccountName=*))", []string{"anna"}},
		{"(memberOf=" + outer + ")", []string{"bert"}},
		{"(memberOf:1.2.840.113556.1.4.1941:=" + outer + ")", []string{"anna", "bert"}},
		{"(memberOf:1.2.840.113556.1.4.1941:=" + inner + ")", []string{"anna"}},
	} {
		t.Run(c.filter, func(t *testing.T) {
			said, code := search(t, "-b", sales, c.filter, "sAMAccountName")
			// ldapsearch shows what is not ASCII in base64.
			said = strings.ReplaceAll(said, "sAMAccountName:: "+base64.StdEncoding.EncodeToString([]byte("dürer")), "sAMAccountName: dürer")
			if got := accounts(said); code != 0 || !slices.Equal(got, c.want) {
				t.Errorf("%d %v, want %v", code, got, c.want)
			}
		})
	}
	t.Run("members in chain", func(t *testing.T) {
		said, _ := search(t, "-b", corpBase, "(member:1.2.840.113556.1.4.1941:=CN=Anna Berg,"+berlinDN+")", "sAMAccountName")
		if got := accounts(said); !slices.Contains(got, "Inner") || !slices.Contains(got, "Outer") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("scopes", func(t *testing.T) {
		for scope, want := range map[string]int{"base": 1, "one": 3, "sub": 6} {
			said, code := search(t, "-b", sales, "-s", scope, "(objectClass=*)", "1.1")
			if got := strings.Count("\n"+said, "\ndn:"); code != 0 || got != want {
				t.Errorf("%s: %d, %d entries, want %d", scope, code, got, want)
			}
			if strings.Contains(said, "objectClass") {
				t.Errorf("%s: 1.1 gave attributes", scope)
			}
		}
	})
	t.Run("pages", func(t *testing.T) {
		all, _ := search(t, "-b", corpBase, "(objectClass=group)", "sAMAccountName")
		want := accounts(all)
		if len(want) < 40 {
			t.Fatalf("%d groups", len(want))
		}
		for _, size := range []int{1, 7, 1000} {
			said, code := search(t, "-E", fmt.Sprintf("pr=%d/noprompt", size), "-b", corpBase, "(objectClass=group)", "sAMAccountName")
			if got := accounts(said); code != 0 || !slices.Equal(got, want) {
				t.Errorf("pages of %d: %d, %d of %d groups", size, code, len(got), len(want))
			}
		}
	})
	t.Run("size limit", func(t *testing.T) {
		said, code := search(t, "-z", "3", "-b", corpBase, "(objectClass=group)", "1.1")
		if got := strings.Count("\n"+said, "\ndn:"); code != 4 || got != 3 {
			t.Errorf("%d, %d entries", code, got)
		}
	})
	t.Run("tokenGroups", func(t *testing.T) {
		said, code := search(t, "-b", "CN=Anna Berg,"+berlinDN, "-s", "base", "(objectClass=*)", "tokenGroups")
		if got := strings.Count(said, "tokenGroups:: "); code != 0 || got < 3 {
			t.Errorf("%d, %d tokens, want Inner, Outer and Domain Users at least:\n%s", code, got, said)
		}
	})
	t.Run("no password", func(t *testing.T) {
		said, _ := search(t, "-b", corpBase, "(unicodePwd=*)", "unicodePwd")
		if strings.Contains(said, "dn:") || strings.Contains(strings.ToLower(said), "unicodepwd") {
			t.Error(said)
		}
		said, _ = search(t, "-b", "CN=Anna Berg,"+berlinDN, "(objectClass=*)", "*", "+", "unicodePwd", "supplementalCredentials", "dBCSPwd", "ntPwdHistory")
		for _, secret := range []string{"unicodepwd", "supplementalcredentials", "dbcspwd", "ntpwdhistory"} {
			if strings.Contains(strings.ToLower(said), secret) {
				t.Errorf("a search gives %s", secret)
			}
		}
	})
}

// TestPasswordsByLDAP: administrators reset and users change passwords, over TLS only.
func TestPasswordsByLDAP(t *testing.T) {
	t.Parallel()
	s := start(t, `
directories:
  - id: `+corpID+`
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: `+adminPassword+`
    passwordPolicy: {minAge: 0s, historyLength: 3}
    users:
      - {name: jane, displayName: Jane Doe, password: `+firstPassword+`}
      - {name: other, password: `+firstPassword+`}
      - {name: fresh, password: `+firstPassword+`}
      - {name: last, password: `+firstPassword+`}
  - id: `+labID+`
    type: SimpleAD
    name: lab.example.com
    shortName: LAB
    size: Small
    password: `+adminPassword+`
    users:
      - {name: young, password: `+firstPassword+`}
`)
	const otherDN = "CN=other,OU=Users,OU=CORP," + corpBase
	admin := []string{"-D", corpAdmin, "-w", adminPassword}
	for name, connection := range map[string][]string{"LDAPS": nil, "StartTLS": {"-H", s.LDAP, "-ZZ"}} {
		t.Run("reset by an administrator, "+name, func(t *testing.T) {
			password := marker + "-by-" + name
			said, code := openldap(t, s, "ldapmodify", replacePassword(otherDN, password), append(slices.Clone(admin), connection...)...)
			if code != 0 {
				t.Fatalf("%d %s", code, said)
			}
			logins(t, s, `CORP\other`, firstPassword, password)
		})
	}
	jane := func(password string) []string { return []string{"-D", janeDN, "-w", password} }
	t.Run("change by the user", func(t *testing.T) {
		if said, code := openldap(t, s, "ldapmodify", changePassword(janeDN, firstPassword, nextPassword), jane(firstPassword)...); code != 0 {
			t.Fatalf("%d %s", code, said)
		}
		logins(t, s, janeDN, firstPassword, nextPassword)
	})
	const third = marker + "-third-Anchor"
	for _, c := range []struct {
		name, ldif string
		args       []string
		code       int
		says       string
	}{
		{"without TLS, by an administrator", replacePassword(janeDN, third), append([]string{"-H", s.LDAP}, admin...), 53, "0000001F"},
		{"without TLS, by the user", changePassword(janeDN, nextPassword, third), append([]string{"-H", s.LDAP}, jane(nextPassword)...), 53, "0000001F"},
		{"a reset by the user", replacePassword(janeDN, third), jane(nextPassword), 50, ""},
		{"a reset of somebody else by the user", replacePassword(otherDN, third), jane(nextPassword), 50, ""},
		{"the old password is wrong", changePassword(janeDN, firstPassword, third), jane(nextPassword), 19, "00000056"},
		{"in the history", changePassword(janeDN, nextPassword, firstPassword), jane(nextPassword), 19, "pwdHistoryLength"},
		{"too short", changePassword(janeDN, nextPassword, "Wx9~K"), jane(nextPassword), 19, "0000052D"},
		{"too simple, by an administrator", replacePassword(janeDN, "alllettersaresmall"), admin, 19, "0000052D"},
		{"not AD's form", "dn: " + janeDN + "\nchangetype: modify\nreplace: unicodePwd\nunicodePwd: " + third + "\n", admin, 53, "0000001F"},
		{"deleted", "dn: " + janeDN + "\nchangetype: modify\ndelete: unicodePwd\n", admin, 53, "0000001F"},
		{"outside the customer's OU", replacePassword("CN=Administrator,CN=Users,"+corpBase, third), admin, 50, "insufficient access rights"},
		{"a group's", replacePassword("CN=AWS Delegated Administrators,OU=AWS Delegated Groups,"+corpBase, third), admin, 50, ""},
		{"nobody's", replacePassword("CN=nobody,OU=Users,OU=CORP,"+corpBase, third), admin, 32, ""},
		{"one domain's administrator in the other", replacePassword("CN=young,CN=Users,"+labBase, third), admin, 50, ""},
		{"minimum age", changePassword("CN=young,CN=Users,"+labBase, firstPassword, third), []string{"-D", `LAB\young`, "-w", firstPassword}, 19, "minPwdAge"},
	} {
		t.Run("refused: "+c.name, func(t *testing.T) {
			said, code := openldap(t, s, "ldapmodify", c.ldif, c.args...)
			if code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("%d, want %d with %q: %s", code, c.code, c.says, said)
			}
			if strings.Contains(said, third) && c.name != "not AD's form" {
				t.Errorf("the password is in %s", said)
			}
			if data := login(t, s, janeDN, nextPassword); data != "" {
				t.Errorf("the password changed: data %s", data)
			}
		})
	}
	t.Run("ldappasswd", func(t *testing.T) {
		const freshDN, mine = "CN=fresh,OU=Users,OU=CORP," + corpBase, marker + "-my-own"
		own := []string{"-D", freshDN, "-w", firstPassword, "-a", firstPassword, "-s", mine}
		if said, code := openldap(t, s, "ldappasswd", "", append([]string{"-H", s.LDAP}, own...)...); code == 0 || !strings.Contains(said, "Confidentiality required") {
			t.Errorf("without TLS: %d %s", code, said)
		}
		if said, code := openldap(t, s, "ldappasswd", "", own...); code != 0 {
			t.Errorf("by the user: %d %s", code, said)
		}
		logins(t, s, freshDN, firstPassword, mine)
		if said, code := openldap(t, s, "ldappasswd", "", append(slices.Clone(admin), "-H", s.LDAP, "-ZZ", "-s", third, freshDN)...); code != 0 {
			t.Errorf("by an administrator: %d %s", code, said)
		}
		logins(t, s, freshDN, mine, third)
		if said, code := openldap(t, s, "ldappasswd", "", "-D", janeDN, "-w", nextPassword, "-s", mine, freshDN); code == 0 {
			t.Errorf("by somebody else: %s", said)
		}
	})
	t.Run("a change and a reset at once leave one password", func(t *testing.T) {
		const dn = "CN=last,OU=Users,OU=CORP," + corpBase
		done := make(chan answer, 1)
		go func() { done <- callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "last", nextPassword)) }()
		_, code := openldap(t, s, "ldapmodify", changePassword(dn, firstPassword, third), "-D", dn, "-w", firstPassword)
		(<-done).accepted(t)
		if data := login(t, s, dn, firstPassword); data != "52e" {
			t.Errorf("the first password: data %q", data)
		}
		one := login(t, s, dn, nextPassword) == ""
		two := login(t, s, dn, third) == ""
		if one == two || two && code != 0 {
			t.Errorf("the reset's password works: %v, the change's: %v (it ended with %d)", one, two, code)
		}
	})
	s.stop()
	noSecrets(t, s)
}

// TestWriteByLDAP: what an administrator does to entries shows in the API at once, and member and memberOf agree.
func TestWriteByLDAP(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	admin := []string{"-D", labAdmin, "-w", adminPassword}
	modify := func(t *testing.T, ldif string) {
		t.Helper()
		if said, code := openldap(t, s, "ldapmodify", ldif, admin...); code != 0 {
			t.Fatalf("%d %s", code, said)
		}
	}
	const leeDN = "CN=lee.cli,CN=Users," + labBase
	const group = "CN=Operators,CN=Users," + labBase
	change := func(verb string) string {
		return "dn: " + group + "\nchangetype: modify\n" + verb + ": member\nmember: " + leeDN + "\n"
	}
	modify(t, change("add"))
	call(t, home, "ResetUserPassword", reset(labID, "lee.cli", nextPassword)).refused(t, "UnsupportedOperationException", "Domain Admins")
	if said := entry(t, s, labAdmin, labBase, "lee.cli"); attribute(said, "memberOf") != group {
		t.Errorf("memberOf is %q", attribute(said, "memberOf"))
	}
	modify(t, change("delete"))
	call(t, home, "ResetUserPassword", reset(labID, "lee.cli", nextPassword)).accepted(t)

	modify(t, "dn: "+leeDN+"\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: renamed\n")
	call(t, home, "ResetUserPassword", reset(labID, "lee.cli", firstPassword)).refused(t, "UserDoesNotExistException", "")
	if data := login(t, s, leeDN, nextPassword); data != "" {
		t.Errorf("after a change of the account's name the password does not work: data %s", data)
	}
	call(t, home, "ResetUserPassword", reset(labID, "renamed", firstPassword)).accepted(t)
	logins(t, s, `LAB\renamed`, nextPassword, firstPassword)

	modify(t, "dn: "+leeDN+"\nchangetype: modrdn\nnewrdn: CN=Lee\\, Other\ndeleteoldrdn: 1\n")
	logins(t, s, `CN=Lee\, Other,CN=Users,`+labBase, nextPassword, firstPassword)
	modify(t, `dn: CN=Lee\, Other,CN=Users,`+labBase+"\nchangetype: delete\n")
	call(t, home, "ResetUserPassword", reset(labID, "renamed", nextPassword)).refused(t, "UserDoesNotExistException", "")
	if data := login(t, s, `LAB\renamed`, firstPassword); data != "525" {
		t.Errorf("data %q", data)
	}
}
