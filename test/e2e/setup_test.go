package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"latchkey/internal/config"
)

// await repeats a look until it sees what it wants.
func await(t *testing.T, what string, sees func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !sees(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// list is a list in an answer.
func (a answer) list(t *testing.T, member string) (all []map[string]any) {
	t.Helper()
	a.accepted(t)
	items, _ := a.Output[member].([]any)
	for _, item := range items {
		all = append(all, item.(map[string]any))
	}
	return all
}

// of is the input of a call about a directory.
func of(id string, more ...any) map[string]any {
	input := map[string]any{"DirectoryId": id}
	for i := 0; i < len(more); i += 2 {
		input[more[i].(string)] = more[i+1]
	}
	return input
}

const westRegion = "eu-west-1"

// TestTags: labels come, change and go, page by page, and outlive a restart.
func TestTags(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	tags := func(pairs ...string) (all []map[string]any) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, map[string]any{"Key": pairs[i], "Value": pairs[i+1]})
		}
		return all
	}
	on := func(more ...any) map[string]any {
		input := of(corpID, more...)
		input["ResourceId"] = input["DirectoryId"]
		delete(input, "DirectoryId")
		return input
	}
	shown := func(call caller) string {
		var all []string
		for _, tag := range call(t, home, "ListTagsForResource", on()).list(t, "Tags") {
			all = append(all, fmt.Sprintf("%s=%s", tag["Key"], tag["Value"]))
		}
		return strings.Join(all, " ")
	}
	call(t, home, "AddTagsToResource", on("Tags", tags("team", "identity", "cost center", "1", "empty", ""))).accepted(t)
	call(t, home, "AddTagsToResource", on("Tags", tags("team", "access"))).accepted(t)
	if got := shown(call); got != "cost center=1 empty= team=access" {
		t.Errorf("tags: %s", got)
	}
	first := call(t, home, "ListTagsForResource", on("Limit", 2))
	if got := first.list(t, "Tags"); len(got) != 2 {
		t.Errorf("first page: %v", got)
	}
	call(t, home, "RemoveTagsFromResource", on("TagKeys", []string{"cost center", "no such"})).accepted(t)
	second := call(t, home, "ListTagsForResource", on("Limit", 2, "NextToken", first.Output["NextToken"]))
	if got := second.list(t, "Tags"); len(got) != 1 || got[0]["Key"] != "team" || second.Output["NextToken"] != nil {
		t.Errorf("second page: %v", second.Output)
	}
	var many []string
	for i := range 49 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	call(t, home, "AddTagsToResource", on("Tags", tags(many...))).refused(t, "TagLimitExceededException", "at most 50 tags")
	call(t, home, "AddTagsToResource", on("Tags", tags("aws:mine", "1"))).refused(t, "InvalidParameterException", "reserved")
	call(t, home, "AddTagsToResource", on("Tags", tags("a", "1", "a", "2"))).refused(t, "InvalidParameterException", "more than once")
	call(t, home, "ListTagsForResource", on("NextToken", "forged")).refused(t, "InvalidNextTokenException", "NextToken")
	for _, operation := range []string{"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"} {
		input := on("Tags", tags("a", "1"), "TagKeys", []string{"a"})
		input["ResourceId"] = noID
		call(t, home, operation, input).refused(t, "EntityDoesNotExistException", noID)
	}
	s.stop()
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	if got := shown(goClient(t, again)); got != "empty= team=access" {
		t.Errorf("tags after a restart: %s", got)
	}
}

// TestAlias: an alias is unique, given once, and never free again.
func TestAlias(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	a := call(t, home, "CreateAlias", of(corpID, "Alias", "Acme-7"))
	a.accepted(t)
	if a.Output["Alias"] != "Acme-7" || a.Output["DirectoryId"] != corpID {
		t.Errorf("%v", a.Output)
	}
	if d := described(t, call, home, corpID); d["Alias"] != "Acme-7" || d["AccessUrl"] != "Acme-7.awsapps.com" {
		t.Errorf("%v %v", d["Alias"], d["AccessUrl"])
	}
	call(t, home, "CreateAlias", of(corpID, "Alias", "other")).refused(t, "InvalidParameterException", "already has an alias")
	call(t, home, "CreateAlias", of(labID, "Alias", "acme-7")).refused(t, "EntityAlreadyExistsException", "Alias 'acme-7' already exists.")
	call(t, home, "CreateAlias", of(noID, "Alias", "none")).refused(t, "EntityDoesNotExistException", noID)
	call(t, home, "DeleteDirectory", of(corpID)).accepted(t)
	gone(t, call, home, corpID)
	call(t, home, "CreateAlias", of(labID, "Alias", "ACME-7")).refused(t, "EntityAlreadyExistsException", "already exists")
	call(t, home, "CreateAlias", of(labID, "Alias", "lab")).accepted(t)
}

