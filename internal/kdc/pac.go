package kdc

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
	"unicode/utf16"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/adtype"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
)

// Types of a PAC's buffers (MS-PAC section 2.4).
const (
	pacLogonInfo       = 1
	pacServerChecksum  = 6
	pacKDCChecksum     = 7
	pacClientInfo      = 10
	pacUPN             = 12
	pacTicketChecksum  = 16
	pacAttributesInfo  = 17
	pacRequestor       = 18
	pacFullChecksum    = 19
	pacHeader          = 8
	pacEntry           = 16
	maxPACBuffers      = 64
	pacWasRequested    = 1
	pacGivenImplicitly = 2
)

// buffer is one of a PAC's.
type buffer struct {
	kind uint32
	data []byte
}

// pacRequest is KERB-PA-PAC-REQUEST (MS-KILE section 2.2.3).
type pacRequest struct {
	Include bool `asn1:"explicit,tag:0"`
}

// pacAttributes is whether the client of an AS exchange has asked for a PAC in its tickets (MS-PAC section 2.14).
func (r *request) pacAttributes() uint32 {
	value, ok := r.padata(patype.PA_PAC_REQUEST)
	if !ok {
		return pacGivenImplicitly
	}
	var asked pacRequest
	if _, err := asn1.Unmarshal(value, &asked); err == nil && !asked.Include {
		return 0
	}
	return pacWasRequested
}

// assertedByAuthority is S-1-18-1: the client proved itself to a domain controller, not a service in its name (MS-SFU).
const assertedByAuthority = directory.SID("\x01\x01\x00\x00\x00\x00\x00\x12\x01\x00\x00\x00")

// User flags (MS-PAC section 2.5).
const (
	userExtraSIDs      = 0x20
	userResourceGroups = 0x200
)

// accountFlags is userAccountControl in the numbers of MS-SAMR section 2.2.1.12, as KERB_VALIDATION_INFO has them.
func accountFlags(control directory.UserAccountControl) (flags uint32) {
	for _, pair := range []struct {
		control directory.UserAccountControl
		flag    uint32
	}{
		{directory.AccountDisable, 0x1},
		{directory.PasswordNotRequired, 0x4},
		{directory.NormalAccount, 0x10},
		{directory.InterdomainTrust, 0x40},
		{directory.WorkstationTrust, 0x80},
		{directory.ServerTrust, 0x100},
		{directory.DontExpirePassword, 0x200},
		{directory.SmartcardRequired, 0x1000},
		{directory.TrustedForDelegation, 0x2000},
		{directory.NotDelegated, 0x4000},
		{directory.DontRequirePreauth, 0x10000},
		{directory.NoAuthDataRequired, 0x80000},
	} {
		if control&pair.control != 0 {
			flags |= pair.flag
		}
	}
	return flags
}

// logonInfo is KERB_VALIDATION_INFO (MS-PAC section 2.5). The domain's local groups are for its own services alone.
func logonInfo(client *embedded.Principal, i *embedded.Identity, authenticated time.Time, local bool) []byte {
	domain := client.Domain
	extra := []directory.SID{assertedByAuthority}
	flags := uint32(userExtraSIDs)
	var resource []uint32
	if local && len(i.Local) > 0 {
		flags |= userResourceGroups
		resource = i.Local
	}
	return serialize(func(n *ndr) {
		n.filetime(authenticated)
		n.filetime(time.Time{}) // LogoffTime
		n.filetime(time.Time{}) // KickOffTime
		if i.PasswordSet.IsZero() {
			n.uint32(0)
			n.uint32(0)
		} else {
			n.filetime(i.PasswordSet)
		}
		n.filetime(i.PasswordCanChange)
		n.filetime(i.PasswordMustChange)
		for _, text := range []string{i.Account, i.FullName, i.LogonScript, i.ProfilePath, i.HomeDirectory, i.HomeDrive} {
			n.text(text)
		}
		n.uint16(0) // LogonCount
		n.uint16(0) // BadPasswordCount
		n.uint32(client.SID.RID())
		n.uint32(i.Primary)
		n.memberships(i.Global, groupAttributes)
		n.uint32(flags)
		n.b = append(n.b, make([]byte, 16)...) // UserSessionKey
		n.text("DC1")
		n.text(domain.NetBIOS)
		n.sid(domain.SID)
		n.uint32(0)
		n.uint32(0)
		n.uint32(accountFlags(i.Control))
		for range 7 { // SubAuthStatus, LastSuccessfulILogon, LastFailedILogon, FailedILogonCount, Reserved3
			n.uint32(0)
		}
		n.sids(extra)
		if len(resource) > 0 {
			n.sid(domain.SID)
		} else {
			n.pointer(nil)
		}
		n.memberships(resource, groupAttributes|groupResource)
	})
}

