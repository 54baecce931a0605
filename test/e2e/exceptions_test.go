package e2e

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exceptionsFile lists what the test finds to be so.
const exceptionsFile = "../../docs/exceptions.md"

// elsewhere are the exceptions that need more than an embedded directory: the file and the test that see them.
var elsewhere = map[string]struct{ file, test string }{
	"IncompatibleSettingsException": {"setting_test.go", "TestSettingsSamba"},
}

// unreachable are the exceptions that no call can have, and why.
var unreachable = map[string]string{
	"ADAssessmentLimitExceededException": "assessments are refused, so there are never any to count",
	"AccessDeniedException":              "every access key is an account's root, which may do everything; the gateway's tests see it by a policy",
	"DisableAlreadyInProgressException":  "a CA enrollment policy is never enabled, so none is being disabled",
	"EnableAlreadyInProgressException":   "a CA enrollment policy is never enabled, so none is being enabled",
}

// provoked is an exception as a client had it.
type provoked struct{ operation, text string }

// TestExceptions: each exception of the model is provoked here, or in the test that is named, or is listed as unreachable; and
// the document says the same.
func TestExceptions(t *testing.T) {
	t.Parallel()
	seen := map[string]provoked{}
	t.Run("provoke", func(t *testing.T) {
		s := start(t, worldSeed, developing)
		broken := world(t)
		provoke(t, account(s, "123456789012"), account(s, consumer), goClient(t, broken), func(exception string, by provoked) { seen[exception] = by })
	})
	m := readModel(t, "ds.json", 80)
	var text strings.Builder
	text.WriteString(exceptionsIntroduction)
	modelled := 0
	for _, exception := range slices.Sorted(maps.Keys(m.Shapes)) {
		if !m.Shapes[exception].Exception {
			continue
		}
		modelled++
		by, here := seen[exception]
		at, there := elsewhere[exception]
		why, never := unreachable[exception]
		switch {
		case here && !there && !never:
			fmt.Fprintf(&text, "| %s | %s | TestExceptions | %s |\n", exception, by.operation, by.text)
		case there && !here && !never:
			fmt.Fprintf(&text, "| %s | %s | %s | |\n", exception, asserts(t, at.file, at.test, exception), at.test)
		case never && !here && !there:
			fmt.Fprintf(&text, "| %s | | unreachable | %s |\n", exception, why)
		default:
			t.Errorf("%s: provoked %v, elsewhere %v, unreachable %v: it should be one of them", exception, here, there, never)
		}
	}
	if listed := len(seen) + len(elsewhere) + len(unreachable); modelled != 40 || listed != modelled {
		t.Errorf("the model has %d exceptions, %d are listed", modelled, listed)
	}
	document(t, exceptionsFile, text.String())
}

// document holds a page against what a test found, or writes it.
func document(t *testing.T, file, text string) {
	t.Helper()
	if os.Getenv("UPDATE_EXCEPTIONS") != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != text {
		t.Errorf("%s is not what was found; UPDATE_EXCEPTIONS=1 go test ./test/e2e -run %s writes\n%s", file, t.Name(), text)
	}
}

const exceptionsIntroduction = `# Exceptions of AWS Directory Service

The model has 40 exceptions. A client provokes each one in the test that is named, or it is unreachable, for the reason that is
given. The operation is the test's example; docs/operations.md has the exceptions that each operation declares. TestExceptions
writes this page (` + "`UPDATE_EXCEPTIONS=1 go test ./test/e2e -run TestExceptions`" + `) and fails where it is wrong.

| exception | operation | test | text, or why it is unreachable |
|---|---|---|---|
`

// asserts is the operation by which a test of another file sees an exception.
func asserts(t *testing.T, file, test, exception string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "\nfunc "+test+"(")
	body, _, ended := strings.Cut(body, "\n}\n")
	call := regexp.MustCompile(`call\(t, \w+, "(\w+)".*refused\(t, "` + exception + `"`).FindStringSubmatch(body)
	if !found || !ended || call == nil {
		t.Errorf("%s: %s does not assert %s", file, test, exception)
		return ""
	}
	return call[1]
}

