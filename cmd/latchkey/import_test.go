package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/latchkeytest"
)

const (
	otherDirectory = "d-0000000002"
	importSeed     = `
directories:
  - {id: ` + theDirectory + `, type: MicrosoftAD, name: corp.example.com, shortName: CORP, password: Harbour-Light-11, groups: [{name: Staff}, {name: Help Desk}]}
  - {id: ` + otherDirectory + `, type: MicrosoftAD, name: two.example.com, shortName: TWO, password: Harbour-Light-11, groups: [{name: Staff}, {name: Help Desk}]}
`
)

// importer starts a server whose directories can be managed, and goes into a folder of its own.
func newImport(t *testing.T) *latchkeytest.Server {
	t.Helper()
	s := latchkeytest.Start(t, importSeed)
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{
		"LATCHKEY_ENDPOINT_URL": s.URL, "AWS_REGION": "us-east-1", "AWS_CA_BUNDLE": "", "NO_PROXY": "*", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_SESSION_TOKEN": "",
		"LATCHKEY_DIRECTORY": theDirectory,
	} {
		t.Setenv(name, value)
	}
	for _, id := range []string{theDirectory, otherDirectory} {
		if out, said, code := latchkey("directory", "data-access", id, "enable"); code != 0 {
			t.Fatal(out, said)
		}
	}
	return s
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// does runs a command and holds all that it does against what is wanted.
func does(t *testing.T, code int, out, said string, args ...string) {
	t.Helper()
	gotOut, gotSaid, gotCode := latchkey(args...)
	want(t, strings.Join(args, " "), gotOut, out)
	want(t, strings.Join(args, " ")+": what it says", gotSaid, said)
	if gotCode != code {
		t.Errorf("%q: exit status %d", args, gotCode)
	}
}

// logsIn says whether LDAP takes a password.
func logsIn(t *testing.T, s *latchkeytest.Server, user, password string) bool {
	t.Helper()
	conn, err := ldap.DialURL(s.LDAP)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.Bind(user+"@corp.example.com", password) == nil
}

func absent(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImport: users with all that a file can have of them; rows that fail, what is said of them, and what the same command makes
// of them when it is run again.
func TestImport(t *testing.T) {
	s := newImport(t)
	write(t, "users.csv", "\ufeffSAMAccountName;GivenName;sn;EmailAddress;title;otherTelephone;uidNumber;Groups;Enabled;Password\r\n"+
		"jane;Jané;\"Doe; the \"\"first\"\"\";jane@corp.example.com;Engineer;\"[\"\"1\"\",\"\"2\"\"]\";1001;Staff;TRUE;Winter-Sun-2025\r\n"+
		"joe;Joe;;;;;;Staff;FALSE;Winter-Sun-2025\r\n;;;;;;;;;\r\nada;;;;;;;;;\r\nkim;;;;;;;\"Staff; Help Desk\";;weak\r\n")
	does(t, 0, "4 of 4 users could be imported into d-1234567890\n", "", "user", "import", "users.csv", "--dry-run")
	absent(t, "users.csv.state", "users.failed.csv")
	does(t, 1, "3 of 4 users imported into d-1234567890, 1 failed\n",
		"users.csv:6: kim: the user is there, but without this password: InvalidPasswordException: The new password provided by the user does not meet the password complexity requirements defined in your directory.\n"+
			"latchkey: error: 1 of 4 rows failed; users.failed.csv has them, with the reasons\nhint: repair them in users.csv and run the same command again: what is done is left alone\n",
		"user", "import", "users.csv")
	failed := read(t, "users.failed.csv")
	if lines := strings.Split(failed, "\n"); len(lines) != 3 || lines[0] != "SAMAccountName;GivenName;sn;EmailAddress;title;otherTelephone;uidNumber;Groups;Enabled;Password;Line;Reason" ||
		!strings.HasPrefix(lines[1], `kim;;;;;;;"Staff; Help Desk";;weak;6;the user is there`) {
		t.Errorf("%q", lines)
	}
	if state := read(t, "users.csv.state"); strings.Contains(state, "Winter") || strings.Contains(state, "weak") {
		t.Error(state)
	}
	out, _, _ := latchkey("user", "show", "jane", "--attribute", "otherTelephone,uidNumber")
	for _, line := range []string{"Enabled\tyes", "GivenName\tJané", "Surname\tDoe; the \"first\"", "EmailAddress\tjane@corp.example.com", "title\tEngineer", "otherTelephone\t1", "otherTelephone\t2", "uidNumber\t1001", "memberOf\tCN=Staff,OU=Users,OU=CORP,DC=corp,DC=example,DC=com"} {
		if !strings.Contains(out, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, out)
		}
	}
	for name, enabled := range map[string]string{"joe": "no", "ada": "no", "kim": "no"} {
		if out, _, _ := latchkey("user", "show", name); !strings.Contains(out, "\nEnabled\t"+enabled+"\n") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if !logsIn(t, s, "jane", "Winter-Sun-2025") || logsIn(t, s, "joe", "Winter-Sun-2025") {
		t.Error("jane can't log in, or joe, who is disabled, can")
	}

	// What was repaired is done, and the rest left alone.
	write(t, "users.csv", strings.Replace(read(t, "users.csv"), ";weak", ";Summer-Rain-2026", 1))
	does(t, 0, "1 of 4 users imported into d-1234567890, 3 imported before\n", "", "user", "import", "users.csv")
	absent(t, "users.csv.state")
	if !logsIn(t, s, "kim", "Summer-Rain-2026") {
		t.Error("kim can't log in")
	}

	// Once all is done, the users are there already.
	exists := "a user of this name exists already; --existing skip leaves such users alone, --existing update changes them\n"
	write(t, "one.csv", "SAMAccountName,title,Groups,Password\nJANE,Boss,Help Desk,Autumn-Leaf-2026\n")
	does(t, 1, "0 of 1 user could be imported into d-1234567890, 1 failed\n", "one.csv:2: JANE: "+exists+"latchkey: error: 1 of 1 row would fail\n", "user", "import", "one.csv", "--dry-run")
	does(t, 1, "0 of 1 user imported into d-1234567890, 1 failed\n",
		"one.csv:2: JANE: "+exists+"latchkey: error: 1 of 1 row failed; bad.csv has them, with the reasons\nhint: repair them in one.csv and run the same command again: what is done is left alone\n",
		"user", "import", "one.csv", "--state", "one.state", "--failed", "bad.csv")
	does(t, 0, "0 of 1 user could be imported into d-1234567890, 1 exists and is left alone\n", "", "user", "import", "one.csv", "--dry-run", "--existing", "skip")
	does(t, 0, "{\n  \"DirectoryId\": \"d-1234567890\",\n  \"Rows\": 1,\n  \"Imported\": 0,\n  \"ImportedBefore\": 0,\n  \"LeftAlone\": 1,\n  \"Failed\": 0,\n  \"DryRun\": false\n}\n", "",
		"user", "import", "bad.csv", "--existing", "skip", "--output", "json")
	does(t, 0, "1 of 1 user imported into d-1234567890\n", "", "user", "import", "bad.csv", "--existing", "update")
	out, _, _ = latchkey("user", "show", "jane")
	for _, line := range []string{"title\tBoss", "GivenName\tJané", "memberOf\tCN=Staff,OU=Users,OU=CORP,DC=corp,DC=example,DC=com", "memberOf\tCN=Help Desk,OU=Users,OU=CORP,DC=corp,DC=example,DC=com"} {
		if !strings.Contains(out, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, out)
		}
	}
	if !logsIn(t, s, "jane", "Autumn-Leaf-2026") {
		t.Error("jane can't log in")
	}
}

// TestImportLDIF: what LDIF calls things, and what is no user.
func TestImportLDIF(t *testing.T) {
	s := newImport(t)
	const ldif = "version: 1\n\ndn: OU=x\nobjectClass: organizationalUnit\nou: x\n\ndn: CN=web,OU=x\nobjectClass: user\nobjectClass: computer\nsAMAccountName: WEB01$\n\n" +
		"dn: uid=jane,OU=x\nobjectClass: inetOrgPerson\nuid: jane\nsn:: RMO2ZQ==\nuserPassword: Winter-Sun-2025\nmemberOf: CN=Help Desk,OU=y\ncn: Jane\n\n" +
		"dn: CN=Joe,OU=x\nchangetype: add\nobjectClass: top\nobjectClass: user\nsAMAccountName: joe\nunicodePwd:: IgBXAGkAbgB0AGUAcgAtAFMAdQBuAC0AMgAwADIANQAiAA==\n" +
		"userAccountControl: 514\naccountExpires: 9223372036854775807\notherTelephone: 1\notherTelephone: 2\nobjectGUID:: AAAA\nmemberOf: CN=Nobody,OU=y\n"
	write(t, "users.ldif", ldif)
	does(t, 1, "", "latchkey: error: users.ldif:20: there is no group Nobody; nothing was written\nhint: latchkey group create 'Nobody' makes it\n", "user", "import", "users.ldif")
	if _, _, code := latchkey("user", "show", "jane"); code != 1 {
		t.Error("jane is there")
	}
	if _, said, code := latchkey("group", "create", "Nobody"); code != 0 {
		t.Error(said)
	}
	does(t, 0, "2 of 2 users imported into d-1234567890; 2 entries are no users\n", "", "user", "import", "users.ldif")
	if !logsIn(t, s, "jane", "Winter-Sun-2025") || logsIn(t, s, "joe", "Winter-Sun-2025") {
		t.Error("jane can't log in, or joe, who is disabled, can")
	}
	out, _, _ := latchkey("user", "show", "joe", "--attribute", "otherTelephone")
	if !strings.Contains(out, "otherTelephone\t1\notherTelephone\t2\n") {
		t.Error(out)
	}
	out, said, code := latchkeyReads(ldif, "user", "import", "-", "--failed", "again.ldif")
	if code != 1 || !strings.Contains(said, "standard input:12: jane: a user of this name exists already") || !strings.HasPrefix(out, "0 of 2 users imported") {
		t.Errorf("%d %s%s", code, out, said)
	}
	again := read(t, "again.ldif")
	if !strings.Contains(again, "# line 12: a user of this name exists already;") || !strings.Contains(again, "dn: CN=Joe,OU=x\n") {
		t.Error(again)
	}
	does(t, 0, "2 of 2 users imported into d-1234567890\n", "", "user", "import", "again.ldif", "--existing", "update")
}

// TestImportRefuses: a file is wrong as a whole, or in its rows: each is told, and nothing is written.
func TestImportRefuses(t *testing.T) {
	newImport(t)
	long := "SAMAccountName,title\njane,x\njoe,\"" + strings.Repeat("x", maxRow+8192) + "\n"
	for name, c := range map[string]struct{ text, said string }{
		"empty":                {"", "latchkey: error: FILE: the file is empty\n"},
		"no rows":              {"SAMAccountName\n", "latchkey: error: FILE has no users\n"},
		"no name":              {"Name,Title\nx,y\n", "latchkey: error: FILE: there is no column SAMAccountName\nhint: the first row has the columns' names: SAMAccountName, GivenName, Surname, EmailAddress, Password, Groups, Enabled, and those of AD attributes\n"},
		"no column":            {"SAMAccountName,,x\n", "latchkey: error: FILE: a column has no name\n"},
		"no attribute's name":  {"SAMAccountName,Tit le\n", "latchkey: error: FILE: the column \"Tit le\" is neither one that import knows nor the name of an AD attribute\n"},
		"a column twice":       {"SAMAccountName,mail,Email\n", "latchkey: error: FILE: there is more than one column EmailAddress\n"},
		"an attribute unknown": {"SAMAccountName,favouriteFood\nx,y\n", "latchkey: error: FILE: ValidationException: There is no attribute favouriteFood. (INVALID_ATTRIBUTE_NAME); nothing was written\n"},
		"UTF-16":               {"\xff\xfeS\x00", "latchkey: error: FILE: the text is UTF-16\nhint: spreadsheets can write UTF-8 (CSV UTF-8)\n"},
		"rows": {
			"SAMAccountName,Enabled,title\nx y,,\njane,maybe,\njane,,\nJane,,\n,TRUE,\njoe,,\xff\nada,\nkim,,a\"b\nlea,,x\n",
			"FILE:2: ValidationException: 1 validation error detected: Value 'x y' at 'sAMAccountName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[\\w\\-.]+$\n" +
				"FILE:3: \"maybe\" in the column Enabled is neither TRUE nor FALSE\nFILE:4: jane is in line 3 already\nFILE:5: jane is in line 3 already\nFILE:6: there is no SAMAccountName\nFILE:7: title is not UTF-8\n" +
				"FILE:8: it has 2 cells, and the first row 3\nFILE:9: bare \" in non-quoted-field\nlatchkey: error: FILE: 8 of 9 rows are wrong; nothing was written\n",
		},
		"a quote that nothing ends": {long, "latchkey: error: FILE: the row after line 2: it is longer than 1048576 bytes: is there a quote that nothing ends?\n"},
		"LDIF": {
			"dn: CN=a\nobjectClass: user\n\ndn: CN=b\nobjectClass: user\nsAMAccountName: b\nuserPassword: {SSHA}x\n\ndn: CN=c\nchangetype: modify\nadd: x\nx: y\n\ncn: nonsense\n\ndn: CN=d\nobjectClass: user\nsAMAccountName: d\nunicodePwd: x\nmemberOf: x\n",
			"FILE:1: there is no SAMAccountName\nFILE:4: userPassword is a hash, and a directory takes passwords\nFILE:9: it changes an entry; import creates users\nFILE:14: a record does not begin with a dn\n" +
				"FILE:16: unicodePwd is not a password in quotes, in UTF-16; memberOf: \"x\" is no distinguished name\nlatchkey: error: FILE: 5 of 5 rows are wrong; nothing was written\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, "file", c.text)
			does(t, 1, "", strings.ReplaceAll(c.said, "FILE", "file"), "user", "import", "file")
			absent(t, "file.state", "file.failed")
		})
	}
	t.Run("no file", func(t *testing.T) {
		does(t, 1, "", "latchkey: error: open nowhere: no such file or directory\n", "user", "import", "nowhere")
	})
	write(t, "good.csv", "SAMAccountName\njane\n")
	for name, c := range map[string]struct{ text, said string }{
		"of something else": {"SAMAccountName\njane\n", "latchkey: error: state is not the state of an import\nhint: --state names another file\n"},
		"of another":        {stateMagic + otherDirectory + " x\n", "latchkey: error: state belongs to an import into d-0000000002\nhint: --state names another file, or remove this one\n"},
		"damaged":           {stateMagic + theDirectory + " x\nd nonsense\n", "latchkey: error: state: \"d nonsense\\n\" is not a step of an import\n"},
	} {
		t.Run("state "+name, func(t *testing.T) {
			write(t, "state", c.text)
			does(t, 1, "", c.said, "user", "import", "good.csv", "--state", "state")
			want(t, "the file", read(t, "state"), c.text)
		})
	}
	t.Run("state in use", func(t *testing.T) {
		held, err := openState("held", theDirectory)
		if err != nil {
			t.Fatal(err)
		}
		does(t, 1, "", "latchkey: error: held is in use\nhint: another import of this file is at work\n", "user", "import", "good.csv", "--state", "held")
		if err := held.close(true); err != nil {
			t.Error(err)
		}
	})
	if _, _, code := latchkey("user", "show", "jane"); code != 1 {
		t.Error("jane is there")
	}
}

