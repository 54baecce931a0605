package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

const theDirectory = "d-1234567890"

// answers are what a server says to one call after the other.
func answers(bodies ...string) (all []told) {
	for _, body := range bodies {
		all = append(all, told{status: 200, body: body})
	}
	return all
}

// TestUsersAndGroups: what each command asks the server, and how it shows the answer to a program: its text with a tab between
// columns, or the server's JSON.
func TestUsersAndGroups(t *testing.T) {
	const described = `{"DirectoryId":"d-1234567890","SAMAccountName":"jane","Enabled":true,"GivenName":"Jane","SID":"S-1-5-21-1-2-3-1104",` +
		`"OtherAttributes":{"pager":{"SS":["1","2"]},"uidNumber":{"N":7},"title":{"S":"Dr.\u001b[2J"}}}`
	const usual = `"displayName","description","title","department","company","manager","employeeID","employeeNumber","physicalDeliveryOfficeName","telephoneNumber",` +
		`"mobile","homePhone","streetAddress","postalCode","l","st","co","wWWHomePage","info","memberOf"`
	for name, c := range map[string]struct {
		args    string
		answers []string
		calls   []string
		out     string
	}{
		"create": {
			"user create jane --given-name Jane --surname Doe --email j@x --attribute title=Dr. --attribute pager=1 --attribute pager=2 --attribute uidNumber=7 --group Staff",
			[]string{`{}`, `{"SID":"S-1-5-21-1-2-3-1104"}`, `{}`},
			[]string{
				`/Groups/DescribeGroup?DirectoryId=d-1234567890 {"SAMAccountName":"Staff"}`,
				`/Users/CreateUser?DirectoryId=d-1234567890 {"EmailAddress":"j@x","GivenName":"Jane","OtherAttributes":{"pager":{"SS":["1","2"]},"title":{"S":"Dr."},"uidNumber":{"N":7}},"SAMAccountName":"jane","Surname":"Doe"}`,
				`/GroupMemberships/AddGroupMember?DirectoryId=d-1234567890 {"GroupName":"Staff","MemberName":"jane"}`,
			},
			"jane is created: S-1-5-21-1-2-3-1104\njane is a member of Staff\njane is disabled until latchkey user reset-password sets a password\n",
		},
		"create as JSON": {
			"user create jane --output json",
			[]string{`{"SID":"S-1-5-21-1-2-3-1104"}`},
			[]string{`/Users/CreateUser?DirectoryId=d-1234567890 {"SAMAccountName":"jane"}`},
			"{\n  \"SID\": \"S-1-5-21-1-2-3-1104\"\n}\n",
		},
		"show": {
			"user show jane --attribute pager,uidNumber",
			[]string{described},
			[]string{`/Users/DescribeUser?DirectoryId=d-1234567890 {"OtherAttributes":["pager","uidNumber",` + usual + `],"SAMAccountName":"jane"}`},
			"ATTRIBUTE\tVALUE\nSAMAccountName\tjane\nEnabled\tyes\nGivenName\tJane\nSID\tS-1-5-21-1-2-3-1104\npager\t1\npager\t2\ntitle\tDr.�[2J\nuidNumber\t7\n",
		},
		"show all": {
			"user show jane --attribute *",
			[]string{`{}`},
			[]string{`/Users/DescribeUser?DirectoryId=d-1234567890 {"OtherAttributes":["*"],"SAMAccountName":"jane"}`},
			"ATTRIBUTE\tVALUE\n",
		},
		"list": {
			"user list",
			[]string{`{"Users":[{"SAMAccountName":"jane","Enabled":true,"GivenName":"Jane\nMary","SID":"S-1"}],"NextToken":"more"}`, `{"Users":[{"SAMAccountName":"joe","Enabled":false}]}`},
			[]string{`/Users/ListUsers?DirectoryId=d-1234567890 {"MaxResults":250}`, `/Users/ListUsers?DirectoryId=d-1234567890 {"MaxResults":250,"NextToken":"more"}`},
			"NAME\tENABLED\tGIVEN NAME\tSURNAME\tSID\njane\tyes\tJane; Mary\t-\tS-1\njoe\tno\t-\t-\t-\n",
		},
		"list as JSON": {
			"user list --output json",
			[]string{`{"Users":[{"SAMAccountName":"jane"}],"NextToken":"more"}`, `{"Users":[{"SAMAccountName":"joe"}]}`},
			nil,
			"{\n  \"Users\": [\n    {\n      \"SAMAccountName\": \"jane\"\n    },\n    {\n      \"SAMAccountName\": \"joe\"\n    }\n  ]\n}\n",
		},
		"list nothing as JSON": {"user list --output json", []string{`{}`}, nil, "{\n  \"Users\": []\n}\n"},
		"search": {
			"user search jan",
			[]string{`{"Users":[{"SAMAccountName":"jane","EmailAddress":"j@x"}]}`},
			[]string{`/Users/SearchUsers?DirectoryId=d-1234567890 {"MaxResults":250,"SearchAttributes":["SAMAccountName","GivenName","Surname","EmailAddress"],"SearchString":"*jan*"}`},
			"NAME\tENABLED\tGIVEN NAME\tSURNAME\tEMAIL\tSID\njane\t-\t-\t-\tj@x\t-\n",
		},
		"search a pattern": {"user search j*n --in title", []string{`{}`}, []string{`/Users/SearchUsers?DirectoryId=d-1234567890 {"MaxResults":250,"SearchAttributes":["title"],"SearchString":"j*n"}`}, "NAME\tENABLED\tGIVEN NAME\tSURNAME\tEMAIL\tSID\n"},
		"search exactly":   {"user search jan --exact --in title", []string{`{}`}, []string{`/Users/SearchUsers?DirectoryId=d-1234567890 {"MaxResults":250,"SearchAttributes":["title"],"SearchString":"jan"}`}, "NAME\tENABLED\tGIVEN NAME\tSURNAME\tEMAIL\tSID\n"},
		"update": {
			"user update jane --surname Roe --attribute title=Prof. --remove TITLE,givenname",
			[]string{`{}`, described, `{}`},
			[]string{
				`/Users/UpdateUser?DirectoryId=d-1234567890 {"OtherAttributes":{"title":{"S":"Prof."}},"SAMAccountName":"jane","Surname":"Roe","UpdateType":"REPLACE"}`,
				`/Users/DescribeUser?DirectoryId=d-1234567890 {"OtherAttributes":["TITLE"],"SAMAccountName":"jane"}`,
				`/Users/UpdateUser?DirectoryId=d-1234567890 {"GivenName":"Jane","OtherAttributes":{"title":{"S":"Dr.\u001b[2J"}},"SAMAccountName":"jane","UpdateType":"REMOVE"}`,
			},
			"jane is changed\n",
		},
		"remove a member's attribute": {
			"user update jane --remove GivenName",
			[]string{described, `{}`},
			[]string{`/Users/DescribeUser?DirectoryId=d-1234567890 {"SAMAccountName":"jane"}`, `/Users/UpdateUser?DirectoryId=d-1234567890 {"GivenName":"Jane","SAMAccountName":"jane","UpdateType":"REMOVE"}`},
			"jane is changed\n",
		},
		"disable": {"user disable jane", []string{`{}`}, []string{`/Users/DisableUser?DirectoryId=d-1234567890 {"SAMAccountName":"jane"}`}, "jane is disabled, until latchkey user reset-password sets a password\n"},
		"delete":  {"user delete jane", []string{`{}`}, []string{`/Users/DeleteUser?DirectoryId=d-1234567890 {"SAMAccountName":"jane"}`}, "jane is deleted\n"},
		"create a group": {
			"group create Staff --type Distribution --scope Universal --attribute description=All",
			[]string{`{"SID":"S-1"}`},
			[]string{`/Groups/CreateGroup?DirectoryId=d-1234567890 {"GroupScope":"Universal","GroupType":"Distribution","OtherAttributes":{"description":{"S":"All"}},"SAMAccountName":"Staff"}`},
			"Staff is created: S-1\n",
		},
		"show a group": {
			"group show Staff",
			[]string{`{"SAMAccountName":"Staff","GroupType":"Security","GroupScope":"Global"}`},
			[]string{`/Groups/DescribeGroup?DirectoryId=d-1234567890 {"OtherAttributes":["displayName","description","managedBy","mail","info"],"SAMAccountName":"Staff"}`},
			"ATTRIBUTE\tVALUE\nSAMAccountName\tStaff\nGroupType\tSecurity\nGroupScope\tGlobal\n",
		},
		"list groups": {
			"group list",
			[]string{`{"Groups":[{"SAMAccountName":"Staff","GroupType":"Security","GroupScope":"Global","SID":"S-1"}]}`},
			[]string{`/Groups/ListGroups?DirectoryId=d-1234567890 {"MaxResults":250}`},
			"NAME\tTYPE\tSCOPE\tSID\nStaff\tSecurity\tGlobal\tS-1\n",
		},
		"search groups": {"group search st", []string{`{}`}, []string{`/Groups/SearchGroups?DirectoryId=d-1234567890 {"MaxResults":250,"SearchAttributes":["SAMAccountName"],"SearchString":"*st*"}`}, "NAME\tTYPE\tSCOPE\tSID\n"},
		"update a group": {
			"group update Staff --scope Universal --remove description",
			[]string{`{}`, `{"OtherAttributes":{"description":{"S":"All"}}}`, `{}`},
			[]string{
				`/Groups/UpdateGroup?DirectoryId=d-1234567890 {"GroupScope":"Universal","SAMAccountName":"Staff","UpdateType":"REPLACE"}`,
				`/Groups/DescribeGroup?DirectoryId=d-1234567890 {"OtherAttributes":["description"],"SAMAccountName":"Staff"}`,
				`/Groups/UpdateGroup?DirectoryId=d-1234567890 {"OtherAttributes":{"description":{"S":"All"}},"SAMAccountName":"Staff","UpdateType":"REMOVE"}`,
			},
			"Staff is changed\n",
		},
		"delete a group": {"group delete Staff", []string{`{}`}, []string{`/Groups/DeleteGroup?DirectoryId=d-1234567890 {"SAMAccountName":"Staff"}`}, "Staff is deleted\n"},
		"add members": {
			"group add-member Staff jane joe --realm x.example.com",
			[]string{`{}`, `{}`},
			[]string{
				`/GroupMemberships/AddGroupMember?DirectoryId=d-1234567890 {"GroupName":"Staff","MemberName":"jane","MemberRealm":"x.example.com"}`,
				`/GroupMemberships/AddGroupMember?DirectoryId=d-1234567890 {"GroupName":"Staff","MemberName":"joe","MemberRealm":"x.example.com"}`,
			},
			"jane is a member of Staff\njoe is a member of Staff\n",
		},
		"remove a member": {
			"group remove-member Staff jane",
			[]string{`{}`},
			[]string{`/GroupMemberships/RemoveGroupMember?DirectoryId=d-1234567890 {"GroupName":"Staff","MemberName":"jane"}`},
			"jane is no member of Staff any more\n",
		},
		"members": {
			"group members Staff",
			[]string{`{"Members":[{"SAMAccountName":"WEB01$","MemberType":"COMPUTER","SID":"S-1"}]}`},
			[]string{`/GroupMemberships/ListGroupMembers?DirectoryId=d-1234567890 {"MaxResults":250,"SAMAccountName":"Staff"}`},
			"NAME\tTYPE\tSID\nWEB01$\tCOMPUTER\tS-1\n",
		},
		"groups of": {
			"group of jane",
			[]string{`{"Groups":[{"SAMAccountName":"Staff"}]}`},
			[]string{`/GroupMemberships/ListGroupsForMember?DirectoryId=d-1234567890 {"MaxResults":250,"SAMAccountName":"jane"}`},
			"NAME\tTYPE\tSCOPE\tSID\nStaff\t-\t-\t-\n",
		},
		"data access": {
			"directory data-access d-1234567890 enable",
			[]string{`{}`, `{"DataAccessStatus":"Enabling"}`, `{"DataAccessStatus":"Enabled"}`},
			[]string{
				`DirectoryService_20150416.EnableDirectoryDataAccess {"DirectoryId":"d-1234567890"}`, `DirectoryService_20150416.DescribeDirectoryDataAccess {"DirectoryId":"d-1234567890"}`,
				`DirectoryService_20150416.DescribeDirectoryDataAccess {"DirectoryId":"d-1234567890"}`,
			},
			"Enabled\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "", httptest.NewServer, answers(c.answers...)...)
			t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
			out, said, code := latchkey(strings.Fields(c.args)...)
			want(t, "output", out, c.out)
			if code != 0 || said != "" || len(s.calls) != len(c.answers) {
				t.Errorf("%d %s; %q", code, said, s.calls)
			}
			if c.calls != nil {
				want(t, "calls", strings.Join(s.calls, "\n"), strings.Join(c.calls, "\n"))
			}
		})
	}
}

