package samba

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
)

// The lines are as Samba 4.17 writes them, but for members that are not read.
func TestAuditEvent(t *testing.T) {
	const dn = "CN=jane,OU=Users,OU=CORP,DC=corp,DC=example,DC=com"
	write := func(kind, members string) string {
		return `  {"timestamp": "2026-11-26T01:00:02.692910+0000", "type": "` + kind + `", "` + kind + `": {"version": {"major": 1, "minor": 0}, "statusCode": 0, "userSid": "S-1-5-21-1-2-3-1127", "dn": "` + dn + `", ` + members + `}}`
	}
	login := func(members string) string {
		return `  {"timestamp": "2026-11-26T01:00:08.293293+0000", "type": "Authentication", "Authentication": {"version": {"major": 1, "minor": 2}, "clientAccount": "jane@corp.example.com", ` + members + `}}`
	}
	for name, c := range map[string]struct{ line, want string }{
		"a login":             {login(`"eventId": 4624, "status": "NT_STATUS_OK", "becameAccount": "jane", "mappedAccount": "jane"`), `4624 jane`},
		"a wrong password":    {login(`"eventId": 4625, "status": "NT_STATUS_WRONG_PASSWORD", "becameAccount": null, "mappedAccount": "jane"`), `4625 jane 52e`},
		"nobody":              {login(`"eventId": 4625, "status": "NT_STATUS_NO_SUCH_USER", "becameAccount": null, "mappedAccount": null`), `4625 jane@corp.example.com 525`},
		"another status":      {login(`"eventId": 4625, "status": "NT_STATUS_NO_LOGON_SERVERS", "mappedAccount": "jane"`), `4625 jane NT_STATUS_NO_LOGON_SERVERS`},
		"a reset":             {write("passwordChange", `"eventId": 4724, "action": "Reset"`), `4724 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"a change":            {write("passwordChange", `"eventId": 4723, "action": "Change"`), `4723 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"an entry":            {write("dsdbChange", `"operation": "Add", "attributes": {"objectClass": {}}`), `4720 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"no entry":            {write("dsdbChange", `"operation": "Delete"`), `4726 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"members":             {write("dsdbChange", `"operation": "Modify", "attributes": {"member": {}}`), `4737 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"attributes":          {write("dsdbChange", `"operation": "Modify", "attributes": {"description": {}}`), `4738 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"a password alone":    {write("dsdbChange", `"operation": "Modify", "attributes": {"unicodePwd": {"actions": [{"action": "replace", "redacted": true}]}}`), ``},
		"a password and more": {write("dsdbChange", `"operation": "Modify", "attributes": {"unicodePwd": {}, "lockoutTime": {}}`), `4738 ` + dn + ` S-1-5-21-1-2-3-1127`},
		"Samba's own notes":   {strings.Replace(write("dsdbChange", `"operation": "Modify", "performedAsSystem": false, "attributes": {"lastLogon": {}}`), "S-1-5-21-1-2-3-1127", systemSID, 1), ``},
		"a failure":           {strings.Replace(write("passwordChange", `"eventId": 4724`), `"statusCode": 0`, `"statusCode": 19`, 1), ``},
		"a head":              {"[2026/11/26 01:00:02.692910,  3] ../../lib/audit_logging/audit_logging.c:141(audit_log_json)", ``},
		"a piece":             {`  {"timestamp": "2026-11-26T01:0`, ``},
		"no time":             {`{"Authentication": {"eventId": 4624}}`, ``},
	} {
		event, ok := auditEvent([]byte(c.line))
		got := ""
		if ok {
			number, _ := json.Marshal(event.EventID)
			got = strings.Join(strings.Fields(strings.Join([]string{string(number), event.Account, event.Target, event.Code, event.By}, " ")), " ")
			if event.Time.IsZero() || event.Name == "" {
				t.Errorf("%s: %+v", name, event)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if event, ok := auditEvent([]byte("{}")); ok || event != (directory.SecurityEvent{}) {
		t.Errorf("of nothing: %+v", event)
	}
}

// What is there is skipped, pieces wait for their ends, and a log that is renamed is read to its end before the next one.
func TestAuditTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	add := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = file.WriteString(text)
		}
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tail := auditTail{path: path}
	defer tail.close()
	said := func(want ...string) {
		t.Helper()
		var got []string
		for _, line := range tail.lines() {
			got = append(got, string(line))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	said() // there is none yet
	add("old\n")
	tail.skip()
	said()
	add("one\ntw")
	said("one")
	add("o\nthree\n")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	add("four\n")
	said("two", "three", "four")
	said()
}
