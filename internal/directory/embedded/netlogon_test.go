package embedded

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
)

// pinged is what a NETLOGON_SAM_LOGON_RESPONSE_EX says.
type pinged struct {
	Opcode, Flags, Version uint32
	GUID                   string
	Names                  []string
}

// readPing reads one with so many names; nil stays nil.
func readPing(t *testing.T, b []byte, count int) *pinged {
	t.Helper()
	if b == nil {
		return nil
	}
	p := &pinged{Opcode: uint32(binary.LittleEndian.Uint16(b)), Flags: binary.LittleEndian.Uint32(b[4:]), GUID: string(b[8:24])}
	at := 24
	for range count {
		name, next := readName(t, b, at)
		p.Names = append(p.Names, name)
		at = next
	}
	p.Version = binary.LittleEndian.Uint32(b[at:])
	if rest := b[at+4:]; string(rest) != "\xff\xff\xff\xff" {
		t.Errorf("the end is % x", rest)
	}
	return p
}

func readName(t *testing.T, b []byte, at int) (name string, next int) {
	t.Helper()
	var labels []string
	for jumps := 0; jumps < 10; {
		length := int(b[at])
		switch {
		case length == 0:
			if next == 0 {
				next = at + 1
			}
			return strings.Join(labels, "."), next
		case length >= 0xc0:
			if next == 0 {
				next = at + 2
			}
			at = int(binary.BigEndian.Uint16(b[at:])) & 0x3fff
			jumps++
		default:
			labels = append(labels, string(b[at+1:at+1+length]))
			at += 1 + length
		}
	}
	t.Fatal("a name without an end")
	return "", 0
}

func TestNetlogon(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	engine.Kerberos = true
	tree, err := engine.tree(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	guid := guidBytes(tree.rootGUID())
	if heads := engine.Heads(); len(heads) != 1 || heads[0].Domain.Name != domain.Name || len(heads[0].GUID) != 36 {
		t.Errorf("heads: %v", heads)
	} else if back, ok := parseGUIDText(heads[0].GUID); !ok || guidBytes(back) != guid {
		t.Errorf("the GUID's text %s is not its own", heads[0].GUID)
	}
	const version = `(NtVer=\06\00\00\00)`
	full := &pinged{
		Opcode: 23, Flags: controllerFlags | controllerKDC, GUID: guid, Version: 5,
		Names: []string{"corp.example.com", "corp.example.com", "dc1.corp.example.com", "CORP", "DC1", "", "Default-First-Site-Name", "Default-First-Site-Name"},
	}
	named := *full
	named.Names = append([]string(nil), full.Names...)
	named.Names[5] = "no.body"
	for filter, want := range map[string]*pinged{
		`(&(DnsDomain=corp.example.com)` + version + `)`:                            full,
		`(&(DNSDOMAIN=CORP.Example.Com.)(Host=x)(AAC=\00\00\00\00)` + version + `)`: full,
		`(&(DnsDomain=CORP)` + version + `)`:                                        full,
		version:                                                                     full,
		`(&(User=no.body)(DnsDomain=corp.example.com)` + version + `)`:              &named,
		`(&(DomainGuid=` + ldap.EscapeFilter(guid) + `)` + version + `)`:            full,
		`(&(DnsDomain=corp.example.com)(DomainGuid=` + ldap.EscapeFilter("0123456789abcdef") + `)` + version + `)`: nil,
		`(&(DnsDomain=other.example.com)` + version + `)`:                                                          nil,
		`(&(DnsDomain=corp.example.com)(NtVer=\01\00\00\00))`:                                                      nil,
		`(&(DnsDomain=corp.example.com)(NtVer=\06))`:                                                               nil,
		`(DnsDomain=corp.example.com)`:                                                                             nil,
		`(objectClass=*)`:                                                                                          nil,
		`(|(a=b)`:                                                                                                  nil,
	} {
		result, err := engine.Anonymous(false).Search(t.Context(), ldap.NewSearchRequest("", ldap.ScopeBaseObject, 0, 0, 0, false, filter, []string{"NetLogon"}, nil))
		if err != nil {
			t.Fatal(err)
		}
		var answer []byte
		if values := result.Entries[0].GetRawAttributeValues("netlogon"); len(values) > 0 {
			answer = values[0]
		}
		if diff := cmp.Diff(want, readPing(t, answer, len(full.Names))); diff != "" {
			t.Errorf("%s:\n%s", filter, diff)
		}
	}
}

// FuzzNetlogon: whatever is looked for, the answer is short.
func FuzzNetlogon(f *testing.F) {
	for _, filter := range []string{`(&(DnsDomain=corp.example.com)(User=a)(NtVer=\16\00\00\00))`, `(NtVer=\06\00\00\00)`, `(&)`, `(!(a=b))`, `(a:dn:=b)`} {
		f.Add(filter)
	}
	tree := &tree{domain: directory.Domain{Name: "corp.example.com", NetBIOS: "CORP"}}
	f.Fuzz(func(t *testing.T, filter string) {
		if answer := tree.samLogonResponse(parsePing(filter), controllerFlags); len(answer) > 512 {
			t.Errorf("%d bytes", len(answer))
		}
	})
}
