package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/directory/embedded"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

const (
	account  = "123456789012"
	region   = "us-east-1"
	password = "Pq7-of-a-test-Lantern"
)

func at(region string) *operation.Call { return &operation.Call{Account: account, Region: region} }

// newService has directories on engines that are called embedded, samba and remote, and are all the embedded one.
func newService(t *testing.T) (*Service, map[string]store.Directory) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	records, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	keyring, err := embedded.NewKeyring(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := embedded.New(records, keyring, nil, logger, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	held := lifecycle.NewEmbedded(engine)
	worker, err := lifecycle.Start(t.Context(), records, lifecycle.Options{
		Engines: lifecycle.Engines{lifecycle.Embedded: held, lifecycle.Samba: held, lifecycle.Remote: held}, Sealer: keyring, Queue: lifecycle.NewQueue(), Node: "0123456789",
		Logger: logger, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Stop)
	made := map[string]store.Directory{}
	for name, wanted := range map[string]store.Directory{
		"corp": {Type: "MicrosoftAD", Name: "corp.example.com", ShortName: "CORP", Engine: lifecycle.Samba},
		"lab":  {Type: "SimpleAD", Name: "lab.example.com", ShortName: "LAB", Engine: lifecycle.Samba, Reset: store.Reset{Bases: []string{"CN=Users,DC=lab,DC=example,DC=com"}, LeaveOut: []string{"pwdLastSet"}}},
		"far": {
			Type: "SimpleAD", Name: "far.example.com", ShortName: "FAR", Engine: lifecycle.Remote,
			Remote: json.RawMessage(`{"urls":["ldaps://dc7.far.example.com:1636"],"bindDn":"CN=x","bindPasswordFile":"/x","caFile":"/etc/ca.pem"}`),
		},
		"own": {Type: "SimpleAD", Name: "own.example.com", ShortName: "OWN"},
	} {
		wanted.Account, wanted.Region = account, region
		record, err := worker.Create(t.Context(), wanted, []byte(password))
		if err != nil {
			t.Fatal(err)
		}
		waiting, stop := context.WithTimeout(t.Context(), 30*time.Second)
		err = worker.Await(waiting, record.ID)
		stop()
		if err != nil {
			t.Fatal(err)
		}
		made[name] = record
	}
	return &Service{Directories: worker.Directories(), Lifecycle: worker}, made
}

// wantFault fails unless the error is that exception, with that in its text.
func wantFault(t *testing.T, err error, code, text string) {
	t.Helper()
	if f := fault.From(err); err == nil || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

// TestTable: the table has the model's operations, all of them.
func TestTable(t *testing.T) {
	table, err := new(Service).Table()
	if err != nil {
		t.Fatal(err)
	}
	for _, modelled := range wire.Latchkey.Operations() {
		if spec := table[modelled.Name]; spec.Run == nil {
			t.Errorf("%s is not in the table", modelled.Name)
		}
		delete(table, modelled.Name)
	}
	if len(table) != 0 {
		t.Errorf("the model lacks %v", table)
	}
}

func TestDelegation(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	describe := func(in DescribeDelegationRequest) ([]Command, error) {
		out, err := s.describeDelegation(t.Context(), at(region), &in)
		if err != nil {
			return nil, err
		}
		return out.Commands, nil
	}
	corp, lab, own := made["corp"].ID, made["lab"].ID, made["own"].ID
	purposes := func(commands []Command) (all []string) {
		for _, c := range commands {
			all = append(all, *c.Purpose)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}

	// Without any OU it is the customer's; with bases for resets, those.
	for id, base := range map[string]string{corp: "OU=CORP,DC=corp,DC=example,DC=com", lab: "CN=Users,DC=lab,DC=example,DC=com"} {
		commands, err := describe(DescribeDelegationRequest{DirectoryId: &id, Account: new("krbtgt")})
		if err != nil {
			t.Fatal(err)
		}
		if got := purposes(commands); !slices.Equal(got, []string{PurposeManagement, PurposeReset}) {
			t.Errorf("purposes %v", got)
		}
		for _, c := range commands {
			if *c.Dialect != DialectDsacls && *c.Dialect != DialectSambaTool || !strings.HasPrefix(*c.Command, *c.Dialect+" ") || !strings.Contains(*c.Command, base) || *c.Grants == "" {
				t.Errorf("%s: %s: %s", *c.Dialect, *c.Grants, *c.Command)
			}
			if id == lab && *c.Purpose == PurposeReset && strings.Contains(*c.Command, "pwdLastSet") {
				t.Errorf("what resets leave out is granted: %s", *c.Command)
			}
		}
	}

	commands, err := describe(DescribeDelegationRequest{DirectoryId: &corp, Account: new(`corp\Admin`), Purpose: new(PurposeReset), OrganizationalUnits: []string{"OU=Users,OU=CORP,DC=corp,DC=example,DC=com"}})
	if err != nil || !slices.Equal(purposes(commands), []string{PurposeReset}) {
		t.Errorf("%v, %v", purposes(commands), err)
	}

	commands, err = describe(DescribeDelegationRequest{DirectoryId: new(made["far"].ID), Account: new("Administrator"), Purpose: new(PurposeReset)})
	if err != nil || !slices.ContainsFunc(commands, func(c Command) bool { return strings.Contains(*c.Command, "://dc7.far.example.com'") }) {
		t.Errorf("%v, %v: no command names the domain controller", commands, err)
	}

	_, err = describe(DescribeDelegationRequest{DirectoryId: &corp, Account: new(`LAB\Admin`)})
	wantFault(t, err, fault.EntityDoesNotExist, `LAB\Admin`)
	_, err = describe(DescribeDelegationRequest{DirectoryId: &corp, Account: new("nobody")})
	wantFault(t, err, fault.EntityDoesNotExist, "nobody")
	_, err = describe(DescribeDelegationRequest{DirectoryId: &corp, Account: new("Admin"), OrganizationalUnits: []string{"OU=x,DC=lab,DC=example,DC=com"}})
	wantFault(t, err, fault.InvalidParameter, "is not in DC=corp,DC=example,DC=com")
	_, err = describe(DescribeDelegationRequest{DirectoryId: &corp, Account: new("Admin"), OrganizationalUnits: []string{"Sales"}})
	wantFault(t, err, fault.InvalidParameter, `"Sales" is not a DN`)
	_, err = describe(DescribeDelegationRequest{DirectoryId: &own, Account: new("Administrator")})
	wantFault(t, err, fault.UnsupportedOperation, "embedded")
	_, err = describe(DescribeDelegationRequest{DirectoryId: new("d-ffffffffff"), Account: new("x")})
	wantFault(t, err, fault.EntityDoesNotExist, "d-ffffffffff")
}

// TestCheckOfControllers: a domain controller that is down is a failed check, with its reason.
func TestCheckOfControllers(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	record, err := s.Directories.Find(made["corp"].ID)
	if err != nil {
		t.Fatal(err)
	}
	record.Stage, record.StageReason = lifecycle.Impaired, "dc2: it ended"
	record.Controllers = []store.Controller{{Host: "dc1", Stage: lifecycle.Active}, {Host: "dc2", Stage: lifecycle.Impaired, StageReason: "it ended"}, {Host: "dc3", Stage: lifecycle.Creating}}
	var got []string
	for _, f := range s.examine(t.Context(), record) {
		got = append(got, *f.Status+" "+*f.Name+": "+*f.Detail)
		if (f.Fix != nil) != (*f.Name == "domain controller dc2") {
			t.Errorf("%s: a fix is %v", *f.Name, f.Fix != nil)
		}
	}
	want := []string{
		"failed stage: Impaired: dc2: it ended", "ok domain controller dc1: Active", "failed domain controller dc2: Impaired: it ended",
		"warning domain controller dc3: Creating", "ok answers: DC=corp,DC=example,DC=com in ",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err = s.checkDirectory(t.Context(), at("eu-west-1"), &CheckDirectoryRequest{DirectoryId: &record.ID})
	wantFault(t, err, fault.EntityDoesNotExist, "It is in Region us-east-1")
}

// TestRollKrbtgt: the key of what Latchkey holds is rolled, of no domain that somebody else runs.
func TestRollKrbtgt(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	for name, record := range made {
		if name == "far" {
			_, err := s.rollKrbtgt(t.Context(), at(region), &RollKrbtgtRequest{DirectoryId: &record.ID})
			wantFault(t, err, fault.UnsupportedOperation, "is not Latchkey's")
			continue
		}
		for version := int32(2); version < 4; version++ {
			out, err := s.rollKrbtgt(t.Context(), at(region), &RollKrbtgtRequest{DirectoryId: &record.ID})
			if err != nil || *out.DirectoryId != record.ID || *out.KeyVersionNumber != version {
				t.Errorf("%s: %v, %v", name, out, err)
			}
		}
	}
	_, err := s.rollKrbtgt(t.Context(), at(region), &RollKrbtgtRequest{DirectoryId: new("d-0000000000")})
	wantFault(t, err, fault.EntityDoesNotExist, "d-0000000000")
}

// TestDetach: an attached domain goes; what Latchkey holds is not detached, as that would delete it.
func TestDetach(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	for name, record := range made {
		out, err := s.detachDirectory(t.Context(), at(region), &DetachDirectoryRequest{DirectoryId: &record.ID})
		if name == "far" {
			if err != nil || *out.DirectoryId != record.ID {
				t.Errorf("%v, %v", out, err)
			}
			continue
		}
		wantFault(t, err, fault.UnsupportedOperation, "is not an attached domain")
		if there, err := s.Directories.Find(record.ID); err != nil || there.Stage != lifecycle.Active {
			t.Errorf("%s: %v, %v", name, there.Stage, err)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		there, err := s.Directories.Find(made["far"].ID)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the domain is still attached: %v, %v", there.Stage, err)
		}
	}
}
