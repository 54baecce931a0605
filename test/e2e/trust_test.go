package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/config"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

const (
	trustPassword = marker + "-trust-Harbour"
	wrongPassword = marker + "-other-Harbour"
)

// trusting is the input of CreateTrust.
func trusting(id, domain, direction string, more ...any) map[string]any {
	return of(id, append([]any{"RemoteDomainName", domain, "TrustDirection", direction, "TrustPassword", trustPassword}, more...)...)
}

func createTrust(t *testing.T, call caller, input map[string]any) string {
	t.Helper()
	a := call(t, home, "CreateTrust", input)
	a.accepted(t)
	id, _ := a.Output["TrustId"].(string)
	return id
}

// trust is the description of a trust; nil where it is gone.
func trust(t *testing.T, call caller, id string) map[string]any {
	t.Helper()
	a := call(t, home, "DescribeTrusts", map[string]any{"TrustIds": []string{id}})
	if a.Exception == "EntityDoesNotExistException" {
		return nil
	}
	all := a.list(t, "Trusts")
	if len(all) != 1 {
		t.Fatalf("%d trusts of the id %s", len(all), id)
	}
	return all[0]
}

// awaitTrust waits for a state, and for the reason in it.
func awaitTrust(t *testing.T, call caller, id, state, reason string) map[string]any {
	t.Helper()
	var seen []string
	var last map[string]any
	await(t, state, func() bool {
		last = trust(t, call, id)
		said := fmt.Sprint(last["TrustState"], ": ", last["TrustStateReason"])
		if !slices.Contains(seen, said) {
			seen = append(seen, said)
			t.Logf("%s is %s", id, said)
		}
		why, _ := last["TrustStateReason"].(string)
		return last["TrustState"] == state && strings.Contains(why, reason)
	})
	return last
}

func trustGone(t *testing.T, call caller, id string) {
	t.Helper()
	await(t, "the end of the trust", func() bool { return trust(t, call, id) == nil })
}