// TestWhichDirectory: the one that a flag or the environment names, or the only one.
func TestWhichDirectory(t *testing.T) {
	one := `{"DirectoryDescriptions":[{"DirectoryId":"d-0000000001","Name":"a.example.com"}],"NextToken":"more"}`
	for name, c := range map[string]struct {
		named   string
		answers []string
		said    string
		last    string
	}{
		"the only one":      {"", []string{one, `{"DirectoryDescriptions":[]}`, `{}`}, "", "/Users/DeleteUser?DirectoryId=d-0000000001 "},
		"none":              {"", []string{`{}`}, "latchkey: error: the server has no directory in eu-west-1\nhint: --region chooses another Region; aws ds create-microsoft-ad, or a seed, makes a directory\n", ""},
		"by its name":       {"A.example.com", []string{one, `{"DirectoryDescriptions":[{"DirectoryId":"d-0000000002","Name":"b.example.com"}]}`, `{}`}, "", "/Users/DeleteUser?DirectoryId=d-0000000001 "},
		"by its short name": {"B", []string{one, `{"DirectoryDescriptions":[{"DirectoryId":"d-0000000002","Name":"b.example.com","ShortName":"B"}]}`, `{}`}, "", "/Users/DeleteUser?DirectoryId=d-0000000002 "},
		"none of that name": {"c", []string{one, `{}`}, "latchkey: error: there is no directory c in eu-west-1; there is d-0000000001 (a.example.com)\n", ""},
		"two": {
			"",
			[]string{one, `{"DirectoryDescriptions":[{"DirectoryId":"d-0000000002","Name":"b.example.com"}]}`},
			"latchkey: error: which of 2 directories? d-0000000001 (a.example.com), d-0000000002 (b.example.com)\nhint: --directory or LATCHKEY_DIRECTORY chooses one\n", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "", httptest.NewServer, answers(c.answers...)...)
			t.Setenv("LATCHKEY_DIRECTORY", c.named)
			_, said, code := latchkey("user", "delete", "jane")
			want(t, "error", said, c.said)
			if (code == 0) != (c.said == "") || !strings.HasPrefix(s.calls[len(s.calls)-1], c.last) || len(s.calls) != len(c.answers) {
				t.Errorf("%d %q", code, s.calls)
			}
		})
	}
}