// provoke has each reachable exception once. owner and taker are accounts of one server, broken is a client of a server with
// directories that do not work.
func provoke(t *testing.T, owner, taker, broken caller, saw func(exception string, by provoked)) {
	m := readModel(t, "ds.json", 80)
	refusal := func(call caller, region, operation string, input map[string]any, exception, text string) {
		t.Helper()
		declared := slices.ContainsFunc(m.Operations[operation].Errors, func(e struct{ Shape string }) bool { return e.Shape == exception })
		if !declared {
			t.Errorf("%s does not declare %s", operation, exception)
		}
		a := call(t, region, operation, input)
		a.refused(t, exception, text)
		if a.Exception == exception {
			saw(exception, provoked{operation, text})
		}
	}
	for _, c := range exceptionCases {
		if c.exception == "ServiceException" || c.exception == "DirectoryUnavailableException" {
			refusal(broken, c.region, "ResetUserPassword", reset(c.directory, c.user, c.password), c.exception, c.message)
		}
	}
	yes := func(operation string, input map[string]any) map[string]any {
		t.Helper()
		a := owner(t, home, operation, input)
		a.accepted(t)
		return a.Output
	}
	no := func(operation string, input map[string]any, exception, text string) {
		t.Helper()
		refusal(owner, home, operation, input, exception, text)
	}

	no("DescribeDirectories", map[string]any{"NextToken": "forged"}, "InvalidNextTokenException", "Invalid value passed for the NextToken parameter")
	no("DescribeDirectories", map[string]any{"DirectoryIds": []string{}}, "InvalidParameterException", "DirectoryIds must not be empty.")
	no("DescribeRegions", of(noID), "DirectoryDoesNotExistException", "does not exist")
	no("DeleteDirectory", of(noID), "EntityDoesNotExistException", "does not exist")
	no("ResetUserPassword", reset(corpID, "nobody", nextPassword), "UserDoesNotExistException", "does not exist in your directory")
	no("ResetUserPassword", reset(corpID, "jane", "Wx9~Kq7"), "InvalidPasswordException", "complexity requirements")
	no("DescribeTrusts", of(labID), "UnsupportedOperationException", "SimpleAD")
	no("EnableSso", of(corpID), "ClientException", "An alias is required before enabling SSO.")
	yes("CreateAlias", of(corpID, "Alias", "taken"))
	no("EnableSso", of(corpID, "UserName", "jane", "Password", nextPassword), "AuthenticationFailedException", "incorrect")
	no("CreateAlias", of(labID, "Alias", "taken"), "EntityAlreadyExistsException", "Alias 'taken' already exists.")
	no("CreateLogSubscription", of(corpID, "LogGroupName", "/nowhere"), "InsufficientPermissionsException", "--log-group")
	no("DisableDirectoryDataAccess", of(corpID), "DirectoryInDesiredStateException", "Disabled already")
	no("UpdateSettings", of(corpID, "Settings", setting("NO_SUCH", "Enable")), "UnsupportedSettingsException", "NO_SUCH")

	provokeLimits(t, yes, no)
	provokeCertificates(t, owner, yes, no)

	target := func(number string) map[string]any { return map[string]any{"Id": number, "Type": "ACCOUNT"} }
	share := func(number, method string) map[string]any {
		return of(corpID, "ShareTarget", target(number), "ShareMethod", method)
	}
	no("ShareDirectory", share(consumer, "ORGANIZATIONS"), "OrganizationsException", "HANDSHAKE")
	no("ShareDirectory", share("12345", "HANDSHAKE"), "InvalidTargetException", "12345")
	no("UnshareDirectory", of(corpID, "UnshareTarget", target(consumer)), "DirectoryNotSharedException", consumer)
	for i := range 4 {
		yes("ShareDirectory", share(fmt.Sprint("22223333444", i), "HANDSHAKE"))
	}
	offered, _ := yes("ShareDirectory", share(consumer, "HANDSHAKE"))["SharedDirectoryId"].(string)
	no("ShareDirectory", share("999988887777", "HANDSHAKE"), "ShareLimitExceededException", "at most 5")
	accept := map[string]any{"SharedDirectoryId": offered}
	taker(t, home, "AcceptSharedDirectory", accept).accepted(t)
	await(t, "Shared", func() bool { return described(t, taker, home, offered)["ShareStatus"] == "Shared" })
	refusal(taker, home, "AcceptSharedDirectory", accept, "DirectoryAlreadySharedException", "Shared already")
}

