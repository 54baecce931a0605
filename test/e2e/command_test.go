package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandLine: what `latchkey user` and `latchkey group` do is what AWS's SDK finds, and what OpenLDAP's tools log in with.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	latchkey := filepath.Join(t.TempDir(), "latchkey")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", latchkey, "latchkey/cmd/latchkey").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s := start(t, worldSeed)
	folder := t.TempDir()
	run := func(in string, program string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, args...)
		command.Dir, command.Stdin = folder, strings.NewReader(in)
		command.Env = environment(t, s, "LATCHKEY_ENDPOINT_URL="+s.API, "LATCHKEY_DIRECTORY=corp.example.com")
		said, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v: %s", program, args, err, said)
		}
		return string(said)
	}
	sdk := newData(t, s)
	aws := func(operation string, out any, input map[string]any) {
		t.Helper()
		input["DirectoryId"] = corpID
		decode(t, encode(t, sdk.yes(operation, input)), out)
	}
	file := "SAMAccountName,GivenName,Surname,EmailAddress,title,Groups,Password\n" +
		"mia,Mia,Mäy,mia@corp.example.com,Engineer,Staff;Nightshift," + firstPassword + "\nmax,Max,,,,Nightshift,\n"
	if err := os.WriteFile(filepath.Join(folder, "users.csv"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	run("", latchkey, "directory", "data-access", corpID, "enable")
	run("", latchkey, "group", "create", "Nightshift", "--attribute", "description=Works at night")
	if said := run("", latchkey, "user", "import", "users.csv"); said != "2 of 2 users imported into "+corpID+"\n" {
		t.Error(said)
	}
	run("", latchkey, "group", "add-member", "Nightshift", "WEB01$")

	var user struct {
		Enabled                               bool
		GivenName, Surname, EmailAddress, SID string
		OtherAttributes                       map[string]map[string]string
	}
	aws("DescribeUser", &user, map[string]any{"SAMAccountName": "mia", "OtherAttributes": []string{"title"}})
	if !user.Enabled || user.GivenName != "Mia" || user.Surname != "Mäy" || user.EmailAddress != "mia@corp.example.com" || user.OtherAttributes["title"]["S"] != "Engineer" {
		t.Errorf("%+v", user)
	}
	var members struct {
		Members []struct{ SAMAccountName, MemberType string }
	}
	aws("ListGroupMembers", &members, map[string]any{"SAMAccountName": "Nightshift"})
	kinds := map[string]string{}
	for _, member := range members.Members {
		kinds[member.SAMAccountName] = member.MemberType
	}
	if len(kinds) != 3 || kinds["mia"] != "USER" || kinds["max"] != "USER" || kinds["WEB01$"] != "COMPUTER" {
		t.Errorf("%v", kinds)
	}

	run(nextPassword+"\n", latchkey, "user", "reset-password", "mia", "--password-stdin")
	logins(t, s, `CORP\mia`, firstPassword, nextPassword)
	made := strings.TrimSuffix(run("", latchkey, "user", "reset-password", "max", "--generate"), "\n")
	if data := login(t, s, `CORP\max`, made); data != "" {
		t.Errorf("max can't log in with the password that was made: data %s", data)
	}
	run("", latchkey, "user", "disable", "max")
	if data := login(t, s, `CORP\max`, made); data != "533" {
		t.Errorf("max is disabled, and the bind said %q", data)
	}

	// What a program reads of them is what the SDK reads.
	var here, there struct{ SAMAccountName, SID, DistinguishedName string }
	decode(t, []byte(run("", latchkey, "user", "show", "mia", "--output", "json")), &here)
	if aws("DescribeUser", &there, map[string]any{"SAMAccountName": "mia"}); here != there || here.SID == "" {
		t.Errorf("%+v, %+v", here, there)
	}
	var listed, found struct{ Users []json.RawMessage }
	decode(t, []byte(run("", latchkey, "user", "list", "--output", "json")), &listed)
	if aws("ListUsers", &found, map[string]any{}); len(listed.Users) != len(found.Users) || len(found.Users) == 0 {
		t.Errorf("%d users, and %d", len(listed.Users), len(found.Users))
	}
	if all := run("", latchkey, "user", "export", "--groups"); !strings.Contains(all, "\nmia,Mia,Mäy,mia@corp.example.com,TRUE,") || !strings.Contains(all, "o'neil (a) #1 & b$ é is left out: ") || strings.Contains(all, marker) {
		t.Error(all)
	}
	for _, name := range []string{"users.csv.state", "users.failed.csv"} {
		if _, err := os.Stat(filepath.Join(folder, name)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
