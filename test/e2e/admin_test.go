package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// own is a call of Latchkey's own API.
func own(operation, body string) raw {
	return raw{header: map[string]string{"X-Amz-Target": "Latchkey_20261101." + operation}, body: body}
}

// attach is the body of AttachDirectory with these members besides the usual ones, or instead of them.
func attach(members string) string {
	var body strings.Builder
	body.WriteString("{" + members)
	for name, value := range map[string]string{"Type": "SimpleAD", "Name": "new.example.com", "BindDn": "svc@new.example.com", "BindPasswordFile": "/nowhere"} {
		if !strings.Contains(members, `"`+name+`":`) {
			body.WriteString(`,"` + name + `":"` + value + `"`)
		}
	}
	return body.String() + "}"
}

// TestAdmin: what Latchkey's own API answers, to the exception, and what the audit trail has of it.
func TestAdmin(t *testing.T) {
	t.Parallel()
	s := world(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(firstPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	outcomes := map[any][2]any{} // the operation and its exception, by the request's id
	for _, c := range []struct {
		name       string
		raw        raw
		exception  string // "" for a success
		said       string // in the answer
		unrecorded bool   // no call of an operation
	}{
		{name: "unknown operation", raw: own("Reboot", `{}`), exception: "UnknownOperationException", unrecorded: true},
		{name: "of ds", raw: own("ResetUserPassword", `{}`), exception: "UnknownOperationException", unrecorded: true},
		{name: "not JSON", raw: own("DetachDirectory", `{`), exception: "SerializationException", unrecorded: true},
		{name: "of another type", raw: own("DetachDirectory", `{"DirectoryId":1}`), exception: "SerializationException"},
		{name: "nothing", raw: own("DetachDirectory", `{}`), exception: "ValidationException", said: "directoryId"},
		{name: "no id", raw: own("DetachDirectory", `{"DirectoryId":"corp"}`), exception: "ValidationException", said: "directoryId"},
		{name: "no directory", raw: own("DetachDirectory", `{"DirectoryId":"`+noID+`"}`), exception: "EntityDoesNotExistException"},
		{name: "elsewhere", raw: own("DetachDirectory", `{"DirectoryId":"`+westID+`"}`), exception: "EntityDoesNotExistException", said: "eu-west-1"},
		{name: "attach nothing", raw: own("AttachDirectory", `{}`), exception: "ValidationException", said: "4 validation errors detected"},
		{name: "attach a file of the client", raw: own("AttachDirectory", attach(`"CaFile":"ca.pem"`)), exception: "ValidationException", said: "caFile"},
		{name: "attach an AD Connector", raw: own("AttachDirectory", attach(`"Type":"ADConnector"`)), exception: "ValidationException", said: "[SimpleAD, MicrosoftAD]"},
		{name: "attach and leave out the password", raw: own("AttachDirectory", attach(`"LeaveOut":["unicodePwd"]`)), exception: "ValidationException", said: "[userAccountControl, lockoutTime, pwdLastSet]"},
		{name: "attach over plaintext", raw: own("AttachDirectory", attach(`"Urls":["ldap://127.0.0.1:1"]`)), exception: "InvalidParameterException", said: `These checks failed:\nsettings: ldap://127.0.0.1:1: passwords travel over TLS only`},
		{name: "attach where nobody is", raw: own("AttachDirectory", attach(`"Urls":["ldaps://127.0.0.1:1"],"BindPasswordFile":"`+secret+`"`)), exception: "InvalidParameterException", said: `connection refused`},
		{name: "attach in place of our own", raw: own("AttachDirectory", attach(`"DirectoryId":"`+corpID+`"`)), exception: "UnsupportedOperationException", said: "its engine is embedded"},
		{name: "a check", raw: own("CheckDirectory", `{"DirectoryId":"`+corpID+`"}`), said: `[{"Name":"stage","Status":"ok","Detail":"Active"},{"Name":"answers","Status":"ok","Detail":"` + corpBase + ` in `},
		{name: "a check that fails", raw: own("CheckDirectory", `{"DirectoryId":"`+deadID+`"}`), said: `{"Name":"stage","Status":"failed","Detail":"Inoperable"},{"Name":"answers","Status":"failed","Detail":"`},
		{name: "a check of nothing", raw: own("CheckDirectory", `{"DirectoryId":"`+noID+`"}`), exception: "EntityDoesNotExistException"},
		{name: "delegation in a directory of our own", raw: own("DescribeDelegation", `{"DirectoryId":"`+corpID+`","Account":"Admin"}`), exception: "UnsupportedOperationException", said: "its engine is embedded"},
		{name: "delegation for nothing", raw: own("DescribeDelegation", `{"DirectoryId":"`+corpID+`","Account":"Admin","Purpose":"Fun"}`), exception: "ValidationException", said: "[Reset, Management]"},
		{name: "Kerberos of nothing", raw: own("DescribeKerberos", `{"DirectoryId":"`+noID+`"}`), exception: "EntityDoesNotExistException"},
		{name: "a keytab", raw: own("ExportKeytab", `{"DirectoryId":"`+corpID+`","Principal":"jane"}`), said: `{"Account":"jane","Principals":["jane"],"Version":1,"Keytab":"BQI`},
		{name: "a keytab of nothing", raw: own("ExportKeytab", `{"DirectoryId":"`+corpID+`","Principal":"nobody"}`), exception: "EntityDoesNotExistException"},
		{name: "a keytab outside the customer's OU", raw: own("ExportKeytab", `{"DirectoryId":"`+corpID+`","Principal":"reserved"}`), exception: "UnsupportedOperationException", said: "is not below OU=CORP"},
		{name: "a keytab where nothing works", raw: own("ExportKeytab", `{"DirectoryId":"`+deadID+`","Principal":"jane"}`), exception: "DirectoryUnavailableException"},
		{name: "of our own", raw: own("DetachDirectory", `{"DirectoryId":"`+corpID+`"}`), exception: "UnsupportedOperationException", said: "its engine is embedded"},
	} {
		got := c.raw.send(t, s)
		wanted := http.StatusOK
		if c.exception != "" {
			wanted = http.StatusBadRequest
		}
		if got.status != wanted || !strings.Contains(got.body, c.exception) || !strings.Contains(got.body, c.said) {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
		}
		if !c.unrecorded {
			outcomes[got.id(t)] = [2]any{strings.TrimPrefix(c.raw.header["X-Amz-Target"], "Latchkey_20261101."), c.exception}
		}
	}
	for name, r := range map[string]raw{"wrong signature": {secret: "not-the-right-secret"}, "no signature": {unsigned: true}, "another service": {service: "latchkey"}} {
		r.header, r.body = own("DetachDirectory", "").header, `{"DirectoryId":"`+corpID+`"}`
		got := r.send(t, s)
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		var said struct {
			Type string `json:"__type"`
		}
		decode(t, []byte(got.body), &said)
		outcomes[got.id(t)] = [2]any{"DetachDirectory", said.Type[strings.LastIndex(said.Type, "#")+1:]}
	}
	callGoSDK(t, s, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	s.stop()
	noSecrets(t, s)

	for _, r := range auditLog(t, s) {
		want, ok := outcomes[r["requestID"]]
		if !ok {
			if r["eventName"] != "ResetUserPassword" || r["eventSource"] != "ds.amazonaws.com" {
				t.Errorf("the trail has %v", r)
			}
			continue
		}
		delete(outcomes, r["requestID"])
		code, _ := r["errorCode"].(string)
		readOnly := want[0] == "CheckDirectory" || want[0] == "DescribeDelegation" || want[0] == "DescribeKerberos"
		if r["eventSource"] != "latchkey" || r["eventName"] != want[0] || code != want[1] || r["readOnly"] != readOnly {
			t.Errorf("the trail has %v, want %v", r, want)
		}
	}
	if len(outcomes) != 0 {
		t.Errorf("the trail has nothing of %v", outcomes)
	}
}
