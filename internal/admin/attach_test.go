package admin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

// asked is the least that AttachDirectory can be asked.
func asked(kind, name string, change func(*AttachDirectoryRequest)) *AttachDirectoryRequest {
	in := &AttachDirectoryRequest{Type: &kind, Name: &name, BindDn: new("CN=x"), BindPasswordFile: new("/nowhere/password"), Urls: []string{"ldaps://127.0.0.1:1"}}
	if change != nil {
		change(in)
	}
	return in
}

// TestDraft: what is left out has AWS's defaults in a new record, and in one that is there what it had.
func TestDraft(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	far, err := s.Directories.Find(made["far"].ID)
	if err != nil {
		t.Fatal(err)
	}
	far.Size, far.Description, far.Reset.MustChange = "Large", "far away", true
	if err := s.Directories.Put(t.Context(), &far); err != nil {
		t.Fatal(err)
	}
	replaced, described := far, far
	replaced.Reset = store.Reset{History: true, ReadBack: true, Bases: []string{"OU=a"}, LeaveOut: []string{"lockoutTime", "pwdLastSet"}}
	described.Reset, described.Size, described.Description = store.Reset{}, "Small", "nearer"
	for name, c := range map[string]struct {
		in   *AttachDirectoryRequest
		want store.Directory
	}{
		"a Managed Microsoft AD": {
			asked("MicrosoftAD", "Corp-of-a-long-name.Example.com", nil),
			store.Directory{Account: account, Region: region, Type: "MicrosoftAD", Name: "corp-of-a-long-name.example.com", ShortName: "CORP-OF-A-LONG", Edition: "Enterprise"},
		},
		"a Simple AD": {
			asked("SimpleAD", "lab.example.com", func(in *AttachDirectoryRequest) { in.ShortName, in.Description = new("labor"), new("x") }),
			store.Directory{Account: account, Region: region, Type: "SimpleAD", Name: "lab.example.com", ShortName: "LABOR", Size: "Small", Description: "x"},
		},
		"other settings": {
			asked("SimpleAD", "far.example.com", func(in *AttachDirectoryRequest) {
				in.DirectoryId, in.RespectHistory, in.ReadBack = &far.ID, new(true), new(true)
				in.ResetBases, in.LeaveOut = []string{"OU=a"}, []string{"pwdLastSet", "lockoutTime", "pwdLastSet"}
			}),
			replaced,
		},
		"another description": {
			asked("SimpleAD", "FAR.example.com", func(in *AttachDirectoryRequest) {
				in.DirectoryId, in.ShortName, in.Size, in.Description = &far.ID, new("Far"), new("Small"), new("nearer")
			}),
			described,
		},
	} {
		got, err := s.draft(at(region), c.in)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// TestAttachRefused: nothing is attached, and the answer says why.
func TestAttachRefused(t *testing.T) {
	t.Parallel()
	s, made := newService(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	leaving := store.Directory{
		ID: "d-00000000de", Account: account, Region: region, Type: "SimpleAD", Name: "gone.example.com", ShortName: "GONE", SID: "S-1-5-21-1-2-3",
		Engine: lifecycle.Remote, Stage: lifecycle.Deleting, Node: "another server", Remote: json.RawMessage(`{}`),
	}
	if err := s.Directories.Put(t.Context(), &leaving); err != nil {
		t.Fatal(err)
	}
	before := s.Directories.All("", "", "", 100)
	for _, c := range []struct {
		kind, name string
		change     func(*AttachDirectoryRequest)
		code, text string
	}{
		{"SimpleAD", "far.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId = new("d-ffffffffff") }, fault.EntityDoesNotExist, "d-ffffffffff"},
		{"SimpleAD", "gone.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId = &leaving.ID }, fault.DirectoryUnavailable, "Deleting"},
		{"SimpleAD", "own.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId = new(made["own"].ID) }, fault.UnsupportedOperation, "its engine is embedded"},
		{"MicrosoftAD", "far.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId = new(made["far"].ID) }, fault.InvalidParameter, "is SimpleAD far.example.com (FAR)"},
		{"SimpleAD", "near.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId = new(made["far"].ID) }, fault.InvalidParameter, "is SimpleAD far.example.com (FAR)"},
		{"SimpleAD", "far.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId, in.ShortName = new(made["far"].ID), new("NEAR") }, fault.InvalidParameter, "is SimpleAD far.example.com (FAR)"},
		{"SimpleAD", "new.example.com", func(in *AttachDirectoryRequest) { in.Edition = new("Standard") }, fault.InvalidParameter, "no Edition"},
		{"MicrosoftAD", "new.example.com", func(in *AttachDirectoryRequest) { in.Size = new("Small") }, fault.InvalidParameter, "no Size"},
		{"SimpleAD", "new.example.com", func(in *AttachDirectoryRequest) { in.Urls = []string{"ldap://127.0.0.1:1"} }, fault.InvalidParameter, "\nsettings: ldap://127.0.0.1:1: passwords travel over TLS only"},
		{"SimpleAD", "new.example.com", nil, fault.InvalidParameter, "/nowhere/password: no such file"},
		{"SimpleAD", "new.example.com", func(in *AttachDirectoryRequest) { in.BindPasswordFile = &secret }, fault.InvalidParameter, "127.0.0.1:1"},
		{"SimpleAD", "far.example.com", func(in *AttachDirectoryRequest) { in.DirectoryId = new(made["far"].ID) }, fault.InvalidParameter, "\npassword file: "},
	} {
		_, err := s.attachDirectory(t.Context(), at(region), asked(c.kind, c.name, c.change))
		wantFault(t, err, c.code, c.text)
		if strings.Contains(err.Error(), password) {
			t.Errorf("the password is told: %v", err)
		}
	}
	if diff := cmp.Diff(before, s.Directories.All("", "", "", 100)); diff != "" {
		t.Error(diff)
	}
}