// TestDataRefusals: exceptions of REST are named by a header, and have reasons.
func TestDataRefusals(t *testing.T) {
	t.Setenv("LATCHKEY_DIRECTORY", "")
	for name, c := range map[string]struct {
		args    string
		answers []told
		said    string
	}{
		"data access is off": {
			"user list",
			[]told{{403, `{"Message":"Off.","Reason":"DATA_DISABLED"}`, "AccessDeniedException"}},
			"latchkey: error: AccessDeniedException: Off. (DATA_DISABLED)\nhint: latchkey directory data-access d-… enable lets its users and groups be managed\n",
		},
		"with its origin": {
			"user show x",
			[]told{{404, `{"Message":"User not found."}`, "com.amazonaws.directoryservicedata#ResourceNotFoundException:http://internal.amazon.com/"}},
			"latchkey: error: ResourceNotFoundException: User not found.\nhint: latchkey user search finds users by a part of their names\n",
		},
		"throttled":     {"user delete x", []told{{429, `{"Message":"Slow down."}`, "ThrottlingException"}, {429, `{}`, "ThrottlingException"}, {200, `{}`, ""}}, ""},
		"another one's": {"user delete x", []told{{404, "<html>", ""}}, "latchkey: error: the answer from URL is not Latchkey's (HTTP 404 Not Found)\nhint: --endpoint-url says where the server is, https:// if it has --tls-cert\n"},
		"one of two": {
			"group add-member Staff a b",
			[]told{{409, `{"Message":"It is one."}`, "ConflictException"}, {200, `{}`, ""}},
			"latchkey: error: a: ConflictException: It is one.\n",
		},
		"not in the group": {
			"user create x --group Staff",
			[]told{{200, `{}`, ""}, {200, `{}`, ""}, {403, `{"Message":"No."}`, "AccessDeniedException"}},
			"latchkey: error: x is created, and not in the group Staff: AccessDeniedException: No.\nhint: latchkey group add-member adds to a group, and latchkey user reset-password sets the password\n",
		},
		"no group": {
			"user create x --group Staff",
			[]told{{404, `{"Message":"Group not found."}`, "ResourceNotFoundException"}},
			"latchkey: error: --group Staff: ResourceNotFoundException: Group not found.\nhint: latchkey group list shows the groups\n",
		},
		"no member": {
			"group add-member Staff x",
			[]told{{404, `{"Message":"Member not found."}`, "ResourceNotFoundException"}},
			"latchkey: error: ResourceNotFoundException: Member not found.\nhint: members are users, groups, and computers, whose names end with $\n",
		},
		"no name": {
			"user show x+y",
			[]told{{400, `{"Message":"Value 'x+y' at 'sAMAccountName' failed."}`, "ValidationException"}},
			"latchkey: error: ValidationException: Value 'x+y' at 'sAMAccountName' failed.\nhint: the name of a user is up to 20 letters, digits, and . _ -, that of a group up to 64 characters\n",
		},
		"no directory": {
			"user list",
			[]told{{403, `{"Message":"You do not have access to directory d-1234567890.","Reason":"DIRECTORY_AUTH"}`, "AccessDeniedException"}},
			"latchkey: error: AccessDeniedException: You do not have access to directory d-1234567890. (DIRECTORY_AUTH)\nhint: latchkey directory list shows the directories\n",
		},
		"nothing to remove": {"user update x --remove title", []told{{200, `{}`, ""}}, "latchkey: error: --remove: x has no title\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "", httptest.NewServer, c.answers...)
			t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
			_, said, code := latchkey(strings.Fields(c.args)...)
			want(t, "error", said, strings.ReplaceAll(c.said, "URL", s.URL))
			if (code == 0) != (c.said == "") || len(s.calls) != len(c.answers) {
				t.Errorf("%d %q", code, s.calls)
			}
		})
	}
}

