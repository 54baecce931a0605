package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"latchkey/internal/config"
	"latchkey/internal/wire"
)

const modelFolder = "../../internal/wire/model"

// model is the shapes of the API, as the model itself has them.
type model struct {
	Operations map[string]struct {
		Output *struct{ Shape string }
		Errors []struct{ Shape string }
	}
	Shapes map[string]*struct {
		Type       string
		Exception  bool
		Members    map[string]struct{ Shape string }
		Member     struct{ Shape string }
		Key, Value struct{ Shape string }
	}
}

// readModel is a model of so many operations.
func readModel(t *testing.T, file string, operations int) (m model) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(modelFolder, file))
	if err != nil {
		t.Fatal(err)
	}
	decode(t, text, &m)
	if len(m.Operations) != operations {
		t.Fatalf("the model has %d operations", len(m.Operations))
	}
	return m
}

// strangers are the members of a value that its shape does not have.
func (m model) strangers(shape, path string, value any) (found []string) {
	of := m.Shapes[shape]
	switch value := value.(type) {
	case map[string]any:
		for name, each := range value {
			if of.Type == "map" {
				found = append(found, m.strangers(of.Value.Shape, path+"."+name, each)...)
			} else if member, known := of.Members[name]; known {
				found = append(found, m.strangers(member.Shape, path+"."+name, each)...)
			} else {
				found = append(found, path+"."+name)
			}
		}
	case []any:
		for _, each := range value {
			found = append(found, m.strangers(of.Member.Shape, path+"[]", each)...)
		}
	}
	return found
}

// TestStrangers: a member that the model does not have is found wherever it is.
func TestStrangers(t *testing.T) {
	t.Parallel()
	var answer map[string]any
	decode(t, []byte(`{"DirectoryDescriptions":[{"Name":"a","VpcSettings":{"VpcId":"v","Nope":1}}],"Extra":{}}`), &answer)
	found := readModel(t, "ds.json", 80).strangers("DescribeDirectoriesResult", "", answer)
	slices.Sort(found)
	if got := strings.Join(found, " "); got != ".DirectoryDescriptions[].VpcSettings.Nope .Extra" {
		t.Errorf("found %q", got)
	}
}

// everything calls a server by the AWS CLI and looks at each answer twice: as it is on the wire, and as the CLI gives it out.
type everything struct {
	s       *server
	model   model
	address string // of the proxy before the server
	homes   [2]string

	mu     sync.Mutex
	called map[string]int
	newer  []string // operations that the CLI does not know by itself
}