// many is a file of users, and their names.
func many(t *testing.T, name string, count int) (names []string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("SAMAccountName,GivenName,title,Groups\n")
	for i := range count {
		names = append(names, fmt.Sprintf("user%04d", i))
		fmt.Fprintf(&text, "%s,Number %d,Engineer,Staff\n", names[i], i)
	}
	write(t, name, text.String())
	return names
}

// there are the users whose names begin with user, and the members of Staff.
func there(t *testing.T) (users, members []string) {
	t.Helper()
	for command, names := range map[string]*[]string{"user list": &users, "group members Staff": &members} {
		out, said, code := latchkey(strings.Fields(command)...)
		if code != 0 {
			t.Fatal(said)
		}
		for line := range strings.Lines(out) {
			if name, _, _ := strings.Cut(line, "\t"); strings.HasPrefix(name, "user") {
				*names = append(*names, name)
			}
		}
		slices.Sort(*names)
	}
	return users, members
}

// TestImportGoesOn: an import is killed over and over, wherever it is, and the same command goes on. In the end every user is
// there once, and no row has failed.
func TestImportGoesOn(t *testing.T) {
	newImport(t)
	names := many(t, "users.csv", 300)
	kills := 0
	for at := 20; ; at += 70 {
		ctx, kill := context.WithCancel(t.Context())
		var said, out bytes.Buffer
		command := exec.CommandContext(ctx, "latchkey", "user", "import", "users.csv", "--patience", "1m") // killed, with the context
		command.Stdout, command.Stderr = &out, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		err := func() error {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case err := <-ended:
					return err
				case <-tick.C:
					if state, _ := os.ReadFile("users.csv.state"); bytes.Count(state, []byte("\nd ")) >= at {
						kill()
						return <-ended
					}
				}
			}
		}()
		kill()
		if err == nil {
			if !strings.Contains(out.String(), "imported before") || said.Len() > 0 {
				t.Errorf("%s%s", out.String(), said.String())
			}
			break
		}
		if command.ProcessState.ExitCode() != -1 {
			t.Fatalf("%v: %s", err, said.String())
		}
		kills++
	}
	if kills < 3 {
		t.Errorf("it was killed %d times", kills)
	}
	users, members := there(t)
	want(t, "users", strings.Join(users, " "), strings.Join(names, " "))
	want(t, "members", strings.Join(members, " "), strings.Join(names, " "))
	absent(t, "users.csv.state", "users.failed.csv")
}

