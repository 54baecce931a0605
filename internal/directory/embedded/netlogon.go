package embedded

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// Site is the one that every domain is in.
const Site = "Default-First-Site-Name"

// The parts of NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS section 6.3.1.9) that are always the same.
const (
	samLogonResponseEx = 23
	tokens             = 0xffffffff // LmNtToken and Lm20Token

	versionSupported = 0x00000001 // NETLOGON_NT_VERSION_1
	versionEx        = 0x00000004 // NETLOGON_NT_VERSION_5EX
	versionWithSite  = 0x00000010 // NETLOGON_NT_VERSION_WITH_CLOSEST_SITE

	// controllerFlags is DS_FLAG (section 6.3.1.2): PDC, GC, LDAP, DS, closest, writable, with all secrets.
	controllerFlags = 0x1 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100 | 0x1000
	controllerKDC   = 0x20
)

// ping is the filter of a search for netlogon (MS-ADTS section 6.3.3.1): who is looked for.
type ping struct {
	domain, user string
	guid         []byte
	version      uint32
}

// parsePing reads a filter. What it does not know it ignores, as it does a filter that asks for nobody.
func parsePing(text string) (p ping) {
	filter, err := ldap.CompileFilter(text)
	if err != nil {
		return p
	}
	parts := []*ber.Packet{filter}
	if filter.Tag == ldap.FilterAnd {
		parts = filter.Children
	}
	for _, part := range parts {
		if part.Tag != ldap.FilterEqualityMatch || len(part.Children) != 2 {
			continue
		}
		value := part.Children[1].Data.Bytes()
		switch strings.ToLower(part.Children[0].Data.String()) {
		case "dnsdomain":
			p.domain = strings.ToLower(strings.TrimSuffix(string(value), "."))
		case "user":
			p.user = string(value)
		case "domainguid":
			p.guid = value
		case "ntver":
			if len(value) == 4 {
				p.version = binary.LittleEndian.Uint32(value)
			}
		}
	}
	return p
}

// netlogon is what a domain controller says to who looks for one, in the form of NETLOGON_SAM_LOGON_RESPONSE_EX, the only one
// that is known here; nil where the domain is not one of this process's or another form is asked for. Whether there is such a
// user is not looked at: nobody is to learn it so.
func (e *Engine) netlogon(first *tree, filter string) []byte {
	p := parsePing(filter)
	if p.version&versionEx == 0 {
		return nil
	}
	var found *tree
	e.each(func(t *tree) bool {
		guid := t.rootGUID()
		switch {
		case guid == (store.GUID{}):
		case p.domain == "" && p.guid == nil:
			if first == nil || first == t {
				found = t
			}
		case p.domain == "" || p.domain == t.domain.Name || strings.EqualFold(p.domain, t.domain.NetBIOS):
			if p.guid == nil || string(p.guid) == guidBytes(guid) {
				found = t
			}
		}
		return found == nil
	})
	if found == nil {
		return nil
	}
	flags := uint32(controllerFlags)
	if e.Kerberos {
		flags |= controllerKDC
	}
	return found.samLogonResponse(p, flags)
}

func (t *tree) samLogonResponse(p ping, flags uint32) []byte {
	guid := t.rootGUID()
	b := binary.LittleEndian.AppendUint16(nil, samLogonResponseEx)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = append(b, guidBytes(guid)...)
	n := names{message: b, at: map[string]int{}}
	n.add(t.domain.Name) // the forest, which is the domain's own
	n.add(t.domain.Name)
	n.add(MachineHost(t.domain))
	n.addLabel(t.domain.NetBIOS)
	n.addLabel(machineName)
	n.addLabel(p.user)
	n.add(Site)
	n.add(Site) // the client's
	if p.version&versionWithSite != 0 {
		n.add(Site)
	}
	b = binary.LittleEndian.AppendUint32(n.message, versionSupported|versionEx|p.version&versionWithSite)
	return binary.LittleEndian.AppendUint32(b, tokens)
}

// names writes names as DNS does, those that were there before as a pointer (MS-ADTS section 6.3.7, RFC 1035 section 4.1.4).
type names struct {
	message []byte
	at      map[string]int // names in lower case, and where they are
}

func (n *names) add(name string) {
	for name != "" {
		key := strings.ToLower(name)
		if at, there := n.at[key]; there {
			n.message = binary.BigEndian.AppendUint16(n.message, 0xc000|uint16(at)) //nolint:gosec // a pointer of 14 bits: remember keeps to it
			return
		}
		n.remember(key)
		label, rest, _ := strings.Cut(name, ".")
		n.append(label)
		name = rest
	}
	n.message = append(n.message, 0)
}

// addLabel writes a name that may have dots in it, such as an account's.
func (n *names) addLabel(name string) {
	if name != "" {
		n.append(name)
	}
	n.message = append(n.message, 0)
}

func (n *names) remember(key string) {
	if len(n.message) < 1<<14 {
		n.at[key] = len(n.message)
	}
}

func (n *names) append(label string) {
	const most = 63
	label = label[:min(len(label), most)]
	n.message = append(append(n.message, byte(len(label))), label...)
}

// Head is a domain of this process, and the objectGUID of its own entry in the text form.
type Head struct {
	Domain directory.Domain
	GUID   string
}

// Heads is the domains that are provisioned, the oldest first.
func (e *Engine) Heads() (heads []Head) {
	e.each(func(t *tree) bool {
		if guid := t.rootGUID(); guid != (store.GUID{}) {
			heads = append(heads, Head{t.domain, guidText(guid)})
		}
		return true
	})
	return heads
}

// guidText is a GUID as people write it (RFC 4122 section 3).
func guidText(g store.GUID) string {
	slices.Reverse(g[:4])
	slices.Reverse(g[4:6])
	slices.Reverse(g[6:8])
	digits := hex.EncodeToString(g[:])
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}
