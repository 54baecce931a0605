package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dataExceptionsFile lists what the test finds to be so.
const dataExceptionsFile = "../../docs/exceptions-data.md"

// dataElsewhere are the exceptions and reasons that only a test inside the process can bring about: internal/dsdata/fault_test.go
// has a connection that fails so.
var dataElsewhere = map[string]string{
	"DirectoryUnavailableException DIRECTORY_TIMEOUT":            "TestFaults",
	"DirectoryUnavailableException DIRECTORY_RESOURCES_EXCEEDED": "TestFaults",
	"DirectoryUnavailableException NO_DISK_SPACE":                "TestFaults",
	"InternalServerException":                                    "TestFaults",
	"ValidationException LDAP_SIZE_LIMIT_EXCEEDED":               "TestFaults",
}

// dataUnreachable are those that no call can have, and why.
var dataUnreachable = map[string]string{
	"AccessDeniedException IAM_AUTH":                   "every access key is an account's root, which may do everything; the gateway's tests see it by a policy",
	"DirectoryUnavailableException TRUST_AUTH_FAILURE": "a realm that is not the directory's own is INVALID_REALM",
}

// provoke has each exception that is about the directory as a whole, and holds the model's exceptions and reasons against what
// was seen by now.
func (w dataWorld) provoke(t *testing.T) {
	s := start(t, strings.Replace(worldSeed, "shortName: CORP", "shortName: CORP\n    edition: Enterprise", 1), developing)
	owner := account(s, "123456789012")
	d := newData(t, s)
	d.t, d.key, d.seen = t, "123456789012", w.seen
	describe := func(id string) map[string]any { return of(id, "SAMAccountName", "jane") }

	d.no("DescribeUser", describe(corpID), "AccessDeniedException DATA_DISABLED", corpID)
	enableDataAccess(t, owner, corpID)
	d.yes("DescribeUser", describe(corpID))
	d.no("DescribeUser", describe(labID), "ValidationException INVALID_DIRECTORY_TYPE", "SimpleAD")
	d.no("ListUsers", of(noID), "AccessDeniedException DIRECTORY_AUTH", noID)
	d.in(westRegion, "ListUsers", of(corpID)).refused(t, "AccessDeniedException DIRECTORY_AUTH", corpID)
	owner(t, home, "AddRegion", of(corpID, "RegionName", westRegion, "VPCSettings", network())).accepted(t)
	d.in(westRegion, "ListUsers", of(corpID)).refused(t, "ValidationException INVALID_SECONDARY_REGION", home)
	stranger := d
	stranger.key = consumer
	stranger.no("ListUsers", of(corpID), "AccessDeniedException DIRECTORY_AUTH", corpID)

	develop(t, s, "SetStage", `{"DirectoryId":"`+corpID+`","Stage":"Inoperable"}`)
	d.no("DescribeUser", describe(corpID), "DirectoryUnavailableException INVALID_DIRECTORY_STATE", "Inoperable")
	develop(t, s, "SetStage", `{"DirectoryId":"`+corpID+`","Release":true}`)
	await(t, "the directory", func() bool { return d.call("DescribeUser", describe(corpID)).Exception == "" })
	develop(t, s, "AddFault", `{"Operation":"DescribeUser","Code":"ThrottlingException","Times":1}`)
	d.no("DescribeUser", describe(corpID), "ThrottlingException", "latchkey dev")
	owner(t, home, "DisableDirectoryDataAccess", of(corpID)).accepted(t)
	d.no("DescribeUser", describe(corpID), "AccessDeniedException DATA_DISABLED", corpID)

	w.document(t)
}