// TestTrustsRecorded: a directory without domain controllers keeps trusts, and says that they have no effect. Every exception
// of the operations is seen.
func TestTrustsRecorded(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	incoming := createTrust(t, call, trusting(corpID, "in.example.org", "One-Way: Incoming"))
	outgoing := createTrust(t, call, trusting(corpID, "out.example.org.", "One-Way: Outgoing", "TrustType", "External", "SelectiveAuth", "Enabled", "ConditionalForwarderIpAddrs", []string{"192.0.2.1"}))
	awaitTrust(t, call, incoming, "Created", "")
	got := awaitTrust(t, call, outgoing, "VerifyFailed", "recorded, without effect")
	for member, want := range map[string]any{
		"DirectoryId": corpID, "RemoteDomainName": "out.example.org.", "TrustDirection": "One-Way: Outgoing", "TrustType": "External", "SelectiveAuth": "Enabled",
	} {
		if got[member] != want {
			t.Errorf("%s is %v", member, got[member])
		}
	}
	for _, member := range []string{"CreatedDateTime", "LastUpdatedDateTime", "StateLastUpdatedDateTime"} {
		if got[member] == nil {
			t.Errorf("there is no %s", member)
		}
	}
	if got := trust(t, call, incoming); got["TrustType"] != "Forest" || got["SelectiveAuth"] != "Disabled" {
		t.Errorf("by default: %v", got)
	}
	if all := call(t, home, "DescribeConditionalForwarders", of(corpID)).list(t, "ConditionalForwarders"); len(all) != 1 || all[0]["RemoteDomainName"] != "out.example.org." {
		t.Errorf("forwarders: %v", all)
	}

	a := call(t, home, "UpdateTrust", map[string]any{"TrustId": outgoing, "SelectiveAuth": "Disabled"})
	a.accepted(t)
	if a.Output["TrustId"] != outgoing || a.Output["RequestId"] == nil || a.Output["RequestId"] != a.RequestID {
		t.Errorf("%v, request %s", a.Output, a.RequestID)
	}
	if got := awaitTrust(t, call, outgoing, "VerifyFailed", "recorded"); got["SelectiveAuth"] != "Disabled" {
		t.Errorf("%v", got)
	}
	call(t, home, "VerifyTrust", map[string]any{"TrustId": incoming}).accepted(t)
	awaitTrust(t, call, incoming, "VerifyFailed", "recorded")

	// Pages hold though trusts come and go.
	var ids []string
	for i := range 5 {
		ids = append(ids, createTrust(t, call, trusting(corpID, fmt.Sprintf("p%d.example.org", i), "Two-Way")))
	}
	// The fourth is needed later. The least of the others is on the first page or the second of three.
	goes := slices.Min(slices.Concat(ids[:3], ids[4:]))
	ids = append(ids, incoming, outgoing)
	slices.Sort(ids)
	var seen []string
	input := of(corpID, "Limit", 3)
	for gone := false; ; {
		a := call(t, home, "DescribeTrusts", input)
		for _, each := range a.list(t, "Trusts") {
			seen = append(seen, each["TrustId"].(string))
		}
		if a.Output["NextToken"] == nil {
			break
		}
		input["NextToken"] = a.Output["NextToken"]
		if !gone && slices.Contains(seen, goes) {
			gone = true
			call(t, home, "DeleteTrust", map[string]any{"TrustId": goes}).accepted(t)
			trustGone(t, call, goes)
		}
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("page by page: %v, want %v", seen, ids)
	}
	if all := call(t, home, "DescribeTrusts", map[string]any{}).list(t, "Trusts"); len(all) != len(ids)-1 {
		t.Errorf("without a directory: %d", len(all))
	}

	create := func(input map[string]any) answer { return call(t, home, "CreateTrust", input) }
	create(trusting(corpID, "P3.example.org.", "Two-Way")).refused(t, "EntityAlreadyExistsException", "A trust with P3.example.org.")
	call(t, home, "CreateConditionalForwarder", forwarding(corpID, remoteDomain, "192.0.2.7")).accepted(t)
	create(trusting(corpID, remoteDomain, "Two-Way", "ConditionalForwarderIpAddrs", []string{"192.0.2.8"})).refused(t, "EntityAlreadyExistsException", "conditional forwarder")
	same := createTrust(t, call, trusting(corpID, remoteDomain, "Two-Way", "ConditionalForwarderIpAddrs", []string{"192.0.2.7"}))
	call(t, home, "DeleteTrust", map[string]any{"TrustId": same, "DeleteAssociatedConditionalForwarder": true}).accepted(t)
	trustGone(t, call, same)
	call(t, home, "DescribeConditionalForwarders", of(corpID, "RemoteDomainNames", []string{remoteDomain})).refused(t, "EntityDoesNotExistException", remoteDomain)
	create(trusting(noID, remoteDomain, "Two-Way")).refused(t, "EntityDoesNotExistException", noID)
	create(trusting(labID, remoteDomain, "Two-Way")).refused(t, "UnsupportedOperationException", "SimpleAD")
	create(trusting(corpID, "corp.example.com", "Two-Way")).refused(t, "InvalidParameterException", "own domain")
	create(trusting(corpID, remoteDomain, "Two-Way", "ConditionalForwarderIpAddrs", []string{"224.0.0.1"})).refused(t, "InvalidParameterException", "224.0.0.1")
	for i := range 100 - (len(ids) - 1) {
		create(trusting(corpID, fmt.Sprintf("m%d.example.org", i), "One-Way: Incoming")).accepted(t)
	}
	create(trusting(corpID, "more.example.org", "Two-Way")).refused(t, "ClientException", "at most 100")

	call(t, home, "DescribeTrusts", map[string]any{"TrustIds": []string{}}).refused(t, "InvalidParameterException", "TrustIds")
	call(t, home, "DescribeTrusts", of(corpID, "NextToken", "forged")).refused(t, "InvalidNextTokenException", "NextToken")
	call(t, home, "DescribeTrusts", of(noID)).refused(t, "EntityDoesNotExistException", noID)
	call(t, home, "DescribeTrusts", of(labID)).refused(t, "UnsupportedOperationException", "SimpleAD")
	const none = "t-ffffffffff"
	for _, operation := range []string{"DeleteTrust", "VerifyTrust", "UpdateTrust"} {
		call(t, home, operation, map[string]any{"TrustId": none, "SelectiveAuth": "Enabled"}).refused(t, "EntityDoesNotExistException", none)
		call(t, westRegion, operation, map[string]any{"TrustId": incoming, "SelectiveAuth": "Enabled"}).refused(t, "EntityDoesNotExistException", incoming)
	}
	call(t, home, "DescribeTrusts", map[string]any{"TrustIds": []string{incoming, none}}).refused(t, "EntityDoesNotExistException", none)
	call(t, home, "UpdateTrust", map[string]any{"TrustId": incoming}).refused(t, "InvalidParameterException", "SelectiveAuth")

	s.stop()
	noSecrets(t, s)
	again := start(t, "", func(c *config.Config) { c.Data = s.data })
	if got := trust(t, goClient(t, again), incoming); got["TrustState"] != "VerifyFailed" || got["RemoteDomainName"] != "in.example.org" {
		t.Errorf("after a restart: %v", got)
	}
}