func utf16Bytes(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// clientInfo is PAC_CLIENT_INFO (MS-PAC section 2.7).
func clientInfo(name string, authenticated time.Time) []byte {
	text := utf16Bytes(name)
	b := binary.LittleEndian.AppendUint64(nil, filetime(whole(authenticated)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// upnInfo is UPN_DNS_INFO with the account's name and SID (MS-PAC section 2.10).
func upnInfo(client *embedded.Principal, i *embedded.Identity) []byte {
	const (
		head        = 24
		constructed = 1
		extended    = 2
	)
	flags := uint32(extended)
	if !i.Explicit {
		flags |= constructed
	}
	parts := [][]byte{utf16Bytes(i.UPN), utf16Bytes(client.Domain.Realm()), utf16Bytes(i.Account), []byte(client.SID)}
	b := make([]byte, head)
	for at, part := range parts {
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		field := 4 * at
		if at >= 2 {
			field += 4 // the flags are in between
		}
		binary.LittleEndian.PutUint16(b[field:], uint16(len(part)))
		binary.LittleEndian.PutUint16(b[field+2:], uint16(len(b)))
		b = append(b, part...)
	}
	binary.LittleEndian.PutUint32(b[8:], flags)
	return b
}

// signature is PAC_SIGNATURE_DATA (MS-PAC section 2.8), to be filled in.
func signature(kind uint32, key types.EncryptionKey) buffer {
	return buffer{kind, binary.LittleEndian.AppendUint32(make([]byte, 0, 4+checksumSize), uint32(checksumType(key.KeyType)))[:4+checksumSize]}
}

// assemble puts buffers into a PACTYPE (MS-PAC section 2.3), and gives where the data of each is.
func assemble(buffers []buffer) (pac []byte, at map[uint32][]byte) {
	pac = binary.LittleEndian.AppendUint32(nil, uint32(len(buffers)))
	pac = binary.LittleEndian.AppendUint32(pac, 0)
	pac = append(pac, make([]byte, pacEntry*len(buffers))...)
	offsets := make([]int, len(buffers))
	for i, each := range buffers {
		offsets[i] = len(pac)
		entry := pac[pacHeader+pacEntry*i:]
		binary.LittleEndian.PutUint32(entry, each.kind)
		binary.LittleEndian.PutUint32(entry[4:], uint32(len(each.data)))
		binary.LittleEndian.PutUint64(entry[8:], uint64(len(pac)))
		pac = append(pac, each.data...)
		for len(pac)%8 != 0 {
			pac = append(pac, 0)
		}
	}
	at = map[uint32][]byte{}
	for i, each := range buffers {
		at[each.kind] = pac[offsets[i] : offsets[i]+len(each.data)]
	}
	return pac, at
}

// parsePAC takes a PACTYPE apart.
func parsePAC(pac []byte) (map[uint32][]byte, error) {
	malformed := errors.New("the PAC can't be read")
	if len(pac) < pacHeader {
		return nil, malformed
	}
	count := binary.LittleEndian.Uint32(pac)
	if count > maxPACBuffers || len(pac) < pacHeader+pacEntry*int(count) {
		return nil, malformed
	}
	at := map[uint32][]byte{}
	for i := range int(count) {
		entry := pac[pacHeader+pacEntry*i:]
		size, offset := uint64(binary.LittleEndian.Uint32(entry[4:])), binary.LittleEndian.Uint64(entry[8:])
		if offset > uint64(len(pac)) || size > uint64(len(pac))-offset {
			return nil, malformed
		}
		if kind := binary.LittleEndian.Uint32(entry); at[kind] == nil {
			at[kind] = pac[offset : offset+size]
		}
	}
	return at, nil
}

func authorizationData(pac []byte) (types.AuthorizationData, error) {
	var b builder
	addAuthorizationData(&b, types.AuthorizationData{{ADType: adtype.ADWin2KPAC, ADData: pac}})
	inner, err := b.Bytes()
	return types.AuthorizationData{{ADType: adtype.ADIfRelevant, ADData: inner}}, err
}

// sealPAC puts a PAC into a ticket that is complete otherwise, with its signatures (MS-PAC section 2.8): by the server's key and
// by the domain's, over the ticket and over everything where the ticket is for a service.
func sealPAC(part *messages.EncTicketPart, buffers []buffer, server, kdc types.EncryptionKey, service bool) error {
	buffers = append(buffers, signature(pacServerChecksum, server), signature(pacKDCChecksum, kdc))
	if service {
		buffers = append(buffers, signature(pacTicketChecksum, kdc), signature(pacFullChecksum, kdc))
	}
	pac, at := assemble(buffers)
	sign := func(kind uint32, data []byte, key types.EncryptionKey) error {
		sum, err := checksum(data, key, keyusage.KERB_NON_KERB_CKSUM_SALT)
		if err == nil {
			copy(at[kind][4:], sum.Checksum)
		}
		return err
	}
	var err error
	if service {
		if part.AuthorizationData, err = authorizationData([]byte{0}); err != nil {
			return err
		}
		plain, err := encodeTicketPart(part)
		if err != nil {
			return err
		}
		defer clear(plain)
		if err := sign(pacTicketChecksum, plain, kdc); err != nil {
			return err
		}
		if err := sign(pacFullChecksum, pac, kdc); err != nil {
			return err
		}
	}
	if err := sign(pacServerChecksum, pac, server); err != nil {
		return err
	}
	if err := sign(pacKDCChecksum, at[pacServerChecksum][4:], kdc); err != nil {
		return err
	}
	part.AuthorizationData, err = authorizationData(pac)
	return err
}

// ticketPAC is the PAC of a ticket that this server has made, its signatures verified.
func ticketPAC(part *messages.EncTicketPart, kdc types.EncryptionKey) (map[uint32][]byte, error) {
	missing := errors.New("the ticket has no PAC of this domain")
	for _, outer := range part.AuthorizationData {
		var inner types.AuthorizationData
		if outer.ADType != adtype.ADIfRelevant || inner.Unmarshal(outer.ADData) != nil || len(inner) == 0 || inner[0].ADType != adtype.ADWin2KPAC {
			continue
		}
		pac := slices.Clone(inner[0].ADData)
		at, err := parsePAC(pac)
		if err != nil {
			return nil, err
		}
		server, own := at[pacServerChecksum], at[pacKDCChecksum]
		if len(server) != 4+checksumSize || len(own) != 4+checksumSize {
			return nil, missing
		}
		given := [2][]byte{slices.Clone(server[4:]), slices.Clone(own[4:])}
		clear(server[4:])
		clear(own[4:])
		for i, data := range [2][]byte{pac, given[0]} {
			if !verify(data, types.Checksum{CksumType: checksumType(kdc.KeyType), Checksum: given[i]}, kdc, keyusage.KERB_NON_KERB_CKSUM_SALT) {
				return nil, missing
			}
		}
		return at, nil
	}
	return nil, missing
}