// reasons is every exception of the model with each of its reasons; one that may come without stands for itself as well.
func (m model) reasons(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(modelFolder, "dsdata.json"))
	if err != nil {
		t.Fatal(err)
	}
	var enums struct {
		Shapes map[string]struct{ Enum []string }
	}
	decode(t, text, &enums)
	for name, shape := range m.Shapes {
		if !shape.Exception {
			continue
		}
		reason, has := shape.Members["Reason"]
		for _, each := range enums.Shapes[reason.Shape].Enum {
			all = append(all, name+" "+each)
		}
		if !has || name == "ValidationException" { // the framework's has none
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func (w dataWorld) document(t *testing.T) {
	var text strings.Builder
	text.WriteString(`# Exceptions of AWS Directory Service Data

The model has 7 exceptions, three of them with reasons. A client provokes each in the suite that every engine passes (test/e2e,
TestData), a test inside the process does, or it is unreachable, for the reason that is given. The operation is the test's
example. TestData writes this page (` + "`UPDATE_EXCEPTIONS=1 go test ./test/e2e -run TestData`" + `) and fails where it is wrong.

| exception | reason | seen by | or why it is unreachable |
|---|---|---|---|
`)
	modelled := w.model.reasons(t)
	for _, each := range modelled {
		operation, here := w.seen[each]
		inside, there := dataElsewhere[each]
		why, never := dataUnreachable[each]
		exception, reason, _ := strings.Cut(each, " ")
		switch {
		case here && !there && !never:
			fmt.Fprintf(&text, "| %s | %s | %s | |\n", exception, reason, "TestData")
		case there && !here && !never:
			fmt.Fprintf(&text, "| %s | %s | %s in internal/dsdata | |\n", exception, reason, inside)
		case never && !here && !there:
			fmt.Fprintf(&text, "| %s | %s | | %s |\n", exception, reason, why)
		default:
			t.Errorf("%s: provoked %q, elsewhere %v, unreachable %v: it should be one of them", each, operation, there, never)
		}
	}
	for _, each := range slices.Sorted(maps.Keys(w.seen)) {
		if !slices.Contains(modelled, each) {
			t.Errorf("the model has no %q", each)
		}
	}
	document(t, dataExceptionsFile, text.String())
}

// trail is what CloudTrail would have of the calls: who was meant, and nothing that is sensitive.
func (w dataWorld) trail(t *testing.T) {
	records := auditLog(t, w.s)
	last := func(operation string, match func(record) bool) record {
		t.Helper()
		for _, r := range slices.Backward(records) {
			if r["eventName"] == operation && match(r) {
				return r
			}
		}
		t.Fatalf("the trail has no such %s", operation)
		return nil
	}
	parameters := func(r record) map[string]any { p, _ := r["requestParameters"].(map[string]any); return p }
	about := func(name string) func(record) bool {
		return func(r record) bool { return parameters(r)["sAMAccountName"] == name }
	}
	made := last("CreateUser", func(r record) bool { return about("ann.bee")(r) && r["errorCode"] == nil })
	response, _ := made["responseElements"].(map[string]any)
	additional, _ := made["additionalEventData"].(map[string]any)
	if made["eventSource"] != "ds.amazonaws.com" || made["readOnly"] != false || response["sAMAccountName"] != "ann.bee" || response["directoryId"] != w.id ||
		response["sID"] == nil || additional["SID"] != response["sID"] {
		t.Errorf("CreateUser: %v", made)
	}
	const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"
	other, _ := parameters(made)["otherAttributes"].(map[string]any)
	display, _ := other["displayName"].(map[string]any)
	if p := parameters(made); p["givenName"] != hidden || p["surname"] != hidden || p["emailAddress"] != hidden || display["s"] != hidden || p["clientToken"] == nil {
		t.Errorf("CreateUser: %v", p)
	}
	missing := last("DescribeUser", func(r record) bool { return about("ann.bee")(r) && r["errorCode"] != nil })
	if missing["errorCode"] != "ResourceNotFoundException" || missing["errorMessage"] != "User not found in directory "+w.id+"." || missing["readOnly"] != true {
		t.Errorf("DescribeUser: %v", missing)
	}
	refused := last("DeleteUser", func(r record) bool { return r["errorCode"] == "AccessDenied" })
	if extra, _ := refused["additionalEventData"].(map[string]any); refused["requestParameters"] != nil || refused["responseElements"] != nil || extra["SID"] == nil || extra["reason"] == nil {
		t.Errorf("DeleteUser: %v", refused)
	}
	page := last("ListUsers", func(r record) bool { return parameters(r)["nextToken"] != nil })
	if parameters(page)["nextToken"] != "REDACTED" {
		t.Errorf("ListUsers: %v", page)
	}
	found := last("SearchUsers", func(r record) bool { return r["errorCode"] == nil })
	if parameters(found)["searchString"] != hidden {
		t.Errorf("SearchUsers: %v", found)
	}
	text, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	for _, sensitive := range []string{"ann@example.com", "Ann Bee", "+49 30 1234", "Ocean"} {
		if strings.Contains(string(text), sensitive) {
			t.Errorf("the trail has %q", sensitive)
		}
	}
}