// TestTrustsRefused: a domain that somebody else runs, a directory that does not work and another account's have no trusts and
// conditional forwarders to make or change.
func TestTrustsRefused(t *testing.T) {
	t.Parallel()
	const remoteID, foreignID, stuckID = "d-00000000e7", "d-00000000f0", "d-00000000e8"
	const foreign, stuck = "t-00000000f0", "t-00000000e8"
	first := start(t, worldSeed)
	first.stop()
	record := func(id, account, engine, stage string, trusts ...store.Trust) store.Directory {
		return store.Directory{
			ID: id, Account: account, Region: home, Type: "MicrosoftAD", Name: "n" + id[9:] + ".example.com", ShortName: "N" + id[9:], SID: "S-1-5-21-1-2-3", Stage: stage, Engine: engine,
			Trusts: trusts, Forwarders: []store.Forwarder{{RemoteDomain: remoteDomain, Addresses: []string{"192.0.2.1"}, Scope: "Domain"}},
		}
	}
	kept := func(id string) store.Trust {
		return store.Trust{ID: id, RemoteDomain: remoteDomain, Type: "Forest", Direction: "Two-Way", SelectiveAuth: "Disabled", Status: store.Status{State: "Verified"}}
	}
	putRecords(t, first.data, []store.Directory{
		record(remoteID, "123456789012", lifecycle.Remote, "Failed"), record(foreignID, "999999999999", "", "Failed", kept(foreign)), record(stuckID, "123456789012", "", "Failed", kept(stuck)),
	}, nil)
	s := start(t, "", func(c *config.Config) { c.Data = first.data })
	call := goClient(t, s)
	for _, operation := range []string{"CreateConditionalForwarder", "UpdateConditionalForwarder", "DeleteConditionalForwarder"} {
		call(t, home, operation, forwarding(remoteID, remoteDomain, "192.0.2.2")).refused(t, "UnsupportedOperationException", "somebody else")
		call(t, home, operation, forwarding(stuckID, remoteDomain, "192.0.2.2")).refused(t, "DirectoryUnavailableException", "Failed")
		call(t, home, operation, forwarding(foreignID, remoteDomain, "192.0.2.2")).refused(t, "EntityDoesNotExistException", foreignID)
	}
	call(t, home, "DescribeConditionalForwarders", of(foreignID)).refused(t, "EntityDoesNotExistException", foreignID)
	call(t, home, "CreateTrust", trusting(remoteID, remoteDomain, "Two-Way")).refused(t, "UnsupportedOperationException", "somebody else")
	call(t, home, "CreateTrust", trusting(stuckID, "other.example.org", "Two-Way")).refused(t, "ClientException", "Failed")
	call(t, home, "CreateTrust", trusting(foreignID, remoteDomain, "Two-Way")).refused(t, "EntityDoesNotExistException", foreignID)
	for _, operation := range []string{"DeleteTrust", "VerifyTrust", "UpdateTrust"} {
		call(t, home, operation, map[string]any{"TrustId": stuck, "SelectiveAuth": "Enabled"}).refused(t, "ClientException", "Failed")
		call(t, home, operation, map[string]any{"TrustId": foreign, "SelectiveAuth": "Enabled"}).refused(t, "EntityDoesNotExistException", foreign)
	}
	call(t, home, "DescribeTrusts", map[string]any{"TrustIds": []string{foreign}}).refused(t, "EntityDoesNotExistException", foreign)
	if all := call(t, home, "DescribeTrusts", map[string]any{}).list(t, "Trusts"); len(all) != 1 || all[0]["TrustId"] != stuck {
		t.Errorf("the account's trusts: %v", all)
	}
	for _, operation := range []string{"DescribeTrusts", "DescribeConditionalForwarders"} {
		call(t, home, operation, of(stuckID)).accepted(t)
		call(t, home, operation, of(remoteID)).accepted(t)
	}
}