// provokeLimits has the exceptions of what there is too much of.
func provokeLimits(t *testing.T, yes func(string, map[string]any) map[string]any, no func(operation string, input map[string]any, exception, text string)) {
	t.Helper()
	var tags, routes []map[string]any
	for i := range 51 {
		tags = append(tags, map[string]any{"Key": fmt.Sprint("k", i), "Value": "v"})
	}
	no("AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": tags}, "TagLimitExceededException", "at most 50 tags")
	for i := range 101 {
		routes = append(routes, map[string]any{"CidrIp": fmt.Sprintf("192.0.2.%d/32", i)})
	}
	no("AddIpRoutes", of(corpID, "IpRoutes", routes), "IpRouteLimitExceededException", "at most 100")
	for range 5 {
		yes("CreateSnapshot", of(corpID))
	}
	no("CreateSnapshot", of(corpID), "SnapshotLimitExceededException", "5")
	for i := range 9 { // the seed has one
		yes("CreateDirectory", simple(fmt.Sprintf("d%d.example.com", i)))
	}
	no("CreateDirectory", simple("more.example.com"), "DirectoryLimitExceededException", "A maximum of 10 directories may be created.")

	no("UpdateNumberOfDomainControllers", of(corpID, "DesiredNumber", 21), "DomainControllerLimitExceededException", "at most 20 domain controllers")
	input := managed("regions.example.com")
	input["Edition"] = "Enterprise"
	wide, _ := yes("CreateMicrosoftAD", input)["DirectoryId"].(string)
	await(t, "the directory", func() bool {
		all := yes("DescribeDirectories", map[string]any{"DirectoryIds": []string{wide}})["DirectoryDescriptions"].([]any)
		return all[0].(map[string]any)["Stage"] == "Active"
	})
	add := func(region string) map[string]any {
		return of(wide, "RegionName", region, "VPCSettings", network())
	}
	no("AddRegion", add(home), "DirectoryAlreadyInRegionException", home)
	for i := range 4 {
		yes("AddRegion", add(fmt.Sprintf("ap-south-%d", i)))
	}
	no("AddRegion", add("ap-south-4"), "RegionLimitExceededException", "at most 5 Regions")
}

// provokeCertificates has the exceptions of certificates and of what rests on them.
func provokeCertificates(t *testing.T, look caller, yes func(string, map[string]any) map[string]any, no func(operation string, input map[string]any, exception, text string)) {
	t.Helper()
	client := of(corpID, "Type", "Client")
	no("EnableLDAPS", client, "NoAvailableCertificateException", "LDAPS needs a registered certificate")
	no("DisableLDAPS", client, "InvalidLDAPSStatusException", "Disabled")
	no("DisableClientAuthentication", of(corpID, "Type", "SmartCard"), "InvalidClientAuthStatusException", "not Enabled")
	certificate := func(text string) map[string]any { return of(corpID, "CertificateData", text) }
	ours := newAuthority(t, "Ours")
	id, _ := yes("RegisterCertificate", certificate(ours.pem))["CertificateId"].(string)
	await(t, "Registered", func() bool {
		of, _ := look(t, home, "DescribeCertificate", of(corpID, "CertificateId", id)).Output["Certificate"].(map[string]any)
		return of["State"] == "Registered"
	})
	yes("EnableLDAPS", client)
	no("RegisterCertificate", certificate(ours.pem), "CertificateAlreadyExistsException", "The certificate is registered already")
	no("RegisterCertificate", certificate("no PEM"), "InvalidCertificateException", "one certificate")
	no("DescribeCertificate", of(corpID, "CertificateId", "c-0123456789"), "CertificateDoesNotExistException", "c-0123456789")
	no("DeregisterCertificate", of(corpID, "CertificateId", id), "CertificateInUseException", "before LDAPS or client authentication is disabled")
	for i := range 4 {
		yes("RegisterCertificate", certificate(newAuthority(t, fmt.Sprint("More ", i)).pem))
	}
	no("RegisterCertificate", certificate(newAuthority(t, "Too many").pem), "CertificateLimitExceededException", "at most 5")
}
