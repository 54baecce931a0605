package seed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/seed"
)

const minimal = `directories:
  - {type: SimpleAD, name: Lab.Example.com, password: Boss-Passw0rd}
`

func parse(text string) (*seed.Seed, error) { return seed.Parse(strings.NewReader(text), "s.yaml") }

func TestDefaults(t *testing.T) {
	s, err := parse(minimal)
	if err != nil {
		t.Fatal(err)
	}
	d := s.Directories[0]
	got := []string{d.ID, d.Type, d.Name, d.ShortName, d.Region, d.Size, d.Edition, string(d.Password.Bytes()), d.At.String()}
	want := []string{"", "SimpleAD", "lab.example.com", "LAB", "us-east-1", "Small", "", "Boss-Passw0rd", "s.yaml:2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d.Policy != nil {
		t.Error("a policy out of nothing")
	}
	for _, empty := range []string{"", "# nothing\n", "directories: []\n"} {
		if s, err := parse(empty); err != nil || len(s.Directories) != 0 {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestEverything(t *testing.T) {
	s, err := parse(`directories:
  - id: d-1234567890
    type: MicrosoftAD
    name: corp.example.com
    shortName: ACME
    region: eu-central-1
    description: All of it
    edition: Enterprise
    password: Boss-Passw0rd
    passwordPolicy: {minLength: 9, complexity: false, historyLength: 3, minAge: 0s, maxAge: 42d, lockoutThreshold: 5, lockoutDuration: 1h, lockoutWindow: 90m}
    organizationalUnits:
      - Sales/Berlin
      - /Top
    groups:
      - {name: Staff}
      - name: Help Desk
        ou: Sales
        scope: Universal
        type: Distribution
        description: Helps
        groups: [Staff, Domain Admins]
    users:
      - name: jane
        ou: Sales/Berlin
        givenName: Jane
        surname: Doe
        displayName: Jane Doe
        mail: jane@example.com
        userPrincipalName: jane@corp.example.com
        attributes: {title: Engineer, otherTelephone: ["+49 30 1", 49302]}
        password: 12345678
        groups: [Staff]
        primaryGroup: Help Desk
        disabled: true
        mustChangePassword: true
        locked: true
    computers:
      - {name: WEB01, ou: Computers}
`)
	if err != nil {
		t.Fatal(err)
	}
	d := s.Directories[0]
	p, u, g := d.Policy, d.Users[0], d.Groups[1]
	hours := func(d *seed.Duration) float64 { return time.Duration(*d).Hours() }
	got := fmt.Sprint(d.ID, d.ShortName, d.Region, d.Description, d.Edition, d.Units[0].Path, d.Units[1].Path,
		*p.MinLength, *p.Complexity, *p.HistoryLength, hours(p.MinAge), hours(p.MaxAge), *p.LockoutThreshold, hours(p.LockoutDuration), hours(p.ObservationWindow),
		g.Name, *g.OU, g.Scope, g.Type, g.Description, g.Groups, d.Groups[0].Scope, d.Groups[0].Type, d.Groups[0].OU == nil,
		u.Name, *u.OU, u.GivenName, u.Surname, u.DisplayName, u.Mail, u.UserPrincipalName, u.Attributes, string(u.Password.Bytes()), u.Groups, u.PrimaryGroup,
		u.Disabled, u.MustChangePassword, u.Locked, u.At.String(), d.Computers[0].Name, *d.Computers[0].OU)
	want := fmt.Sprint("d-1234567890", "ACME", "eu-central-1", "All of it", "Enterprise", "Sales/Berlin", "/Top",
		9, false, 3, 0.0, 1008.0, 5, 1.0, 1.5,
		"Help Desk", "Sales", "Universal", "Distribution", "Helps", []string{"Staff", "Domain Admins"}, "Global", "Security", true,
		"jane", "Sales/Berlin", "Jane", "Doe", "Jane Doe", "jane@example.com", "jane@corp.example.com",
		map[string][]string{"title": {"Engineer"}, "otherTelephone": {"+49 30 1", "49302"}}, "12345678", []string{"Staff"}, "Help Desk",
		true, true, true, "s.yaml:23", "WEB01", "Computers")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProblems(t *testing.T) {
	directory := func(change ...string) string {
		keys := map[string]string{"type": "SimpleAD", "name": "lab.example.com", "password": "Boss-Passw0rd"}
		text := ""
		for _, c := range change {
			name, value, _ := strings.Cut(c, ":")
			delete(keys, name)
			if value != "" {
				text += "    " + c + "\n"
			}
		}
		for name, value := range keys {
			text = "    " + name + ": " + value + "\n" + text
		}
		return "directories:\n  -\n" + text
	}
	for name, tc := range map[string]struct{ text, want string }{
		"root key":           {"directorys: []", `s.yaml:1: the file: unknown key "directorys": did you mean "directories"?`},
		"directory key":      {directory("regoin: us-east-1"), `s.yaml:6: directory: unknown key "regoin": did you mean "region"?`},
		"far key":            {directory("xyzzy: 1"), `unknown key "xyzzy": it has id, type`},
		"twice":              {directory("id: d-1234567890") + "    id: d-1234567891\n", `s.yaml:7: directory: the key "id" is given twice`},
		"no mapping":         {"directories: [1]", "s.yaml:1: directory: want keys and values, not a number"},
		"no list":            {"directories: {a: b}", "s.yaml:1: directories: want a list, not keys and values"},
		"id":                 {directory("id: d-123"), `s.yaml:6: id: "d-123"`},
		"type missing":       {directory("type:"), `s.yaml:3: type: "" is not SimpleAD or MicrosoftAD`},
		"name missing":       {directory("name:"), "name: a directory needs a DNS name"},
		"name without dot":   {directory("name: lab"), `not "lab"`},
		"short name":         {directory("shortName: a.b"), "is not a NetBIOS name"},
		"short name long":    {directory("shortName: ABCDEFGHIJKLMNOP"), "is not a NetBIOS name"},
		"short name digits":  {directory("shortName: 123"), "is not a NetBIOS name"},
		"region":             {directory("region: moon"), `s.yaml:6: region: "moon"`},
		"size":               {directory("size: Huge"), `size: "Huge" is not Small or Large`},
		"edition of Simple":  {directory("edition: Standard"), "edition: a SimpleAD has a size instead"},
		"size of Microsoft":  {directory("type: MicrosoftAD", "size: Small"), "size: a MicrosoftAD has an edition instead"},
		"password missing":   {directory("password:"), "password: a directory needs one"},
		"password short":     {directory("password: Ab1-efg"), "8 to 64 characters, not 7"},
		"password simple":    {directory("password: abcdefgh1"), "demands 3 of"},
		"password as alias":  {directory("description: &d x", "password: *d"), "password: want a string, not an alias"},
		"policy number":      {directory("passwordPolicy: {minLength: -1}"), "minLength: want a number from 0 to 255"},
		"policy duration":    {directory("passwordPolicy: {maxAge: 42}"), "maxAge: want a duration"},
		"policy long":        {directory("passwordPolicy: {maxAge: 10001d}"), "maxAge: want a duration"},
		"policy bool":        {directory("passwordPolicy: {complexity: 1}"), "complexity: want true or false, not a number"},
		"policy key":         {directory("passwordPolicy: {minlength: 1}"), `did you mean "minLength"?`},
		"unit":               {directory("organizationalUnits: [a//b]"), `"a//b" is not the path`},
		"unit root":          {directory("organizationalUnits: [/]"), `"/" is not the path`},
		"unit twice":         {directory("organizationalUnits: [a, A]"), `the organizational unit "A" is given at s.yaml:6 already`},
		"group name":         {directory("groups: [{name: a/b}]"), "one of the characters"},
		"group scope":        {directory("groups: [{name: a, scope: global}]"), `scope: "global" is not Global or DomainLocal or Universal`},
		"group in itself":    {directory("groups: [{name: a, groups: [A]}]"), "can't be a member of itself"},
		"group in twice":     {directory("groups: [{name: a, groups: [b, B]}]"), `groups: "B" is empty or given twice`},
		"user without name":  {directory("users: [{password: x}]"), "a user's name has 1 to 64 characters, not 0"},
		"user dots":          {directory("users: [{name: ...}]"), "nothing but dots and spaces"},
		"user space":         {directory("users: [{name: 'a '}]"), "begins or ends with a space"},
		"user control":       {directory(`users: [{name: "a\x01"}]`), "has a control character"},
		"user and group":     {directory("users: [{name: a}]", "groups: [{name: A}]"), `the account name "a" is given at`},
		"user and computer":  {directory("users: [{name: a$}]", "computers: [{name: A}]"), `the account name "A$" is given at`},
		"UPN":                {directory("users: [{name: a, userPrincipalName: a}]"), `"a" is not NAME@DOMAIN`},
		"UPN twice":          {directory("users: [{name: a, userPrincipalName: x@y}, {name: b, userPrincipalName: X@y}]"), "the userPrincipalName"},
		"empty password":     {directory(`users: [{name: a, password: ""}]`), "password: is empty"},
		"attribute password": {directory("users: [{name: a, attributes: {unicodePwd: x}}]"), "attributes: unicodePwd: the key password gives it"},
		"attribute name":     {directory("users: [{name: a, attributes: {'a b': x}}]"), "is not an attribute's name"},
		"attribute value":    {directory("users: [{name: a, attributes: {title: {a: b}}}]"), "title: want a string, not keys and values"},
		"attribute twice":    {directory("users: [{name: a, attributes: {title: x, Title: y}}]"), "Title is given twice"},
		"computer name":      {directory("computers: [{name: ABCDEFGHIJKLMNOP}]"), "1 to 15 characters, not 16"},
		"id twice":           {directory("id: d-1234567890") + strings.TrimPrefix(directory("id: d-1234567890", "name: b.example.com"), "directories:\n"), "the id"},
		"name twice":         {directory() + strings.TrimPrefix(directory(), "directories:\n"), `the directory "lab.example.com in us-east-1" is given at s.yaml:3`},
		"syntax":             {"directories:\n\t- x", "s.yaml:2:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in\n%s", err, tc.want, tc.text)
			}
		})
	}
}

func TestEveryProblemInOrder(t *testing.T) {
	_, err := parse(`directories:
  - type: Azure
    nam: x
    password: short
    users:
      - name: a/b
        disabled: maybe
`)
	want := `s.yaml:2: name: a directory needs a DNS name with a dot, of at most 64 characters, not ""
s.yaml:2: type: "Azure" is not SimpleAD or MicrosoftAD
s.yaml:3: directory: unknown key "nam": did you mean "name"?
s.yaml:4: password: an administrator's has 8 to 64 characters, not 5
s.yaml:6: name: "a/b" has one of the characters " / \ [ ] : ; | = , + * ? < > @, which an account's name can't have
s.yaml:7: disabled: want true or false, not a string`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsNeverShowAPassword(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"directories: [{password: " + secret + "}]",
		"directories: [{password: [" + secret + "]}]",
		"directories: [{password: {x: " + secret + "}}]",
		"directories: [{password: *" + secret + "}]",
		"directories: [{password: &x " + secret + ", id: *x}]",
		"directories: [{password: !!int " + secret + "}]",
		"directories: [{password: \"" + secret + "\x00\"}]",
		"directories: [{users: [{name: a, password: \"" + secret + `\0"}]}]`,
	} {
		if _, err := parse(text); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRemote(t *testing.T) {
	s, err := parse(`directories:
  - type: MicrosoftAD
    name: corp.example.com
    engine: remote
    remote:
      urls: [ldaps://dc1.corp.example.com, ldaps://dc2.corp.example.com]
      discover: true
      preferPdc: true
      resolver: 10.0.0.1:53
      bindDn: CN=latchkey,CN=Users,DC=corp,DC=example,DC=com
      bindPasswordFile: /etc/latchkey/corp.password
      caFile: /etc/latchkey/corp.pem
      resetBases: ["OU=Sales,DC=corp,DC=example,DC=com"]
      leaveOut: [lockoutTime]
      respectHistory: true
      mustChange: true
      readBack: true
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &seed.Remote{
		URLs: []string{"ldaps://dc1.corp.example.com", "ldaps://dc2.corp.example.com"}, Discover: true, PreferPDC: true, Resolver: "10.0.0.1:53",
		BindDN: "CN=latchkey,CN=Users,DC=corp,DC=example,DC=com", BindPasswordFile: "/etc/latchkey/corp.password", CAFile: "/etc/latchkey/corp.pem",
		ResetBases: []string{"OU=Sales,DC=corp,DC=example,DC=com"}, LeaveOut: []string{"lockoutTime"}, RespectHistory: true, MustChange: true, ReadBack: true,
	}
	if diff := cmp.Diff(want, s.Directories[0].Remote); diff != "" {
		t.Error(diff)
	}
}

func TestEngines(t *testing.T) {
	const start = "directories:\n  - type: SimpleAD\n    name: lab.example.com\n"
	for text, want := range map[string]string{
		"    password: Boss-Passw0rd\n    engine: samba\n":                                        "",
		"    password: Boss-Passw0rd\n    engine: azure\n":                                        `s.yaml:5: engine: "azure" is not embedded or samba or remote`,
		"    password: Boss-Passw0rd\n    remote: {urls: [x]}\n":                                  "s.yaml:5: remote: only a directory with the engine remote",
		"    engine: remote\n":                                                                    "s.yaml:2: remote: the engine remote needs",
		"    engine: remote\n    remote: {urls: [x]}\n    password: Boss-Passw0rd\n":              "s.yaml:6: password: a seed changes nothing",
		"    engine: remote\n    remote: {urls: [x]}\n    users: [{name: jane}]\n":                "s.yaml:6: users: a seed changes nothing",
		"    engine: remote\n    remote: {urls: [x], leaveOut: [unicodePwd]}\n":                   `s.yaml:5: leaveOut: "unicodePwd" is not`,
		"    engine: remote\n    remote: {urls: [x], resetBases: [Sales]}\n":                      `s.yaml:5: resetBases: "Sales" is not a DN`,
		"    engine: remote\n    remote: {urls: [x], bindPassword: 'Boss-Passw0rd', caFile: x}\n": `unknown key "bindPassword"`,
	} {
		_, err := parse(start + text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if s, err := seed.Parse(file, path); err != nil || len(s.Directories) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../examples/corp.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{string(example), minimal, "", "a: *b", "directories: [{users: [{attributes: {a: [b]}}]}]", "? {a: b}\n: c", "- x\n---\n- y"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if (s == nil) == (err == nil) {
			t.Fatal("either a seed or an error")
		}
		if err != nil && !strings.HasPrefix(err.Error(), "s.yaml") {
			t.Fatalf("without its place: %v", err)
		}
		if err == nil {
			for _, d := range s.Directories {
				if (d.Password.IsZero() && d.Engine != "remote") || d.ShortName == "" || !strings.Contains(d.Name, ".") {
					t.Fatalf("incomplete: %+v", d)
				}
			}
		}
	})
}