// TestLimits: the counts follow what there is, of the caller's account and Region.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	for region, want := range map[string]string{home: "1/10 1/20 0/10", westRegion: "1/10 0/20 0/10"} {
		a := call(t, region, "GetDirectoryLimits", map[string]any{})
		a.accepted(t)
		limits := a.Output["DirectoryLimits"].(map[string]any)
		var got []string
		for _, kind := range []string{"CloudOnlyDirectories", "CloudOnlyMicrosoftAD", "ConnectedDirectories"} {
			got = append(got, fmt.Sprintf("%v/%v", limits[kind+"CurrentCount"], limits[kind+"Limit"]))
			if limits[kind+"LimitReached"] != false {
				t.Errorf("%s: %v", kind, limits)
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %s", region, got)
		}
	}
}

// TestRegions: a directory that is added to a Region answers there, until it is removed.
func TestRegions(t *testing.T) {
	t.Parallel()
	s := start(t, strings.Replace(worldSeed, "shortName: CORP", "shortName: CORP\n    edition: Enterprise", 1))
	call := goClient(t, s)
	state := func(region string) any {
		all := call(t, home, "DescribeRegions", of(corpID, "RegionName", region)).list(t, "RegionsDescription")
		if len(all) == 0 {
			return nil
		}
		return all[0]["Status"]
	}
	vpc := []any{"VPCSettings", network()}
	add := func(id, region string) answer {
		return call(t, home, "AddRegion", of(id, append(vpc, "RegionName", region)...))
	}
	call(t, westRegion, "ResetUserPassword", reset(corpID, "jane", nextPassword)).refused(t, "EntityDoesNotExistException", "It is in Region us-east-1")
	add(corpID, westRegion).accepted(t)
	await(t, "the Region", func() bool { return state(westRegion) == "Active" })
	call(t, westRegion, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	logins(t, s, `CORP\jane`, firstPassword, nextPassword)
	if all := call(t, westRegion, "DescribeDirectories", map[string]any{}).list(t, "DirectoryDescriptions"); len(all) != 2 {
		t.Errorf("there: %v", all)
	}
	info := described(t, call, westRegion, corpID)["RegionsInfo"].(map[string]any)
	if info["PrimaryRegion"] != home || fmt.Sprint(info["AdditionalRegions"]) != "[eu-west-1]" {
		t.Errorf("%v", info)
	}
	call(t, westRegion, "UpdateNumberOfDomainControllers", of(corpID, "DesiredNumber", 3)).accepted(t)
	all := call(t, home, "DescribeRegions", of(corpID)).list(t, "RegionsDescription")
	if len(all) != 2 || all[0]["RegionName"] != westRegion || all[0]["RegionType"] != "Additional" || all[0]["DesiredNumberOfDomainControllers"] != 3.0 || all[1]["RegionType"] != "Primary" || all[1]["Status"] != "Active" {
		t.Errorf("%v", all)
	}

	add(corpID, westRegion).refused(t, "DirectoryAlreadyInRegionException", westRegion)
	add(corpID, home).refused(t, "DirectoryAlreadyInRegionException", home)
	add(corpID, "nowhere-at-all").refused(t, "InvalidParameterException", "not the name of a Region")
	add(noID, westRegion).refused(t, "DirectoryDoesNotExistException", noID)
	add(labID, westRegion).refused(t, "UnsupportedOperationException", "SimpleAD")
	standard := call(t, home, "CreateMicrosoftAD", managed("standard.example.com"))
	standard.accepted(t)
	add(standard.Output["DirectoryId"].(string), westRegion).refused(t, "UnsupportedOperationException", "Standard")
	for i := range 3 {
		add(corpID, fmt.Sprintf("ap-south-%d", i)).accepted(t)
	}
	add(corpID, "ap-south-3").refused(t, "RegionLimitExceededException", "at most 5 Regions")
	call(t, home, "DescribeRegions", of(corpID, "NextToken", "forged")).refused(t, "InvalidNextTokenException", "")
	call(t, home, "RemoveRegion", of(corpID)).refused(t, "UnsupportedOperationException", "primary")
	call(t, westRegion, "RemoveRegion", of(corpID)).accepted(t)
	await(t, "the end in the Region", func() bool { return state(westRegion) == nil })
	call(t, westRegion, "RemoveRegion", of(corpID)).refused(t, "DirectoryDoesNotExistException", "It is in Region")
}

// TestRoutes: IP routes are kept and listed, each once.
func TestRoutes(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	add := func(id string, routes ...map[string]any) answer {
		return call(t, home, "AddIpRoutes", of(id, "IpRoutes", routes))
	}
	four := func(cidr string) map[string]any {
		return map[string]any{"CidrIp": cidr, "Description": "to the office"}
	}
	six := map[string]any{"CidrIpv6": "2001:db8::/32"}
	shown := func() string {
		var all []string
		for _, route := range call(t, home, "ListIpRoutes", of(corpID)).list(t, "IpRoutesInfo") {
			cidr := route["CidrIp"]
			if cidr == nil {
				cidr = route["CidrIpv6"]
			}
			all = append(all, fmt.Sprintf("%v:%v", cidr, route["IpRouteStatusMsg"]))
		}
		return strings.Join(all, " ")
	}
	add(corpID, four("203.0.113.7/24"), six).accepted(t)
	await(t, "Added", func() bool { return shown() == "2001:db8::/32:Added 203.0.113.0/24:Added" })
	add(corpID, four("203.0.113.0/24")).refused(t, "EntityAlreadyExistsException", "203.0.113.0/24")
	add(corpID, four("198.51.100.0/24"), four("198.51.100.1/24")).refused(t, "InvalidParameterException", "more than once")
	add(corpID, map[string]any{"Description": "nothing"}).refused(t, "InvalidParameterException", "either")
	add(labID, six).refused(t, "ClientException", "SimpleAD")
	add(noID, six).refused(t, "EntityDoesNotExistException", noID)
	var many []map[string]any
	for i := range 99 {
		many = append(many, four(fmt.Sprintf("192.0.2.%d/32", i)))
	}
	add(corpID, many...).refused(t, "IpRouteLimitExceededException", "at most 100")
	call(t, home, "ListIpRoutes", of(corpID, "NextToken", "forged")).refused(t, "InvalidNextTokenException", "")
	call(t, home, "RemoveIpRoutes", of(corpID, "CidrIps", []string{"192.0.2.1/32"})).refused(t, "EntityDoesNotExistException", "192.0.2.1/32")
	call(t, home, "RemoveIpRoutes", of(corpID)).refused(t, "InvalidParameterException", "at least one")
	call(t, home, "RemoveIpRoutes", of(corpID, "CidrIps", []string{"203.0.113.0/24"}, "CidrIpv6s", []string{"2001:db8::/32"})).accepted(t)
	await(t, "an empty list", func() bool { return shown() == "" })
}

// TestDataAccess: it is turned on and off, once each, and stays so.
func TestDataAccess(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	state := func(call caller) any {
		a := call(t, home, "DescribeDirectoryDataAccess", of(corpID))
		a.accepted(t)
		return a.Output["DataAccessStatus"]
	}
	if got := state(call); got != "Disabled" {
		t.Errorf("at first: %v", got)
	}
	call(t, home, "DisableDirectoryDataAccess", of(corpID)).refused(t, "DirectoryInDesiredStateException", "Disabled already")
	call(t, home, "EnableDirectoryDataAccess", of(corpID)).accepted(t)
	await(t, "Enabled", func() bool { return state(call) == "Enabled" })
	call(t, home, "EnableDirectoryDataAccess", of(corpID)).refused(t, "DirectoryInDesiredStateException", "Enabled already")
	for _, operation := range []string{"EnableDirectoryDataAccess", "DisableDirectoryDataAccess", "DescribeDirectoryDataAccess"} {
		call(t, home, operation, of(labID)).refused(t, "UnsupportedOperationException", "SimpleAD")
		call(t, home, operation, of(noID)).refused(t, "DirectoryDoesNotExistException", noID)
	}
	s.stop()
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	call = goClient(t, again)
	if got := state(call); got != "Enabled" {
		t.Errorf("after a restart: %v", got)
	}
	call(t, home, "DisableDirectoryDataAccess", of(corpID)).accepted(t)
	await(t, "Disabled", func() bool { return state(call) == "Disabled" })
}

// TestUpdateSetup: size and network change, after the snapshot that was asked for.
func TestUpdateSetup(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	size := func(id, size string, more ...any) answer {
		return call(t, home, "UpdateDirectorySetup", of(id, append(more, "UpdateType", "SIZE", "DirectorySizeUpdateSettings", map[string]any{"DirectorySize": size})...))
	}
	states := func(id, kind string) (all []any) {
		for _, update := range call(t, home, "DescribeUpdateDirectory", of(id, "UpdateType", kind)).list(t, "UpdateActivities") {
			all = append(all, update["Status"])
		}
		return all
	}
	size(labID, "Large", "CreateSnapshotBeforeUpdate", true).accepted(t)
	await(t, "the update", func() bool { return fmt.Sprint(states(labID, "SIZE")) == "[Updated]" })
	if d := described(t, call, home, labID); d["Size"] != "Large" {
		t.Errorf("size: %v", d["Size"])
	}
	if all := snapshotsOf(t, call, of(labID)); len(all) != 1 || all[0]["Status"] != "Completed" {
		t.Errorf("snapshots: %v", all)
	}
	size(labID, "Large").refused(t, "DirectoryInDesiredStateException", "Large")
	size(corpID, "Large").refused(t, "UnsupportedOperationException", "MicrosoftAD")
	size(noID, "Large").refused(t, "DirectoryDoesNotExistException", noID)
	call(t, home, "UpdateDirectorySetup", of(labID, "UpdateType", "SIZE")).refused(t, "InvalidParameterException", "missing")
	for range 4 {
		completed(t, call, labID, "more")
	}
	size(labID, "Small", "CreateSnapshotBeforeUpdate", true).refused(t, "SnapshotLimitExceededException", "")
	if got := fmt.Sprint(states(labID, "SIZE")); got != "[Updated]" {
		t.Errorf("a refused update is listed: %s", got)
	}

	wide := func(kind string) answer {
		return call(t, home, "UpdateDirectorySetup", of(corpID, "UpdateType", "NETWORK", "NetworkUpdateSettings", map[string]any{"NetworkType": kind}))
	}
	wide("IPv4").refused(t, "DirectoryInDesiredStateException", "IPv4")
	wide("Dual-stack").accepted(t)
	await(t, "the network", func() bool { return described(t, call, home, corpID)["NetworkType"] == "Dual-stack" })
	older := func(version string) answer {
		return call(t, home, "UpdateDirectorySetup", of(corpID, "UpdateType", "OS", "OSUpdateSettings", map[string]any{"OSVersion": version}))
	}
	older("SERVER_2019").refused(t, "DirectoryInDesiredStateException", "SERVER_2019")
	older("SERVER_2012").refused(t, "InvalidParameterException", "SERVER_2012")
	if got := states(corpID, "OS"); len(got) != 0 {
		t.Errorf("OS: %v", got)
	}
	call(t, home, "DescribeUpdateDirectory", of(corpID, "UpdateType", "OS", "NextToken", "forged")).refused(t, "InvalidNextTokenException", "")
}

// TestRefusedOperations: what has no meaning outside AWS says so, by the exception that AWS has for it.
func TestRefusedOperations(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	const (
		assessment = "da-0123456789abcdef01"
		secret     = "arn:aws:secretsmanager:us-east-1:123456789012:secret:join-AbCdEf"
		connector  = "arn:aws:pca-connector-ad:us-east-1:123456789012:connector/01234567-0123-0123-0123-0123456789ab"
	)
	for _, c := range []struct {
		operation string
		input     map[string]any
		exception string
	}{
		{"CreateHybridAD", map[string]any{"AssessmentId": assessment, "SecretArn": secret}, "UnsupportedOperationException"},
		{"UpdateHybridAD", of(corpID), "UnsupportedOperationException"},
		{"UpdateHybridAD", of(noID), "DirectoryDoesNotExistException"},
		{"DescribeHybridADUpdate", of(corpID), "UnsupportedOperationException"},
		{"DescribeHybridADUpdate", of(noID), "DirectoryDoesNotExistException"},
		{"StartADAssessment", map[string]any{}, "UnsupportedOperationException"},
		{"StartADAssessment", of(noID), "DirectoryDoesNotExistException"},
		{"DescribeADAssessment", map[string]any{"AssessmentId": assessment}, "EntityDoesNotExistException"},
		{"DeleteADAssessment", map[string]any{"AssessmentId": assessment}, "EntityDoesNotExistException"},
		{"ListADAssessments", of(noID), "DirectoryDoesNotExistException"},
		{"ListADAssessments", map[string]any{"NextToken": "forged"}, "InvalidParameterException"},
		{"EnableCAEnrollmentPolicy", of(corpID, "PcaConnectorArn", connector), "EntityDoesNotExistException"},
		{"EnableCAEnrollmentPolicy", of(labID, "PcaConnectorArn", connector), "InvalidParameterException"},
		{"EnableCAEnrollmentPolicy", of(noID, "PcaConnectorArn", connector), "DirectoryDoesNotExistException"},
		{"DisableCAEnrollmentPolicy", of(corpID), "EntityDoesNotExistException"},
		{"DescribeCAEnrollmentPolicy", of(labID), "UnsupportedOperationException"},
	} {
		call(t, home, c.operation, c.input).refused(t, c.exception, "")
	}
	if all := call(t, home, "ListADAssessments", map[string]any{}).list(t, "Assessments"); len(all) != 0 {
		t.Errorf("assessments: %v", all)
	}
	a := call(t, home, "DescribeCAEnrollmentPolicy", of(corpID))
	a.accepted(t)
	if a.Output["CaEnrollmentPolicyStatus"] != "Disabled" {
		t.Errorf("%v", a.Output)
	}
}