// TestPasswords: from standard input, or made here; never shown but for the one that is made, once.
func TestPasswords(t *testing.T) {
	const reset = `DirectoryService_20150416.ResetUserPassword {"DirectoryId":"d-1234567890","NewPassword":"`
	weak := told{400, `{"__type":"InvalidPasswordException","Message":"Too weak."}`, ""}
	for name, c := range map[string]struct {
		in, out, said, call string
		code                int
	}{
		"a line":        {"Winter \"Sun\" \n", "jane has a new password, and is enabled\n", "", reset + `Winter \"Sun\" ","UserName":"jane"}`, 0},
		"no line's end": {"Winter-Sun-2025", "jane has a new password, and is enabled\n", "", reset + `Winter-Sun-2025","UserName":"jane"}`, 0},
		"of Windows":    {"Winter-Sun-2025\r\n", "jane has a new password, and is enabled\n", "", reset + `Winter-Sun-2025","UserName":"jane"}`, 0},
		"nothing":       {"\n", "", "latchkey: error: --password-stdin: there is nothing on standard input\n", "", 1},
		"two lines":     {"one\ntwo\n", "", "latchkey: error: --password-stdin: there is more than one line on standard input\n", "", 1},
		"too long":      {strings.Repeat("x", 2000), "", "latchkey: error: --password-stdin: the password is too long\n", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "", httptest.NewServer, answers(`{}`)...)
			t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
			out, said, code := latchkeyReads(c.in, "user", "reset-password", "jane", "--password-stdin")
			want(t, "output", out, c.out)
			want(t, "error", said, c.said)
			if want(t, "calls", strings.Join(s.calls, "\n"), c.call); code != c.code {
				t.Errorf("exit status %d", code)
			}
		})
	}
	t.Run("no terminal", func(t *testing.T) {
		s := newServer(t, "", httptest.NewServer)
		_, said, code := latchkeyReads("Winter-Sun-2025\n", "user", "reset-password", "jane")
		want(t, "error", said, "latchkey: error: there is no terminal to ask for a password on\nhint: --password-stdin reads it from standard input, and --generate makes one\n")
		if code != 1 || len(s.calls) != 0 {
			t.Errorf("%d %q", code, s.calls)
		}
	})
	t.Run("made", func(t *testing.T) {
		s := newServer(t, "", httptest.NewServer, weak, weak, told{200, `{}`, ""})
		t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
		out, said, code := latchkey("user", "reset-password", "jane", "--generate")
		password := strings.TrimSuffix(out, "\n")
		if code != 0 || said != "" || len(password) != 64 || strings.Contains(s.calls[0]+s.calls[1], password) || s.calls[2] != reset+password+`","UserName":"jane"}` {
			t.Errorf("%d %q %s; %q", code, out, said, s.calls)
		}
		for _, kind := range alphabets {
			if !strings.ContainsAny(password, kind) {
				t.Errorf("%s has nothing of %s", password, kind)
			}
		}
	})
	t.Run("none is good enough", func(t *testing.T) {
		s := newServer(t, "", httptest.NewServer, weak, weak, weak, weak)
		t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
		if out, said, code := latchkey("user", "reset-password", "jane", "--generate"); code != 1 || out != "" || !strings.HasPrefix(said, "latchkey: error: InvalidPasswordException: Too weak.\n") || len(s.calls) != 4 {
			t.Errorf("%d %q %s; %q", code, out, said, s.calls)
		}
	})
	t.Run("of a new user", func(t *testing.T) {
		s := newServer(t, "", httptest.NewServer, answers(`{}`, `{"SID":"S-1"}`, `{}`, `{}`)...)
		t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
		out, said, code := latchkey("user", "create", "jane", "--group", "Staff", "--generate")
		want(t, "error", said, "jane is created: S-1\njane is a member of Staff\njane has a password, and is enabled\n")
		if password := strings.TrimSuffix(out, "\n"); code != 0 || len(password) != 20 || !strings.Contains(s.calls[3], password) {
			t.Errorf("%d %q; %q", code, out, s.calls)
		}
	})
	t.Run("of a new user, as JSON", func(t *testing.T) {
		newServer(t, "", httptest.NewServer, answers(`{"SID":"S-1"}`, `{}`)...)
		t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
		out, said, code := latchkey("user", "create", "jane", "--generate", "--output", "json")
		if code != 0 || said != "" || !strings.HasPrefix(out, "{\n  \"DirectoryId\": \"d-1234567890\",\n  \"Password\": \"") || !strings.HasSuffix(out, "\",\n  \"UserName\": \"jane\"\n}\n") {
			t.Errorf("%d %q %s", code, out, said)
		}
	})
	t.Run("of a new user, refused", func(t *testing.T) {
		newServer(t, "", httptest.NewServer, told{200, `{"SID":"S-1"}`, ""}, weak)
		t.Setenv("LATCHKEY_DIRECTORY", theDirectory)
		out, said, code := latchkeyReads("weak\n", "user", "create", "jane", "--password-stdin")
		want(t, "output", out, "jane is created: S-1\n")
		want(t, "error", said, "latchkey: error: jane is created, and has no password: InvalidPasswordException: Too weak.\nhint: latchkey user reset-password jane sets one\n")
		if code != 1 {
			t.Errorf("exit status %d", code)
		}
	})
}
