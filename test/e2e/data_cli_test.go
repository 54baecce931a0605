package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latchkey/internal/wire"
)

// TestDataByCLI: the AWS CLI calls each of the 17 operations and has what it should have. A CLI that is older than Directory Service
// Data takes the model from where `aws configure add-model` puts it.
func TestDataByCLI(t *testing.T) {
	t.Parallel()
	path := program(t, "aws", "awscli")
	s := start(t, worldSeed)
	enableDataAccess(t, goClient(t, s), corpID)
	folder := t.TempDir()
	models := filepath.Join(folder, ".aws", "models", "ds-data", "2023-05-31")
	text, err := os.ReadFile(filepath.Join(modelFolder, "dsdata.json"))
	if err == nil {
		err = os.MkdirAll(models, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(models, "service-2.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	call := func(operation string, more ...any) answer {
		t.Helper()
		called[operation] = true
		run := exec.CommandContext(t.Context(), path, "--endpoint-url", s.API, "--region", home, "--output", "json", "ds-data", command(operation), "--cli-input-json", string(encode(t, of(corpID, more...))))
		run.Env = append(environment(t, s), "HOME="+folder)
		var out, said bytes.Buffer
		run.Stdout, run.Stderr = &out, &said
		err := run.Run()
		if run.ProcessState == nil {
			t.Fatal(err)
		}
		return readCLI(t, operation, out.String(), said.String(), run.ProcessState.ExitCode())
	}
	yes := func(operation string, more ...any) map[string]any {
		t.Helper()
		a := call(operation, more...)
		a.accepted(t)
		return a.Output
	}
	made := yes("CreateUser", "SAMAccountName", "cli.user", "GivenName", "Cli", "OtherAttributes", map[string]any{"title": map[string]any{"S": "Tester"}, "otherPager": map[string]any{"SS": []string{"1"}}})
	yes("CreateGroup", "SAMAccountName", "CLI Group", "GroupScope", "Universal")
	yes("AddGroupMember", "GroupName", "CLI Group", "MemberName", "cli.user")
	yes("UpdateUser", "SAMAccountName", "cli.user", "Surname", "User", "UpdateType", "ADD")
	yes("UpdateGroup", "SAMAccountName", "CLI Group", "GroupType", "Distribution", "UpdateType", "REPLACE")
	user := yes("DescribeUser", "SAMAccountName", "cli.user", "OtherAttributes", []string{"title"})
	if user["SID"] != made["SID"] || user["Surname"] != "User" || user["Enabled"] != false || at(user, "OtherAttributes", "title", "S") != "Tester" {
		t.Errorf("the user is %v", user)
	}
	if group := yes("DescribeGroup", "SAMAccountName", "CLI Group"); group["GroupScope"] != "Universal" || group["GroupType"] != "Distribution" {
		t.Errorf("the group is %v", group)
	}
	for operation, more := range map[string][]any{
		"ListUsers": nil, "ListGroups": nil, "ListGroupMembers": {"SAMAccountName", "CLI Group"}, "ListGroupsForMember": {"SAMAccountName", "cli.user"},
		"SearchUsers":  {"SearchString", "Cli*", "SearchAttributes", []string{"GivenName"}},
		"SearchGroups": {"SearchString", "cli group", "SearchAttributes", []string{"SamAccountName"}},
	} {
		want := "cli.user"
		if strings.Contains(operation, "Groups") {
			want = "CLI Group"
		}
		if out := string(encode(t, yes(operation, more...))); !strings.Contains(out, `"`+want+`"`) {
			t.Errorf("%s: %s", operation, out)
		}
	}
	if said := entry(t, s, corpAdmin, corpBase, "cli.user"); attribute(said, "title") != "Tester" || attribute(said, "sn") != "User" || attribute(said, "memberOf") != "CN=CLI Group,OU=Users,OU=CORP,"+corpBase {
		t.Errorf("by LDAP: %s", said)
	}
	if a := call("CreateUser", "SAMAccountName", "cli.user"); a.Exception != "ConflictException" {
		t.Errorf("again: %s", a)
	}
	commandLine(t, s)(t, home, "ResetUserPassword", reset(corpID, "cli.user", firstPassword)).accepted(t)
	if data := login(t, s, `CORP\cli.user`, firstPassword); data != "" {
		t.Errorf("after the reset: data %s", data)
	}
	yes("DisableUser", "SAMAccountName", "cli.user")
	if data := login(t, s, `CORP\cli.user`, firstPassword); data != "533" {
		t.Errorf("disabled: data %q", data)
	}
	yes("RemoveGroupMember", "GroupName", "CLI Group", "MemberName", "cli.user")
	yes("DeleteGroup", "SAMAccountName", "CLI Group")
	yes("DeleteUser", "SAMAccountName", "cli.user")
	if a := call("DescribeUser", "SAMAccountName", "cli.user"); a.Exception != "ResourceNotFoundException" {
		t.Errorf("deleted: %s", a)
	}
	for _, operation := range wire.DSData.Operations() {
		if !called[operation.Name] {
			t.Errorf("%s has no call", operation.Name)
		}
	}
}