func newEverything(t *testing.T, s *server) *everything {
	t.Helper()
	e := &everything{s: s, model: readModel(t, "ds.json", 80), called: map[string]int{}}
	target, err := url.Parse(s.API)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target) // it keeps the Host, which is signed
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		_, operation, _ := strings.Cut(r.Request.Header.Get("X-Amz-Target"), ".")
		of, known := e.model.Operations[operation]
		var members map[string]any
		if r.StatusCode == http.StatusOK && len(body) == 0 && known && len(e.model.Shapes[of.Output.Shape].Members) == 0 {
			return nil
		}
		if !known || err != nil || json.Unmarshal(body, &members) != nil {
			t.Errorf("%s: %v: not an answer: %q", operation, err, body)
			return nil
		}
		if r.StatusCode == http.StatusOK {
			if found := e.model.strangers(of.Output.Shape, operation, members); len(found) != 0 {
				t.Errorf("the model has no %v", found)
			}
		}
		return nil
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	e.address = front.URL
	text, err := os.ReadFile(filepath.Join(modelFolder, "ds.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.homes {
		e.homes[i] = t.TempDir()
	}
	// A CLI that is older than an operation takes the model from here, as it does what `aws configure add-model` puts there.
	models := filepath.Join(e.homes[1], ".aws", "models", "ds", "2015-04-16")
	if err := os.MkdirAll(models, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(models, "service-2.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

var (
	firstCap = regexp.MustCompile(`(.)([A-Z][a-z]+)`)
	endCap   = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// tooOld is what a CLI says whose model is older than an operation or one of its members.
var tooOld = regexp.MustCompile(`argument operation: Invalid choice|Unknown parameter in input`)

// command is the CLI's name of an operation.
func command(operation string) string {
	return strings.ToLower(endCap.ReplaceAllString(firstCap.ReplaceAllString(operation, "$1-$2"), "$1-$2"))
}

// by is a client of an account that makes each call by a process of the CLI.
func (e *everything) by(t *testing.T, number string) caller {
	t.Helper()
	path := program(t, "aws", "awscli")
	return func(t *testing.T, region, operation string, input map[string]any) answer {
		t.Helper()
		e.mu.Lock()
		e.called[operation]++
		e.mu.Unlock()
		for _, home := range e.homes {
			run := exec.CommandContext(t.Context(), path, "--endpoint-url", e.address, "--region", region, "--output", "json", "ds", command(operation), "--cli-input-json", string(encode(t, input)))
			run.Env = append(environment(t, e.s), "HOME="+home, "AWS_ACCESS_KEY_ID="+number, "AWS_SECRET_ACCESS_KEY=any")
			var out, said bytes.Buffer
			run.Stdout, run.Stderr = &out, &said
			err := run.Run()
			if run.ProcessState == nil {
				t.Fatal(err)
			}
			if home == e.homes[0] && tooOld.MatchString(said.String()) {
				e.mu.Lock()
				e.newer = append(e.newer, operation)
				e.mu.Unlock()
				continue
			}
			return readCLI(t, operation, out.String(), said.String(), run.ProcessState.ExitCode())
		}
		return answer{}
	}
}

// TestEverything: the AWS CLI calls each operation of the model and parses the answer, which has nothing that the model has not.
func TestEverything(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	s := start(t, strings.Replace(worldSeed, "shortName: CORP", "shortName: CORP\n    edition: Enterprise", 1), developing, func(c *config.Config) {
		c.LogGroup = []string{"everything=" + filepath.Join(t.TempDir(), "events.jsonl")}
		c.EventTopic = []string{"everything=" + hook.URL}
	})
	e := newEverything(t, s)
	owner, taker := e.by(t, "123456789012"), e.by(t, consumer)
	t.Run("all", func(t *testing.T) {
		for name, run := range map[string]func(*testing.T, caller, caller){
			"lives": e.lives, "setup": e.setup, "refused": e.refused,
			"security": e.security, "neighbours": func(t *testing.T, call, look caller) { e.neighbours(t, call, taker, look) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, owner, account(s, "123456789012"))
			})
		}
	})
	for _, operation := range wire.DS.Operations() {
		if e.called[operation.Name] == 0 {
			t.Errorf("%s has no call", operation.Name)
		}
	}
	if strings.Contains(s.log.String(), "UnknownOperationException") {
		t.Error("an operation is not known")
	}
	t.Logf("%d operations; by a model that the CLI was given: %v", len(e.called), e.newer)
}

// lives are directories, their snapshots and domain controllers, from their beginning to their end. Calls go by the first
// caller, what only waits by the second, which is quicker.
func (e *everything) lives(t *testing.T, call, look caller) {
	do := func(operation string, input map[string]any) map[string]any {
		t.Helper()
		a := call(t, home, operation, input)
		a.accepted(t)
		return a.Output
	}
	plain, _ := do("CreateDirectory", simple("cli-plain.example.com"))["DirectoryId"].(string)
	made, _ := do("CreateMicrosoftAD", managed("cli-made.example.com"))["DirectoryId"].(string)
	connected, _ := do("ConnectDirectory", connecting("lab.example.com", "lee.cli", firstPassword, "127.0.0.1"))["DirectoryId"].(string)
	for _, id := range []string{plain, made, connected} {
		become(t, look, home, id, "Active")
	}
	do("DescribeDirectories", map[string]any{"DirectoryIds": []string{made}})
	do("GetDirectoryLimits", map[string]any{})
	do("GetSnapshotLimits", of(made))
	call(t, home, "UpdateNumberOfDomainControllers", of(made, "DesiredNumber", 3)).refused(t, "UnsupportedOperationException", "domain controllers")
	do("DescribeDomainControllers", of(made))
	do("ResetUserPassword", reset(made, "Admin", nextPassword))
	do("CreateComputer", computer(made, "CLI-HOST"))
	snapshot, _ := do("CreateSnapshot", of(plain, "Name", "by the CLI"))["SnapshotId"].(string)
	await(t, "the snapshot", func() bool {
		all := snapshotsOf(t, look, of(plain))
		return len(all) == 1 && all[0]["Status"] == "Completed"
	})
	do("DescribeSnapshots", of(plain))
	do("RestoreFromSnapshot", map[string]any{"SnapshotId": snapshot})
	await(t, "the restoration", func() bool { return described(t, look, home, plain)["Stage"] == "Active" })
	do("DeleteSnapshot", map[string]any{"SnapshotId": snapshot})
	extension, _ := do("StartSchemaExtension", extension(made, schemaOf("DC=X")))["SchemaExtensionId"].(string)
	extended(t, look, made, extension)
	do("ListSchemaExtensions", of(made))
	call(t, home, "CancelSchemaExtension", of(made, "SchemaExtensionId", extension)).refused(t, "ClientException", "Completed")
	for _, id := range []string{plain, made, connected} {
		do("DeleteDirectory", of(id))
	}
}

// setup is what a directory has beside its domain.
func (e *everything) setup(t *testing.T, call, look caller) {
	do := func(region, operation string, input map[string]any) {
		t.Helper()
		call(t, region, operation, input).accepted(t)
	}
	resource := func(more ...any) map[string]any {
		input := map[string]any{"ResourceId": corpID}
		for i := 0; i < len(more); i += 2 {
			input[more[i].(string)] = more[i+1]
		}
		return input
	}
	do(home, "AddTagsToResource", resource("Tags", []map[string]any{{"Key": "team", "Value": "identity"}}))
	do(home, "ListTagsForResource", resource())
	do(home, "RemoveTagsFromResource", resource("TagKeys", []string{"team"}))
	do(home, "CreateAlias", of(corpID, "Alias", "by-the-cli"))
	do(home, "EnableSso", of(corpID))
	do(home, "DisableSso", of(corpID))
	do(home, "AddIpRoutes", of(corpID, "IpRoutes", []map[string]any{{"CidrIp": "203.0.113.0/24"}}))
	do(home, "ListIpRoutes", of(corpID))
	do(home, "RemoveIpRoutes", of(corpID, "CidrIps", []string{"203.0.113.0/24"}))
	do(home, "AddRegion", of(corpID, "RegionName", westRegion, "VPCSettings", network()))
	await(t, "the Region", func() bool {
		all := look(t, home, "DescribeRegions", of(corpID, "RegionName", westRegion)).list(t, "RegionsDescription")
		return len(all) == 1 && all[0]["Status"] == "Active"
	})
	do(home, "DescribeRegions", of(corpID))
	do(westRegion, "RemoveRegion", of(corpID))
	do(home, "DescribeDirectoryDataAccess", of(corpID))
	do(home, "EnableDirectoryDataAccess", of(corpID))
	await(t, "Enabled", func() bool {
		return look(t, home, "DescribeDirectoryDataAccess", of(corpID)).Output["DataAccessStatus"] == "Enabled"
	})
	do(home, "DisableDirectoryDataAccess", of(corpID))
	do(home, "UpdateDirectorySetup", of(labID, "UpdateType", "SIZE", "DirectorySizeUpdateSettings", map[string]any{"DirectorySize": "Large"}))
	do(home, "DescribeUpdateDirectory", of(labID, "UpdateType", "SIZE"))
	do(home, "UpdateSettings", of(corpID, "Settings", setting("CERTIFICATE_BACKDATING_COMPENSATION", "60")))
	do(home, "DescribeSettings", of(corpID))
}

// refused are the operations that have no meaning here.
func (e *everything) refused(t *testing.T, call, _ caller) {
	assessment := map[string]any{"AssessmentId": "da-0123456789abcdef01"}
	call(t, home, "CreateHybridAD", map[string]any{
		"AssessmentId": assessment["AssessmentId"], "SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:join-AbCdEf",
	}).refused(t, "UnsupportedOperationException", "")
	call(t, home, "UpdateHybridAD", of(corpID)).refused(t, "UnsupportedOperationException", "")
	call(t, home, "DescribeHybridADUpdate", of(corpID)).refused(t, "UnsupportedOperationException", "")
	call(t, home, "StartADAssessment", map[string]any{}).refused(t, "UnsupportedOperationException", "")
	call(t, home, "DescribeADAssessment", assessment).refused(t, "EntityDoesNotExistException", "")
	call(t, home, "DeleteADAssessment", assessment).refused(t, "EntityDoesNotExistException", "")
	call(t, home, "ListADAssessments", map[string]any{}).accepted(t)
	call(t, home, "EnableCAEnrollmentPolicy", of(corpID,
		"PcaConnectorArn", "arn:aws:pca-connector-ad:us-east-1:123456789012:connector/01234567-0123-0123-0123-0123456789ab")).refused(t, "EntityDoesNotExistException", "")
	call(t, home, "DescribeCAEnrollmentPolicy", of(corpID)).accepted(t)
	call(t, home, "DisableCAEnrollmentPolicy", of(corpID)).refused(t, "EntityDoesNotExistException", "")
}

// security are certificates and what rests on them, a second factor, and who hears of events.
func (e *everything) security(t *testing.T, call, look caller) {
	do := func(operation string, input map[string]any) map[string]any {
		t.Helper()
		a := call(t, home, operation, input)
		a.accepted(t)
		return a.Output
	}
	register := func(name, kind string) string {
		id, _ := do("RegisterCertificate", of(corpID, "CertificateData", newAuthority(t, name).pem, "Type", kind))["CertificateId"].(string)
		await(t, "Registered", func() bool {
			described, _ := look(t, home, "DescribeCertificate", of(corpID, "CertificateId", id)).Output["Certificate"].(map[string]any)
			return described["State"] == "Registered"
		})
		return id
	}
	certificate := register("By the CLI", "ClientLDAPS")
	do("DescribeCertificate", of(corpID, "CertificateId", certificate))
	do("ListCertificates", of(corpID))
	client := of(corpID, "Type", "Client")
	do("EnableLDAPS", client)
	await(t, "LDAPS", func() bool {
		return look(t, home, "DescribeLDAPSSettings", client).list(t, "LDAPSSettingsInfo")[0]["LDAPSStatus"] == "Enabled"
	})
	do("DescribeLDAPSSettings", client)
	do("DisableLDAPS", client)
	await(t, "no LDAPS", func() bool {
		return look(t, home, "DescribeLDAPSSettings", client).list(t, "LDAPSSettingsInfo")[0]["LDAPSStatus"] == "Disabled"
	})
	do("DeregisterCertificate", of(corpID, "CertificateId", certificate))
	register("Cards", "ClientCertAuth")
	card := of(corpID, "Type", "SmartCardOrPassword")
	do("EnableClientAuthentication", card)
	do("DescribeClientAuthenticationSettings", of(corpID))
	do("DisableClientAuthentication", card)

	radius := map[string]any{"RadiusServers": []string{"127.82.26.9"}, "RadiusPort": 1812, "RadiusTimeout": 1, "RadiusRetries": 0, "SharedSecret": radiusSecret, "AuthenticationProtocol": "PAP", "DisplayLabel": "MFA"}
	do("EnableRadius", of(corpID, "RadiusSettings", radius))
	do("UpdateRadius", of(corpID, "RadiusSettings", radius))
	do("DisableRadius", of(corpID))

	do("CreateLogSubscription", of(corpID, "LogGroupName", "everything"))
	do("ListLogSubscriptions", of(corpID))
	do("DeleteLogSubscription", of(corpID))
	do("RegisterEventTopic", of(corpID, "TopicName", "everything"))
	do("DescribeEventTopics", of(corpID))
	do("DeregisterEventTopic", of(corpID, "TopicName", "everything"))
}

// neighbours are other accounts and other domains.
func (e *everything) neighbours(t *testing.T, call, taker, look caller) {
	do := func(call caller, operation string, input map[string]any) map[string]any {
		t.Helper()
		a := call(t, home, operation, input)
		a.accepted(t)
		return a.Output
	}
	target := map[string]any{"Id": consumer, "Type": "ACCOUNT"}
	offer := func() map[string]any {
		id, _ := do(call, "ShareDirectory", of(corpID, "ShareTarget", target, "ShareMethod", "HANDSHAKE", "ShareNotes", "by the CLI"))["SharedDirectoryId"].(string)
		return map[string]any{"SharedDirectoryId": id}
	}
	listed := map[string]any{"OwnerDirectoryId": corpID}
	gone := func() {
		t.Helper()
		do(call, "UnshareDirectory", of(corpID, "UnshareTarget", target))
		await(t, "the end of the share", func() bool {
			return len(look(t, home, "DescribeSharedDirectories", listed).list(t, "SharedDirectories")) == 0
		})
	}
	do(taker, "RejectSharedDirectory", offer())
	gone()
	do(taker, "AcceptSharedDirectory", offer())
	do(call, "DescribeSharedDirectories", listed)
	gone()

	do(call, "CreateConditionalForwarder", forwarding(corpID, remoteDomain, "192.0.2.1"))
	do(call, "DescribeConditionalForwarders", of(corpID))
	do(call, "UpdateConditionalForwarder", forwarding(corpID, remoteDomain, "192.0.2.2"))
	do(call, "DeleteConditionalForwarder", of(corpID, "RemoteDomainName", remoteDomain))
	id, _ := do(call, "CreateTrust", trusting(corpID, remoteDomain, "Two-Way"))["TrustId"].(string)
	settled := func() bool { state := fmt.Sprint(trust(t, look, id)["TrustState"]); return state == "VerifyFailed" }
	await(t, "the trust", settled)
	do(call, "DescribeTrusts", of(corpID))
	do(call, "VerifyTrust", map[string]any{"TrustId": id})
	await(t, "the trust", settled)
	do(call, "UpdateTrust", map[string]any{"TrustId": id, "SelectiveAuth": "Enabled"})
	await(t, "the trust", settled)
	do(call, "DeleteTrust", map[string]any{"TrustId": id})
}