// comesIn tells by which of Kerberos and NTLM a user of one domain is let in by a domain controller of another one.
func comesIn(t *testing.T, from, to domain, host, user, password string) string {
	t.Helper()
	dir := t.TempDir()
	var realms strings.Builder
	for _, d := range []domain{from, to} {
		fmt.Fprintf(&realms, " %s = {\n  kdc = %s\n }\n", strings.ToUpper(d.name), d.address)
	}
	for file, text := range map[string]string{
		"krb5.conf": "[libdefaults]\n default_realm = " + strings.ToUpper(from.name) + "\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n dns_canonicalize_hostname = false\n[realms]\n" + realms.String(),
		"smb.conf":  "[global]\nworkgroup = " + from.netbios + "\nclient min protocol = SMB2\nlock directory = " + dir + "\nstate directory = " + dir + "\ncache directory = " + dir + "\nprivate dir = " + dir + "\n",
		"auth":      fmt.Sprintf("username=%s\npassword=%s\ndomain=%s\n", user, password, from.netbios),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(input, name, pack string, args ...string) (string, bool) {
		command := exec.CommandContext(t.Context(), program(t, name, pack), args...)
		command.Env = environment(t, from.s, "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5CCNAME=FILE:"+filepath.Join(dir, "ccache"), "SMB_CONF_PATH="+filepath.Join(dir, "smb.conf"))
		command.Stdin = strings.NewReader(input)
		var said bytes.Buffer
		command.Stdout, command.Stderr = &said, &said
		err := command.Run()
		return said.String(), err == nil
	}
	if said, ok := run(password+"\n", "kinit", "krb5-user", user+"@"+strings.ToUpper(from.name)); !ok {
		t.Fatalf("%s can't log in at home: %s", user, said)
	}
	var ways []string
	share := []string{"//" + host + "." + to.name + "/sysvol", "-I", to.address, "-c", "ls"}
	for way, args := range map[string][]string{
		"Kerberos": {"--use-kerberos=required", "--use-krb5-ccache=" + filepath.Join(dir, "ccache")},
		"NTLM":     {"--use-kerberos=off", "-A", filepath.Join(dir, "auth")},
	} {
		said, ok := run("", "smbclient", "smbclient", append(args, share...)...)
		if ok && strings.Contains(said, to.name) {
			ways = append(ways, way)
		}
		t.Logf("%s of %s at %s by %s: %t %s", user, from.name, to.name, way, ok, strings.Join(strings.Fields(said), " "))
	}
	slices.Sort(ways)
	return strings.Join(ways, ",")
}

// TestTrust: two domains on Samba trust each other from the making of both halves to the end of one, and users come in as the
// trust's direction says; their DNS asks each other.
func TestTrust(t *testing.T) {
	needSamba(t)
	t.Parallel()
	onOurs := onSamba(1, "127.82.22.1", "127.82.22.2")
	s := start(t, "", onOurs)
	call := goClient(t, s)
	north, south := domain{s: s, name: "north.example.com", netbios: "NORTH"}, domain{s: s, name: "south.example.net", netbios: "SOUTH"}
	ids := map[string]string{}
	for _, d := range []*domain{&north, &south} {
		input := managed(d.name)
		input["ShortName"] = d.netbios
		a := call(t, home, "CreateMicrosoftAD", input)
		a.accepted(t)
		ids[d.name], _ = a.Output["DirectoryId"].(string)
	}
	northID, southID := ids[north.name], ids[south.name]
	for _, operation := range []string{"CreateConditionalForwarder", "UpdateConditionalForwarder", "DeleteConditionalForwarder"} {
		call(t, home, operation, forwarding(southID, remoteDomain, "127.82.22.8")).refused(t, "DirectoryUnavailableException", "stage")
	}
	call(t, home, "CreateTrust", trusting(southID, north.name, "Two-Way")).refused(t, "ClientException", "stage")
	for _, d := range []*domain{&north, &south} {
		addresses, _ := awaitStage(t, call, ids[d.name], "Active")["DnsIpAddrs"].([]any)
		d.address, _ = addresses[0].(string)
		d.as(t, "Admin", "ldapadd", "dn: CN=of "+d.netbios+",OU=Users,OU="+d.netbios+","+d.base()+"\nobjectClass: user\nsAMAccountName: of"+d.netbios+"\n")
		call(t, home, "ResetUserPassword", reset(ids[d.name], "of"+d.netbios, firstPassword+d.netbios)).accepted(t)
	}
	comes := func(from, to domain, want string) {
		t.Helper()
		if got := comesIn(t, from, to, "dc1", "of"+from.netbios, firstPassword+from.netbios); got != want {
			t.Errorf("users of %s come in at %s by %q, want %q", from.name, to.name, got, want)
		}
	}
	const both = "Kerberos,NTLM"
	forwards(t, call, northID, north, "127.82.22.8", "127.82.22.9")
	comes(south, north, "")

	// A domain that can't be found can't be trusted.
	failed := createTrust(t, call, trusting(northID, "nowhere.example.org", "Two-Way"))
	awaitTrust(t, call, failed, "Failed", "No domain controller")
	call(t, home, "VerifyTrust", map[string]any{"TrustId": failed}).refused(t, "ClientException", "Failed")
	call(t, home, "UpdateTrust", map[string]any{"TrustId": failed, "SelectiveAuth": "Disabled"}).refused(t, "ClientException", "Failed")
	call(t, home, "DeleteTrust", map[string]any{"TrustId": failed}).accepted(t)
	trustGone(t, call, failed)

	// One half, another with another password, and the right one.
	toSouth := []any{"ConditionalForwarderIpAddrs", []string{south.address}}
	toNorth := []any{"ConditionalForwarderIpAddrs", []string{north.address}}
	ours := createTrust(t, call, trusting(northID, south.name, "Two-Way", toSouth...))
	awaitTrust(t, call, ours, "VerifyFailed", "The other domain has no half")
	comes(south, north, "")
	wrong := trusting(southID, north.name, "Two-Way", toNorth...)
	wrong["TrustPassword"] = wrongPassword
	theirs := createTrust(t, call, wrong)
	awaitTrust(t, call, theirs, "VerifyFailed", "different passwords")
	awaitTrust(t, call, ours, "VerifyFailed", "different passwords")
	comes(south, north, "")
	call(t, home, "DeleteTrust", map[string]any{"TrustId": theirs}).accepted(t)
	trustGone(t, call, theirs)
	theirs = createTrust(t, call, trusting(southID, north.name, "Two-Way", toNorth...))
	awaitTrust(t, call, theirs, "Verified", "")
	awaitTrust(t, call, ours, "Verified", "")
	comes(south, north, both)
	comes(north, south, both)
	if got := looksUp(t, north, "dc1."+south.name); got != south.address {
		t.Errorf("dc1.%s is %q", south.name, got)
	}

	call(t, home, "UpdateTrust", map[string]any{"TrustId": ours, "SelectiveAuth": "Enabled"}).refused(t, "ClientException", "Selective authentication")
	call(t, home, "CreateTrust", trusting(northID, remoteDomain, "Two-Way", "SelectiveAuth", "Enabled")).refused(t, "UnsupportedOperationException", "Selective authentication")
	call(t, home, "UpdateTrust", map[string]any{"TrustId": ours, "SelectiveAuth": "Disabled"}).accepted(t)
	awaitTrust(t, call, ours, "Verified", "")

	// One half goes: nobody comes in any more, and the other half knows it.
	call(t, home, "DeleteTrust", map[string]any{"TrustId": ours, "DeleteAssociatedConditionalForwarder": true}).accepted(t)
	trustGone(t, call, ours)
	awaitTrust(t, call, theirs, "VerifyFailed", "The other domain has no half")
	comes(south, north, "")
	comes(north, south, "")
	await(t, "no answer", func() bool { return looksUp(t, north, "dc1."+south.name) == "" })
	call(t, home, "DeleteTrust", map[string]any{"TrustId": theirs}).accepted(t)
	trustGone(t, call, theirs)

	// In one direction, and with the server stopped on the way.
	ours = createTrust(t, call, trusting(northID, south.name, "One-Way: Outgoing", append(toSouth, "TrustType", "External")...))
	theirs = createTrust(t, call, trusting(southID, north.name, "One-Way: Incoming", "TrustType", "External"))
	s.stop()
	noSecrets(t, s)
	again := start(t, "", onOurs, func(c *config.Config) { c.Data = s.data })
	north.s, south.s = again, again
	call = goClient(t, again)
	awaitTrust(t, call, theirs, "Created", "")
	awaitTrust(t, call, ours, "Verified", "")
	comes(south, north, both)
	comes(north, south, "")
	call(t, home, "VerifyTrust", map[string]any{"TrustId": theirs}).accepted(t)
	awaitTrust(t, call, theirs, "Verified", "")

	// A directory takes its halves along.
	call(t, home, "DeleteDirectory", of(southID)).accepted(t)
	gone(t, call, home, southID)
	if got := trust(t, call, theirs); got != nil {
		t.Errorf("a trust of a deleted directory: %v", got)
	}
	awaitTrust(t, call, ours, "VerifyFailed", "")
	call(t, home, "DeleteTrust", map[string]any{"TrustId": ours}).accepted(t)
	trustGone(t, call, ours)
}

// TestTrustOfSeveral: each domain controller of two domains lets the other's users in once the trust is verified, and none when
// it is gone.
func TestTrustOfSeveral(t *testing.T) {
	needSamba(t)
	t.Parallel()
	s := start(t, "", onSamba(2, "127.82.22.11", "127.82.22.12", "127.82.22.13", "127.82.22.14"))
	call := goClient(t, s)
	ids, domains := make([]string, 2), make([]domain, 2)
	for i, name := range []string{"east", "west"} {
		domains[i] = domain{s: s, name: name + ".example.com", netbios: strings.ToUpper(name)}
		input := managed(domains[i].name)
		input["ShortName"] = domains[i].netbios
		a := call(t, home, "CreateMicrosoftAD", input)
		a.accepted(t)
		ids[i], _ = a.Output["DirectoryId"].(string)
	}
	controllers := make([][]domain, 2)
	for i, d := range domains {
		addresses, _ := awaitStage(t, call, ids[i], "Active")["DnsIpAddrs"].([]any)
		for _, address := range addresses {
			d.address = address.(string)
			controllers[i] = append(controllers[i], d)
		}
		if len(controllers[i]) != 2 {
			t.Fatalf("%s has the addresses %v", d.name, addresses)
		}
		controllers[i][0].as(t, "Admin", "ldapadd", "dn: CN=of "+d.netbios+",OU=Users,OU="+d.netbios+","+d.base()+"\nobjectClass: user\nsAMAccountName: of"+d.netbios+"\n")
		call(t, home, "ResetUserPassword", reset(ids[i], "of"+d.netbios, firstPassword)).accepted(t)
	}
	comes := func(want string) {
		t.Helper()
		for i, d := range domains {
			from := controllers[1-i][0]
			for n, to := range controllers[i] {
				host := fmt.Sprint("dc", n+1)
				if got := comesIn(t, from, to, host, "of"+from.netbios, firstPassword); got != want {
					t.Errorf("at %s of %s users of %s come in by %q, want %q", host, d.name, from.name, got, want)
				}
			}
		}
	}
	comes("")
	trusts := make([]string, 2)
	for i := range domains {
		other := controllers[1-i]
		trusts[i] = createTrust(t, call, trusting(ids[i], other[0].name, "Two-Way", "ConditionalForwarderIpAddrs", []string{other[0].address, other[1].address}))
	}
	for _, id := range trusts {
		awaitTrust(t, call, id, "Verified", "")
	}
	comes("Kerberos,NTLM")
	for n, d := range controllers[0] {
		if got := looksUp(t, d, "dc2."+domains[1].name); got != controllers[1][1].address {
			t.Errorf("dc%d finds dc2.%s at %q", n+1, domains[1].name, got)
		}
	}
	call(t, home, "DeleteTrust", map[string]any{"TrustId": trusts[0]}).accepted(t)
	trustGone(t, call, trusts[0])
	awaitTrust(t, call, trusts[1], "VerifyFailed", "")
	comes("")
}
