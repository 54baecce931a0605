package ldapserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openldap runs one of OpenLDAP's clients against the fixture and gives back what it said and its exit code, which for
// most of them is the LDAP result.
func (f *fixture) openldap(t *testing.T, input string, tool string, args ...string) (said string, code int) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", tool)
		}
		t.Skipf("%s is not installed (hint: apt-get install ldap-utils)", tool)
	}
	command := exec.Command(path, args...)
	command.Env = append(os.Environ(), "LDAPTLS_CACERT="+f.caPath, "LDAPTLS_REQCERT=demand")
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

func TestOpenLDAP(t *testing.T) {
	f := newFixture(t, Limits{}, nil)
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(janeSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	port := func(address string) string { return address[strings.LastIndexByte(address, ':'):] }
	// By address: for "localhost" OpenLDAP wants the machine's own name in the certificate.
	plain, ldaps := "ldap://127.0.0.1"+port(f.plain), "ldaps://127.0.0.1"+port(f.ldaps)
	jane := []string{"-x", "-D", janeDN, "-y", secretFile}
	search := []string{"-LLL", "-b", rootDN}
	base64Password := "unicodePwd:: IgBOAGUAdwAtADEAIgA="

	cases := []struct {
		name, tool, input string
		args              []string
		code              int
		says              []string
	}{
		{
			"rootDSE, anonymous", "ldapsearch", "",
			[]string{"-x", "-LLL", "-H", plain, "-b", "", "-s", "base", "+", "*"},
			0,
			[]string{"supportedLDAPVersion: 3", "supportedExtension: " + oidStartTLS},
		},
		{
			"search under StartTLS", "ldapsearch", "", join("-ZZ -H "+plain, jane, search, "(cn=Jane)", "cn", "photo"), 0,
			[]string{"dn: " + janeDN, "cn: Jane", "photo:: AP8oKilc"},
		},
		{
			"search over LDAPS", "ldapsearch", "", join("-H "+ldaps, jane, search, "(&(objectClass=user)(!(cn=Jane)))", "1.1"), 0,
			[]string{"dn: CN=user24"},
		},
		{
			"pages", "ldapsearch", "", join("-H "+ldaps+" -E pr=10/noprompt", jane, search, "(objectClass=user)", "cn"), 0,
			[]string{"cn: user00", "cn: user24", "# pagedresults: cookie="},
		},
		{"size limit", "ldapsearch", "", join("-H "+ldaps+" -z 3", jane, search), 4, []string{"Size limit exceeded"}},
		{
			"unknown base", "ldapsearch", "", join("-H "+ldaps, jane, []string{"-b", "DC=nowhere"}), 32,
			[]string{"00002030: No such Base DN", "matchedDN: " + rootDN},
		},
		{"critical control", "ldapsearch", "", join("-H "+ldaps+" -e !1.2.3.4", jane, search), 12, nil},
		{"wrong password", "ldapsearch", "", join("-H "+ldaps+" -x -w wrong -D "+janeDN, search), 49, []string{"data 52e"}},
		{"who am I", "ldapwhoami", "", join("-H "+ldaps, jane), 0, []string{`u:CORP\jane`}},
		{"who am I, anonymous", "ldapwhoami", "", []string{"-x", "-H", plain}, 0, []string{"anonymous"}},
		{"compare, true", "ldapcompare", "", join("-H "+ldaps, jane, janeDN, "cn:Jane"), 6, []string{"TRUE"}},
		{"compare, false", "ldapcompare", "", join("-H "+ldaps, jane, janeDN, "cn:John"), 5, []string{"FALSE"}},
		{"compare, no such attribute", "ldapcompare", "", join("-H "+ldaps, jane, janeDN, "pager:1"), 16, nil},
		{
			"add, modify, rename, delete", "ldapmodify",
			"dn: CN=Ann," + rootDN + "\nchangetype: add\nobjectClass: user\n" + base64Password + "\n\n" +
				"dn: CN=Ann," + rootDN + "\nchangetype: modify\nreplace: mail\nmail: ann@example.com\n-\n\n" +
				"dn: CN=Ann," + rootDN + "\nchangetype: modrdn\nnewrdn: CN=Anna\ndeleteoldrdn: 1\n\n" +
				"dn: CN=Anna," + rootDN + "\nchangetype: delete\n",
			join("-H "+ldaps, jane), 0,
			[]string{"adding new entry", "deleting entry"},
		},
		{
			"a password in the clear", "ldapmodify",
			"dn: " + janeDN + "\nchangetype: modify\nreplace: unicodePwd\n" + base64Password + "\n",
			join("-H "+plain, jane), 53,
			[]string{"0000001F:"},
		},
		{
			"password modify in the clear", "ldappasswd", "", join("-H "+plain, jane, "-s", "Other-Horse-8"), 1,
			[]string{"Confidentiality required (13)"},
		},
		{"password modify", "ldappasswd", "", join("-ZZ -H "+plain, jane, "-s", "Other-Horse-8"), 0, nil},
		{"the old password", "ldapwhoami", "", join("-H "+ldaps, jane), 49, nil},
		{"the new password", "ldapwhoami", "", join("-H "+ldaps+" -x -w Other-Horse-8 -D "+janeDN, nil), 0, []string{"jane"}},
		{
			"a generated password", "ldappasswd", "", join("-H "+ldaps+" -x -w Other-Horse-8 -D "+janeDN, nil), 0,
			[]string{"New password: Generated-9-Password"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			said, code := f.openldap(t, c.input, c.tool, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			// LDIF folds its lines.
			unfolded := strings.ReplaceAll(said, "\n ", "")
			for _, want := range c.says {
				if !strings.Contains(unfolded, want) {
					t.Errorf("does not say %q", want)
				}
			}
			if t.Failed() {
				t.Log(said)
			}
		})
	}
}

// join is an argument list: words, a list, and more arguments as they are.
func join(words string, lists ...any) []string {
	args := strings.Fields(words)
	for _, list := range lists {
		switch list := list.(type) {
		case []string:
			args = append(args, list...)
		case string:
			args = append(args, list)
		}
	}
	return args
}