// deaf passes calls on, and has the answer to each CreateUser lost the first time, whatever it is.
func deaf(t *testing.T, s *latchkeytest.Server) string {
	t.Helper()
	behind, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = r.In.Host // which is signed
	}}
	var mu sync.Mutex
	heard := map[string]bool{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		known := heard[string(body)] || r.URL.Path != "/Users/CreateUser"
		heard[string(body)] = true
		mu.Unlock()
		if known {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// TestImportIsPatient: answers that are lost and servers that have no time are asked again, and a call that was
// carried out is not carried out twice.
func TestImportIsPatient(t *testing.T) {
	s := newImport(t)
	names := many(t, "users.csv", 20)
	s.Fault(latchkeytest.Fault{Operation: "CreateUser", Code: "ThrottlingException", Times: 5})
	s.Fault(latchkeytest.Fault{Operation: "AddGroupMember", Code: "DirectoryUnavailableException", Times: 5})
	s.Fault(latchkeytest.Fault{Operation: "AddGroupMember", Drop: true, Times: 5})
	does(t, 0, "20 of 20 users imported into d-1234567890\n", "", "user", "import", "users.csv", "--endpoint-url", deaf(t, s))
	users, members := there(t)
	want(t, "users", strings.Join(users, " "), strings.Join(names, " "))
	want(t, "members", strings.Join(members, " "), strings.Join(names, " "))
}

// TestImportStops where every row would fail, and goes on from there.
func TestImportStops(t *testing.T) {
	s := newImport(t)
	many(t, "users.csv", 20)
	again := "\nhint: the same command goes on from here\n"
	s.Fault(latchkeytest.Fault{Operation: "AddGroupMember", Code: "DirectoryUnavailableException", Message: "It rains."})
	does(t, 1, "0 of 20 users imported into d-1234567890\n", "latchkey: error: the import was stopped: DirectoryUnavailableException: It rains."+again, "user", "import", "users.csv", "--patience", "0s", "--parallel", "1")
	s.ClearFaults()
	s.Fault(latchkeytest.Fault{Operation: "CreateUser", Code: "AccessDeniedException", Message: "No."})
	does(t, 1, "1 of 20 users imported into d-1234567890\n", "latchkey: error: the import was stopped: AccessDeniedException: No."+again, "user", "import", "users.csv", "--parallel", "1")
	s.ClearFaults()
	does(t, 0, "19 of 20 users imported into d-1234567890, 1 imported before\n", "", "user", "import", "users.csv")
	does(t, 2, "", "latchkey: error: user import: --parallel: 65 is not between 1 and 64\nhint: latchkey user import --help tells what it takes\n", "user", "import", "users.csv", "--parallel", "65")
}

// TestExport: what is exported, by either format, makes the same users in another directory, but for what is each domain's own.
func TestExport(t *testing.T) {
	newImport(t)
	write(t, "users.csv", "SAMAccountName,GivenName,Surname,EmailAddress,title,description,otherTelephone,uidNumber,Groups,Password\n"+
		"jane,Jane,Doe,jane@x.example.com,\"Dr., \"\"Prof.\"\"\",\"[\"\"one\"\"]\",\"[\"\"1\"\",\"\"2\"\"]\",1001,Staff;Help Desk,Winter-Sun-2025\n"+
		"joe,Zoë,,,,\" a\nb\",,,,\n")
	does(t, 0, "2 of 2 users imported into d-1234567890\n", "", "user", "import", "users.csv")
	if _, said, code := latchkey("user", "update", "joe", "--attribute", "description=[one]"); code != 0 {
		t.Error(said)
	}
	attributes := []string{"--attribute", "title,description,otherTelephone,uidNumber", "--groups"}
	first, said, code := latchkey(append([]string{"user", "export"}, attributes...)...)
	if code != 0 || said != "" {
		t.Fatal(said)
	}
	for _, name := range []string{"copy.csv", "copy.ldif"} {
		does(t, 0, "2 users are in "+name+"\n", "", append([]string{"user", "export", name}, attributes...)...)
		if text := read(t, name); strings.Contains(text, "Winter") {
			t.Error(text)
		}
		t.Setenv("LATCHKEY_DIRECTORY", otherDirectory)
		does(t, 0, "2 of 2 users imported into d-0000000002\n", "", "user", "import", name)
		second, _, _ := latchkey(append([]string{"user", "export", "--format", "csv"}, attributes...)...)
		if diff := cmp.Diff(table4(t, first), table4(t, second)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		for _, user := range []string{"jane", "joe"} {
			if _, said, code := latchkey("user", "delete", user); code != 0 {
				t.Error(said)
			}
		}
		t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
	}
	absent(t, "copy.csv.part", "copy.ldif.part")
	does(t, 1, "", "latchkey: error: open nowhere/users.csv.part: no such file or directory\n", "user", "export", "nowhere/users.csv")
	does(t, 1, "", "latchkey: error: ValidationException: There is no attribute favouriteFood. (INVALID_ATTRIBUTE_NAME)\n", "user", "export", "food.csv", "--attribute", "favouriteFood")
	absent(t, "food.csv", "food.csv.part")
}

// table4 is the rows of an export by their names, without what is each domain's own.
func table4(t *testing.T, text string) map[string][]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	header, rows := all[0], map[string][]string{}
	for _, row := range all[1:] {
		var kept []string
		for i, cell := range row {
			switch header[i] {
			case "Enabled", "UserPrincipalName", "DistinguishedName", "SID":
			case "Groups":
				groups := strings.Split(cell, ";")
				slices.Sort(groups)
				kept = append(kept, strings.Join(groups, ";"))
			case "otherTelephone":
				var values []string
				if cell != "" && json.Unmarshal([]byte(cell), &values) != nil {
					t.Errorf("otherTelephone: %s", cell)
				}
				slices.Sort(values)
				kept = append(kept, values...)
			default:
				kept = append(kept, cell)
			}
		}
		rows[row[0]] = kept
	}
	return rows
}

// FuzzRows: whatever is in a file, the first row that is right is the same when it was written as one that failed.
func FuzzRows(f *testing.F) {
	f.Add("SAMAccountName,title,Groups,Enabled\njane,Dr.,Staff;x,TRUE\n")
	f.Add("dn: CN=jane\nobjectClass: user\nsAMAccountName: jane\ntitle:: w7Y=\n")
	f.Add("SAMAccountName;otherTelephone;Password\njane;\"[\"\"1\"\"]\";x\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := openRows(strings.NewReader(text))
		if err != nil {
			return
		}
		var wrong *rowError
		r, err := all.next()
		for errors.As(err, &wrong) {
			r, err = all.next()
		}
		if err != nil {
			return
		}
		var failed bytes.Buffer
		if err := all.failed(&failed, r, io.ErrUnexpectedEOF); err != nil {
			t.Fatal(err)
		}
		again, err := openRows(&failed)
		if err != nil {
			t.Fatalf("%v: %q", err, failed.String())
		}
		second, err := again.next()
		if err != nil {
			t.Fatalf("%v: %q", err, failed.String())
		}
		key, err := r.key()
		other, failure := second.key()
		if err != nil || failure != nil || key != other || r.password != second.password {
			t.Errorf("%v, %v: %q became %q", err, failure, text, failed.String())
		}
	})
}
