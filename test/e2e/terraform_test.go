package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/config"
)

// terraform makes the calls of Terraform's AWS provider, in its order, and waits as its waiters do: for a target state, in no
// other state than those that it takes for pending.
type terraform struct {
	owner, taker caller
	group        string
}

const never = "(gone)"

// wait is one of the provider's waiters; state is never for what is gone.
func (tf terraform) wait(t *testing.T, what string, state func() string, pending []string, target ...string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		now := state()
		if slices.Contains(target, now) {
			return
		}
		if !slices.Contains(pending, now) || time.Now().After(deadline) {
			t.Fatalf("%s is %q, which is none of %q and %q", what, now, pending, target)
		}
	}
}

// found is the provider's look at one thing: nil where the answer is that it does not exist.
func found(t *testing.T, call caller, operation, member string, input map[string]any) map[string]any {
	t.Helper()
	a := call(t, home, operation, input)
	if a.Exception == "EntityDoesNotExistException" {
		return nil
	}
	all := a.list(t, member)
	if len(all) > 1 {
		t.Fatalf("%s: %d of one", operation, len(all))
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

func (tf terraform) directory(t *testing.T, call caller, id string) map[string]any {
	t.Helper()
	return found(t, call, "DescribeDirectories", "DirectoryDescriptions", map[string]any{"DirectoryIds": []string{id}})
}

// member is a state among the members of what was found.
func member(of map[string]any, name string) string {
	if of == nil {
		return never
	}
	if of[name] == nil {
		return ""
	}
	return fmt.Sprint(of[name])
}

// same is the plan after an apply: what was configured is what is read.
func same(t *testing.T, what string, read, configured map[string]any) {
	t.Helper()
	said := func(value any) string {
		if value == nil {
			return "" // to the provider they are the same
		}
		return fmt.Sprint(value)
	}
	for name, want := range configured {
		if got := read[name]; said(got) != said(want) {
			t.Errorf("%s drifts: %s is %v, configured %v", what, name, got, want)
		}
	}
}

// do makes a call that has to succeed.
func (tf terraform) do(t *testing.T, operation string, input map[string]any) map[string]any {
	t.Helper()
	a := tf.owner(t, home, operation, input)
	a.accepted(t)
	return a.Output
}

// tags is what aws_directory_service_directory and _region read for their tags.
func (tf terraform) tags(t *testing.T, region, id string) string {
	t.Helper()
	all := []string{}
	for _, tag := range tf.owner(t, region, "ListTagsForResource", map[string]any{"ResourceId": id}).list(t, "Tags") {
		all = append(all, fmt.Sprint(tag["Key"], "=", tag["Value"]))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// create is the creation of an aws_directory_service_directory, with its waiter.
func (tf terraform) create(t *testing.T, operation string, input map[string]any) string {
	t.Helper()
	input["Tags"] = []map[string]any{{"Key": "team", "Value": "one"}}
	id, _ := tf.do(t, operation, input)["DirectoryId"].(string)
	tf.wait(t, "the directory", func() string { return member(tf.directory(t, tf.owner, id), "Stage") }, []string{"Requested", "Creating", "Created"}, "Active")
	read := tf.directory(t, tf.owner, id)
	want := map[string]any{"Name": input["Name"], "Description": input["Description"], "ShortName": input["ShortName"], "Size": input["Size"], "Edition": input["Edition"], "SsoEnabled": false}
	if input["ShortName"] == nil {
		delete(want, "ShortName") // it is computed then
	}
	same(t, operation, read, want)
	settings, configured := "VpcSettings", input["VpcSettings"]
	if operation == "ConnectDirectory" {
		settings, configured = "ConnectSettings", input["ConnectSettings"]
		// The provider reads the addresses of the customer's DNS servers from the directory itself.
		same(t, operation, read, map[string]any{"DnsIpAddrs": configured.(map[string]any)["CustomerDnsIps"]})
	}
	of, _ := read[settings].(map[string]any)
	for _, name := range []string{"VpcId", "SubnetIds"} {
		same(t, operation, of, map[string]any{name: configured.(map[string]any)[name]})
	}
	if operation == "ConnectDirectory" {
		same(t, operation, of, map[string]any{"CustomerUserName": configured.(map[string]any)["CustomerUserName"]})
	}
	if got := tf.tags(t, home, id); got != "team=one" {
		t.Errorf("tags drift: %s", got)
	}
	return id
}

// change is an update of tags, alias and single sign-on.
func (tf terraform) change(t *testing.T, id, alias string) {
	t.Helper()
	tf.do(t, "CreateAlias", of(id, "Alias", alias))
	tf.do(t, "EnableSso", of(id))
	same(t, "alias and SSO", tf.directory(t, tf.owner, id), map[string]any{"Alias": alias, "AccessUrl": alias + ".awsapps.com", "SsoEnabled": true})
	tf.do(t, "DisableSso", of(id))
	same(t, "SSO", tf.directory(t, tf.owner, id), map[string]any{"SsoEnabled": false})
	tf.do(t, "RemoveTagsFromResource", map[string]any{"ResourceId": id, "TagKeys": []string{"team"}})
	tf.do(t, "AddTagsToResource", map[string]any{"ResourceId": id, "Tags": []map[string]any{{"Key": "group", "Value": "two"}}})
	if got := tf.tags(t, home, id); got != "group=two" {
		t.Errorf("tags drift: %s", got)
	}
}

// destroy is the end of an aws_directory_service_directory or of a _shared_directory_accepter.
func (tf terraform) destroy(t *testing.T, call caller, id string) {
	t.Helper()
	call(t, home, "DeleteDirectory", of(id)).accepted(t)
	tf.wait(t, "the directory", func() string { return member(tf.directory(t, call, id), "Stage") }, []string{"Active", "Deleting"}, "Deleted", never)
}

// forwarder is an aws_directory_service_conditional_forwarder, whose addresses have an order.
func (tf terraform) forwarder(t *testing.T, id string) {
	t.Helper()
	const name = "forwarded.example.org"
	read := func() map[string]any {
		return found(t, tf.owner, "DescribeConditionalForwarders", "ConditionalForwarders", of(id, "RemoteDomainNames", []string{name}))
	}
	for i, addresses := range [][]string{{"192.0.2.9", "192.0.2.1"}, {"192.0.2.3"}} {
		tf.do(t, []string{"CreateConditionalForwarder", "UpdateConditionalForwarder"}[i], forwarding(id, name, addresses...))
		same(t, "the forwarder", read(), map[string]any{"RemoteDomainName": name, "DnsIpAddrs": addresses})
	}
	tf.do(t, "DeleteConditionalForwarder", of(id, "RemoteDomainName", name))
	if left := read(); left != nil {
		t.Errorf("the forwarder is there: %v", left)
	}
}

// subscription is an aws_directory_service_log_subscription.
func (tf terraform) subscription(t *testing.T, id string) {
	t.Helper()
	read := func() map[string]any {
		return found(t, tf.owner, "ListLogSubscriptions", "LogSubscriptions", of(id))
	}
	tf.do(t, "CreateLogSubscription", of(id, "LogGroupName", tf.group))
	same(t, "the subscription", read(), map[string]any{"DirectoryId": id, "LogGroupName": tf.group})
	tf.do(t, "DeleteLogSubscription", of(id))
	if left := read(); left != nil {
		t.Errorf("the subscription is there: %v", left)
	}
}

// radius is an aws_directory_service_radius_settings. The provider compares the shared secret, too.
func (tf terraform) radius(t *testing.T, id, server string) {
	t.Helper()
	settings := map[string]any{
		"AuthenticationProtocol": "PAP", "DisplayLabel": "MFA", "RadiusPort": 18120, "RadiusRetries": 1, "RadiusServers": []string{server}, "RadiusTimeout": 5,
		"SharedSecret": radiusSecret, "UseSameUsername": false,
	}
	for i, label := range []string{"MFA", "Second factor"} {
		settings["DisplayLabel"] = label
		tf.do(t, []string{"EnableRadius", "UpdateRadius"}[i], of(id, "RadiusSettings", settings))
		tf.wait(t, "RADIUS", func() string { return member(tf.directory(t, tf.owner, id), "RadiusStatus") }, []string{"Creating"}, "Completed")
		read, _ := tf.directory(t, tf.owner, id)["RadiusSettings"].(map[string]any)
		same(t, "RADIUS", read, settings)
	}
	tf.do(t, "DisableRadius", of(id))
	if left := tf.directory(t, tf.owner, id)["RadiusSettings"]; left != nil {
		t.Errorf("RADIUS is there: %v", left)
	}
}

// region is an aws_directory_service_region: made from the primary Region, tagged and ended in its own.
func (tf terraform) region(t *testing.T, id string) {
	t.Helper()
	read := func() map[string]any {
		return found(t, tf.owner, "DescribeRegions", "RegionsDescription", of(id, "RegionName", westRegion))
	}
	tf.do(t, "AddRegion", of(id, "RegionName", westRegion, "VPCSettings", network()))
	tf.wait(t, "the Region", func() string { return member(read(), "Status") }, []string{"Requested", "Creating", "Created"}, "Active")
	same(t, "the Region", read(), map[string]any{"DirectoryId": id, "RegionName": westRegion})
	vpc, _ := read()["VpcSettings"].(map[string]any)
	same(t, "the Region's network", vpc, map[string]any{"VpcId": network()["VpcId"], "SubnetIds": network()["SubnetIds"]})
	tf.owner(t, westRegion, "AddTagsToResource", map[string]any{"ResourceId": id, "Tags": []map[string]any{{"Key": "where", "Value": "west"}}}).accepted(t)
	if got := tf.tags(t, westRegion, id); got != "where=west" {
		t.Errorf("the Region's tags drift: %s", got)
	}
	if got := tf.tags(t, home, id); strings.Contains(got, "where") {
		t.Errorf("the directory's tags drift: %s", got)
	}
	tf.owner(t, westRegion, "RemoveRegion", of(id)).accepted(t)
	tf.wait(t, "the Region", func() string { return member(read(), "Status") }, []string{"Active", "Deleting"}, "Deleted", never)
}

// shared is an aws_directory_service_shared_directory and its accepter in another account.
func (tf terraform) shared(t *testing.T, id string) {
	t.Helper()
	target := map[string]any{"Id": consumer, "Type": "ACCOUNT"}
	theirs, _ := tf.do(t, "ShareDirectory", of(id, "ShareTarget", target, "ShareMethod", "HANDSHAKE", "ShareNotes", "by Terraform"))["SharedDirectoryId"].(string)
	read := func() map[string]any {
		return found(t, tf.owner, "DescribeSharedDirectories", "SharedDirectories", map[string]any{"OwnerDirectoryId": id, "SharedDirectoryIds": []string{theirs}})
	}
	same(t, "the share", read(), map[string]any{"OwnerDirectoryId": id, "ShareMethod": "HANDSHAKE", "ShareNotes": "by Terraform", "SharedDirectoryId": theirs, "SharedAccountId": consumer})
	accepted := tf.taker(t, home, "AcceptSharedDirectory", map[string]any{"SharedDirectoryId": theirs})
	accepted.accepted(t)
	if notes := accepted.Output["SharedDirectory"].(map[string]any)["ShareNotes"]; notes != "by Terraform" {
		t.Errorf("the notes are %v", notes)
	}
	tf.wait(t, "the share", func() string { return member(tf.directory(t, tf.taker, theirs), "ShareStatus") }, []string{"PendingAcceptance", "Sharing"}, "Shared")
	seen := tf.directory(t, tf.taker, theirs)
	of, _ := seen["OwnerDirectoryDescription"].(map[string]any)
	same(t, "the accepter", seen, map[string]any{"ShareMethod": "HANDSHAKE", "DirectoryId": theirs})
	same(t, "the accepter", of, map[string]any{"AccountId": "123456789012", "DirectoryId": id})
	tf.destroy(t, tf.taker, theirs)
	if read() != nil { // the accepter's end leaves the owner's resource to be unshared, if it is still there
		tf.do(t, "UnshareDirectory", map[string]any{"DirectoryId": id, "UnshareTarget": target})
	}
	tf.wait(t, "the share", func() string { return member(read(), "ShareStatus") }, []string{"Deleting", "Shared", "PendingAcceptance", "RejectFailed", "ShareFailed", "Rejected", "Rejecting"}, "Deleted", never)
}

// trust is an aws_directory_service_trust to a domain that has no half of it yet: the provider takes VerifyFailed for the state
// in which that is waited for.
func (tf terraform) trust(t *testing.T, id, remote, address string, selective bool) {
	t.Helper()
	input := trusting(id, remote, "Two-Way", "TrustType", "Forest", "ConditionalForwarderIpAddrs", []string{address})
	made, _ := tf.do(t, "CreateTrust", input)["TrustId"].(string)
	read := func() map[string]any {
		return found(t, tf.owner, "DescribeTrusts", "Trusts", of(id, "TrustIds", []string{made}))
	}
	state := func() string { return member(read(), "TrustState") }
	forwarder := func() map[string]any {
		return found(t, tf.owner, "DescribeConditionalForwarders", "ConditionalForwarders", of(id, "RemoteDomainNames", []string{remote}))
	}
	tf.wait(t, "the trust", state, []string{"Creating", "Created", "Verifying"}, "Verified", "VerifyFailed")
	same(t, "the trust", read(), map[string]any{"DirectoryId": id, "RemoteDomainName": remote, "TrustDirection": "Two-Way", "TrustType": "Forest", "SelectiveAuth": "Disabled"})
	same(t, "the trust's forwarder", forwarder(), map[string]any{"DnsIpAddrs": []string{address}})
	if selective {
		tf.do(t, "UpdateTrust", map[string]any{"TrustId": made, "SelectiveAuth": "Enabled"})
		tf.wait(t, "the trust", state, []string{"Updating", "Updated", "Verifying"}, "Verified", "VerifyFailed")
		same(t, "the trust", read(), map[string]any{"SelectiveAuth": "Enabled"})
	}
	tf.do(t, "UpdateConditionalForwarder", forwarding(id, remote, "192.0.2.7"))
	same(t, "the trust's forwarder", forwarder(), map[string]any{"DnsIpAddrs": []string{"192.0.2.7"}})
	tf.do(t, "DeleteTrust", map[string]any{"TrustId": made, "DeleteAssociatedConditionalForwarder": true})
	tf.wait(t, "the trust", state, []string{"Created", "Deleting", "Deleted"}, never)
	if left := forwarder(); left != nil {
		t.Errorf("the trust's forwarder is there: %v", left)
	}
}

// logging gives a server the log group of the tests.
func logging(t *testing.T) func(*config.Config) {
	return func(c *config.Config) {
		c.LogGroup = []string{"terraform=" + filepath.Join(t.TempDir(), "events.jsonl")}
	}
}

// TestTerraform: the calls that Terraform's AWS provider makes for each of its resources, from apply to destroy, on an embedded
// directory.
func TestTerraform(t *testing.T) {
	t.Parallel()
	const address = "127.82.26.8"
	radiusServer(t, address)
	s := start(t, "", developing, logging(t))
	tf := terraform{owner: account(s, "123456789012"), taker: account(s, consumer), group: "terraform"}
	plain := tf.create(t, "CreateDirectory", simple("plain.example.com"))
	input := managed("made.example.com")
	input["Edition"] = "Enterprise"
	made := tf.create(t, "CreateMicrosoftAD", input)
	connection := connecting("plain.example.com", "Administrator", adminPassword, "127.0.0.1")
	delete(connection, "ShortName")
	connected := tf.create(t, "ConnectDirectory", connection)
	for i, id := range []string{plain, made, connected} {
		tf.change(t, id, fmt.Sprint("terraform-", i))
	}
	tf.forwarder(t, made)
	tf.subscription(t, made)
	tf.radius(t, made, address)
	tf.radius(t, connected, address)
	tf.region(t, made)
	tf.shared(t, made)
	tf.trust(t, made, remoteDomain, "192.0.2.8", true)
	for _, id := range []string{connected, plain, made} {
		tf.destroy(t, tf.owner, id)
	}
}

// TestTerraformSamba: the same on Samba, with a second domain controller; selective authentication is not to be had there.
func TestTerraformSamba(t *testing.T) {
	t.Parallel()
	needSamba(t)
	const address = "127.82.26.7"
	radiusServer(t, address)
	s := start(t, "", developing, onSamba(1, "127.82.26.1", "127.82.26.2", "127.82.26.3"), logging(t))
	tf := terraform{owner: account(s, "123456789012"), taker: account(s, consumer), group: "terraform"}
	plain := tf.create(t, "CreateDirectory", simple("plain.example.com"))
	input := managed("made.example.com")
	input["Edition"] = "Enterprise"
	made := tf.create(t, "CreateMicrosoftAD", input)
	tf.change(t, plain, "terraform-samba")
	tf.controllers(t, made, 2)
	tf.forwarder(t, made)
	tf.subscription(t, made)
	tf.radius(t, made, address)
	tf.region(t, made)
	tf.shared(t, made)
	addresses, _ := tf.directory(t, tf.owner, plain)["DnsIpAddrs"].([]any)
	tf.trust(t, made, "plain.example.com", fmt.Sprint(addresses[0]), false)
	for _, id := range []string{plain, made} {
		tf.destroy(t, tf.owner, id)
	}
}

// controllers is a change of desired_number_of_domain_controllers.
func (tf terraform) controllers(t *testing.T, id string, number int) {
	t.Helper()
	tf.do(t, "UpdateNumberOfDomainControllers", of(id, "DesiredNumber", number))
	all := tf.owner(t, home, "DescribeDomainControllers", of(id)).list(t, "DomainControllers")
	if len(all) != number {
		t.Errorf("%d domain controllers at once, want %d: the provider waits for those that it sees", len(all), number)
	}
	for _, controller := range all {
		read := func() string {
			return member(found(t, tf.owner, "DescribeDomainControllers", "DomainControllers", of(id, "DomainControllerIds", []any{controller["DomainControllerId"]})), "Status")
		}
		tf.wait(t, "a domain controller", read, []string{"Creating"}, "Active")
	}
	same(t, "domain controllers", tf.directory(t, tf.owner, id), map[string]any{"DesiredNumberOfDomainControllers": number})
}
