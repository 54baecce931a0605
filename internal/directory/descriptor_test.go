package directory_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latchkey/internal/directory"
)

func sid(t testing.TB, s string) directory.SID {
	t.Helper()
	parsed, err := directory.ParseSID(s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestGUID(t *testing.T) {
	// MS-DTYP section 2.3.4: the first three fields are little-endian.
	guid, err := directory.ParseGUID("00299570-246D-11d0-a768-00aa006e0529")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(guid[:]); got != "709529006d24d011a76800aa006e0529" {
		t.Error(got)
	}
	if guid != directory.RightResetPassword || guid.String() != "00299570-246d-11d0-a768-00aa006e0529" {
		t.Error(guid)
	}
	for _, bad := range []string{"", "x", "00299570-246d-11d0-a768-00aa006e052", "00299570-246d-11d0-a768-00aa006e05299", "00299570246d-11d0-a768-00aa006e0529-", "g0299570-246d-11d0-a768-00aa006e0529", "{00299570-246d-11d0-a768-00aa006e052}"} {
		if _, err := directory.ParseGUID(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

var (
	everyone = "S-1-1-0"
	jane     = "S-1-5-21-1-2-3-1104"
	helpdesk = "S-1-5-21-1-2-3-1105"
)

func TestGrants(t *testing.T) {
	set, control := directory.SetUserAccountRestrictions, directory.AttributeUserAccountControl
	type ace = directory.ACE
	a := func(kind directory.ACEType, flags directory.ACEFlags, mask directory.AccessMask, object directory.GUID, who string) ace {
		return ace{Type: kind, Flags: flags, Mask: mask, Object: object, SID: sid(t, who)}
	}
	none := directory.GUID{}
	reset := directory.RightResetPassword
	for _, c := range []struct {
		name   string
		dacl   []ace
		tokens []string
		rights directory.AccessMask
		about  []directory.GUID
		want   bool
	}{
		{"an empty list", []ace{}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, false},
		{"no list at all", nil, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"the right itself", []ace{a(directory.AllowObject, 0, directory.ControlAccess, reset, helpdesk)}, []string{jane, helpdesk}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"somebody else's", []ace{a(directory.AllowObject, 0, directory.ControlAccess, reset, helpdesk)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, false},
		{"another extended right", []ace{a(directory.AllowObject, 0, directory.ControlAccess, set, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, false},
		{"all extended rights", []ace{a(directory.Allow, 0, directory.ControlAccess, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"all extended rights, as an object ACE", []ace{a(directory.AllowObject, 0, directory.ControlAccess, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"full control", []ace{a(directory.Allow, directory.Inherited, directory.FullControl, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"generic all", []ace{a(directory.Allow, 0, directory.GenericAll, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"generic write is no extended right", []ace{a(directory.Allow, 0, directory.GenericWrite, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, false},
		{"generic write writes", []ace{a(directory.Allow, 0, directory.GenericWrite, none, jane)}, []string{jane}, directory.WriteProperty, []directory.GUID{control, set}, true},
		{"for the objects below only", []ace{a(directory.Allow, directory.ContainerInherit|directory.InheritOnly, directory.FullControl, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, false},
		{"the attribute", []ace{a(directory.AllowObject, 0, directory.WriteProperty, control, jane)}, []string{jane}, directory.WriteProperty, []directory.GUID{control, set}, true},
		{"through its property set", []ace{a(directory.AllowObject, 0, directory.WriteProperty, set, jane)}, []string{jane}, directory.WriteProperty, []directory.GUID{control, set}, true},
		{"an attribute that is in no set", []ace{a(directory.AllowObject, 0, directory.WriteProperty, set, jane)}, []string{jane}, directory.WriteProperty, []directory.GUID{directory.AttributeLockoutTime}, false},
		{"a part is not the whole", []ace{a(directory.AllowObject, 0, directory.WriteProperty, control, jane)}, []string{jane}, directory.WriteProperty, nil, false},
		{"denied first", []ace{a(directory.Deny, 0, directory.ControlAccess, none, everyone), a(directory.Allow, 0, directory.FullControl, none, jane)}, []string{jane, everyone}, directory.ControlAccess, []directory.GUID{reset}, false},
		{"denied too late", []ace{a(directory.Allow, 0, directory.FullControl, none, jane), a(directory.Deny, directory.Inherited, directory.ControlAccess, none, everyone)}, []string{jane, everyone}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"another right denied", []ace{a(directory.DenyObject, 0, directory.ControlAccess, set, jane), a(directory.Allow, 0, directory.FullControl, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, true},
		{"all of full control but one denied", []ace{a(directory.Deny, 0, directory.StandardDelete, none, jane), a(directory.Allow, 0, directory.FullControl, none, jane)}, []string{jane}, directory.FullControl, nil, false},
		{"two rights from two entries", []ace{a(directory.Allow, 0, directory.ReadProperty, none, jane), a(directory.Allow, 0, directory.WriteProperty, none, helpdesk)}, []string{jane, helpdesk}, directory.ReadProperty | directory.WriteProperty, nil, true},
		{"one of two rights", []ace{a(directory.Allow, 0, directory.ReadProperty, none, jane)}, []string{jane}, directory.ReadProperty | directory.WriteProperty, nil, false},
		{"an audit entry", []ace{a(0x02, 0, directory.FullControl, none, jane)}, []string{jane}, directory.ControlAccess, []directory.GUID{reset}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &directory.Descriptor{Control: directory.DACLPresent, DACL: c.dacl}
			var tokens []directory.SID
			for _, s := range c.tokens {
				tokens = append(tokens, sid(t, s))
			}
			if got := d.Grants(tokens, c.rights, c.about...); got != c.want {
				t.Errorf("Grants = %t", got)
			}
			// The same from bytes.
			b, err := d.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			again, err := directory.ParseDescriptor(b)
			if err != nil {
				if c.name == "an audit entry" { // made from fields, it is not one
					return
				}
				t.Fatal(err)
			}
			if got := again.Grants(tokens, c.rights, c.about...); got != c.want {
				t.Errorf("Grants after Bytes = %t", got)
			}
		})
	}
	if (&directory.Descriptor{}).Grants([]directory.SID{sid(t, jane)}, directory.ReadControl) {
		t.Error("a descriptor whose DACL was not read grants something")
	}
}

// A new entry stands where the canonical order has it, once.
func TestAdd(t *testing.T) {
	d := &directory.Descriptor{Control: directory.DACLPresent, DACL: []directory.ACE{
		{Type: directory.Deny, Mask: directory.StandardDelete, SID: sid(t, everyone)},
		{Type: directory.Allow, Mask: directory.ReadControl, SID: sid(t, everyone)},
		{Type: directory.Deny, Flags: directory.Inherited, Mask: directory.DeleteTree, SID: sid(t, everyone)},
		{Type: directory.Allow, Flags: directory.Inherited, Mask: directory.FullControl, SID: sid(t, helpdesk)},
	}}
	allow := directory.ACE{Type: directory.Allow, Flags: directory.ContainerInherit, Mask: directory.FullControl, SID: sid(t, jane)}
	deny := directory.ACE{Type: directory.DenyObject, Mask: directory.ControlAccess, Object: directory.RightResetPassword, SID: sid(t, jane)}
	if !d.Add(allow) || !d.Add(deny) {
		t.Fatal("nothing added")
	}
	generic := allow
	generic.Mask = directory.GenericAll
	if d.Add(allow) || d.Add(deny) || d.Add(generic) {
		t.Error("added twice")
	}
	var kinds []directory.ACEType
	for _, ace := range d.DACL {
		kinds = append(kinds, ace.Type)
	}
	if diff := cmp.Diff([]directory.ACEType{directory.Deny, directory.DenyObject, directory.Allow, directory.Allow, directory.Deny, directory.Allow}, kinds); diff != "" {
		t.Error(diff)
	}
	open := &directory.Descriptor{Control: directory.DACLPresent}
	if open.Add(allow) || open.DACL != nil {
		t.Error("who had everything lost it")
	}
	for len(d.DACL) < 3000 {
		d.Add(directory.ACE{Type: directory.Allow, Mask: directory.ReadControl, SID: sid(t, "S-1-5-21-1-2-3").Child(uint32(len(d.DACL)))})
	}
	if _, err := d.Bytes(); err == nil || !strings.Contains(err.Error(), "65535") {
		t.Errorf("a DACL that is too large: %v", err)
	}
}

// samples are descriptors as domain controllers send them.
func samples(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, text := range []string{
		// Owner and group Domain Admins; a DACL with an unknown (callback) entry between two known ones.
		"01000484" + "14000000" + "24000000" + "00000000" + "34000000" +
			"010200000000000520000000" + "20020000" +
			"010200000000000520000000" + "20020000" +
			"04006800" + "03000000" +
			"00001800" + "ff010f00" + "010200000000000520000000" + "20020000" +
			"09001c00" + "ff010f00" + "010100000000000100000000" + "deadbeef" + "cafebabe" +
			"05122c00" + "00010000" + "01000000" + "709529006d24d011a76800aa006e0529" + "010200000000000520000000" + "20020000",
		// Nothing but a header; a NULL DACL; an empty one.
		"01000080" + strings.Repeat("00", 16),
		"01000480" + strings.Repeat("00", 16),
		"01000480" + strings.Repeat("00", 12) + "14000000" + "0200080000000000",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func TestDescriptorKeepsWhatItDoesNotKnow(t *testing.T) {
	b := samples(t)[0]
	d, err := directory.ParseDescriptor(b)
	if err != nil {
		t.Fatal(err)
	}
	if d.Owner != directory.SIDAdministrators || d.Group != directory.SIDAdministrators || len(d.DACL) != 3 {
		t.Fatalf("%+v", d)
	}
	if ace := d.DACL[2]; ace.Type != directory.AllowObject || ace.Flags != directory.ContainerInherit|directory.Inherited || ace.Object != directory.RightResetPassword || ace.SID != directory.SIDAdministrators {
		t.Errorf("%+v", ace)
	}
	again, err := d.Bytes()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("%x, %v", again, err)
	}
}

func TestDescriptorRefused(t *testing.T) {
	whole := samples(t)[0]
	for size := range len(whole) {
		if _, err := directory.ParseDescriptor(whole[:size]); err == nil {
			t.Errorf("%d bytes of %d are taken", size, len(whole))
		}
	}
	for name, change := range map[string]func([]byte){
		"revision":           func(b []byte) { b[0] = 2 },
		"not self-relative":  func(b []byte) { b[3] &^= 0x80 },
		"owner far away":     func(b []byte) { b[7] = 0xff },
		"DACL far away":      func(b []byte) { b[19] = 0xff },
		"DACL too small":     func(b []byte) { b[0x34+2] = 7 },
		"DACL too large":     func(b []byte) { b[0x34+3] = 1 },
		"too many entries":   func(b []byte) { b[0x34+4] = 4 },
		"an entry too large": func(b []byte) { b[0x3c+3] = 1 },
		"an entry too small": func(b []byte) { b[0x3c+2] = 3 },
		"a SID too large":    func(b []byte) { b[0x3c+9] = 15 },
	} {
		b := bytes.Clone(whole)
		change(b)
		if d, err := directory.ParseDescriptor(b); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if _, err := directory.ParseDescriptor(make([]byte, 1<<20)); err == nil {
		t.Error("a megabyte is taken")
	}
}

func FuzzDescriptor(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	same := cmpopts.IgnoreUnexported(directory.ACE{}, directory.Descriptor{}) // a list that is nil is not an empty one
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := directory.ParseDescriptor(b)
		if err != nil {
			return
		}
		d.Grants([]directory.SID{directory.SIDAdministrators}, directory.FullControl)
		written, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := directory.ParseDescriptor(written)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, again, same); diff != "" {
			t.Error(diff)
		}
		if twice, err := again.Bytes(); err != nil || !bytes.Equal(written, twice) {
			t.Errorf("%x, then %x: %v", written, twice, err)
		}
		for _, ace := range d.DACL {
			if ace.SID != "" && !ace.SID.Valid() {
				t.Errorf("%+v", ace)
			}
		}
	})
}
