package kdc

import (
	"slices"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/trtype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
)

// Bits of msDS-SupportedEncryptionTypes (MS-KILE section 2.2.7).
const (
	supportsAES128 = 0x08
	supportsAES256 = 0x10
	supportsAny    = 0x1f
)

// optionCNameInAdditional asks for a ticket by constrained delegation (MS-SFU section 2.2.3).
const optionCNameInAdditional = 14

// typesOf is which encryption types an account is said to support, the best first: all of ours unless it says otherwise. Nobody
// says for krbtgt, whose tickets this server alone opens.
func typesOf(p *embedded.Principal) (kinds []int32) {
	all := p.Types&supportsAny == 0 || p.SID == p.Domain.SID.Child(directory.RIDKrbtgt)
	if all || p.Types&supportsAES256 != 0 {
		kinds = append(kinds, aes256)
	}
	if all || p.Types&supportsAES128 != 0 {
		kinds = append(kinds, aes128)
	}
	return kinds
}

// keyOf is an account's key of that type.
func keyOf(p *embedded.Principal, kind int32) types.EncryptionKey {
	if kind == aes128 {
		return types.EncryptionKey{KeyType: aes128, KeyValue: p.AES128}
	}
	return types.EncryptionKey{KeyType: aes256, KeyValue: p.AES256}
}

// strongest is the best of our encryption types that is among the client's and the account's.
func strongest(asked []int32, account []int32) (int32, error) {
	for _, kind := range []int32{aes256, aes128} {
		if slices.Contains(asked, kind) && slices.Contains(account, kind) {
			return kind, nil
		}
	}
	return 0, refuse(errorcode.KDC_ERR_ETYPE_NOSUPP, "none of the client's encryption types is supported")
}

// times are those of a ticket.
type times struct{ auth, start, end, renew time.Time }

// bound fits the times that the client wants into what it may have: until is the end of the ticket that it is made from, zero
// in the AS exchange.
func (r *request) bound(t times, until, renewUntil time.Time, now time.Time) (times, error) {
	body := r.ReqBody
	if r.option(flags.PostDated) || !body.From.IsZero() && body.From.After(now.Add(clockSkew)) {
		return t, refuse(errorcode.KDC_ERR_CANNOT_POSTDATE, "tickets are not postdated")
	}
	t.start = now
	t.end = t.start.Add(ticketLifetime)
	wanted := body.Till
	// Zero, and the epoch, mean as long as possible (RFC 4120 section 5.4.1).
	open := wanted.IsZero() || wanted.Unix() == 0
	if !open && wanted.Before(t.end) {
		t.end = wanted
	}
	if !until.IsZero() && until.Before(t.end) {
		t.end = until
	}
	if !t.end.After(t.start) {
		return t, refuse(errorcode.KDC_ERR_NEVER_VALID, "the ticket would end before it begins")
	}
	renew := body.RTime
	asked := r.option(flags.Renewable)
	if !asked && r.option(flags.RenewableOK) && (open || wanted.After(t.end)) {
		asked, renew = true, wanted
	}
	if asked && (until.IsZero() || !renewUntil.IsZero()) {
		t.renew = t.start.Add(renewLifetime)
		if !renew.IsZero() && renew.Unix() != 0 && renew.Before(t.renew) {
			t.renew = renew
		}
		if !renewUntil.IsZero() && renewUntil.Before(t.renew) {
			t.renew = renewUntil
		}
		if !t.renew.After(t.end) {
			t.renew = t.end
		}
	}
	return t, nil
}

// kdcFlags is a set of ticket flags (RFC 4120 section 5.3).
func kdcFlags(set ...int) asn1.BitString {
	f := types.NewKrbFlags()
	types.SetFlags(&f, set)
	return f
}

// delegation is the flags that depend on who the client and the server are.
func delegation(flag *asn1.BitString, client, server *embedded.Principal, krbtgt bool) {
	if client.Control&directory.NotDelegated != 0 {
		types.UnsetFlags(flag, []int{flags.Forwardable, flags.Proxiable, flags.Forwarded, flags.Proxy})
	}
	if !krbtgt && server.Control&directory.TrustedForDelegation != 0 {
		types.SetFlag(flag, flags.OKAsDelegate)
	}
}

// sealTicket makes the ticket of an encrypted part, under the server's key of that type or another key, for user-to-user.
func sealTicket(part *messages.EncTicketPart, realm string, sname types.PrincipalName, key types.EncryptionKey, version int) (messages.Ticket, error) {
	plain, err := encodeTicketPart(part)
	if err != nil {
		return messages.Ticket{}, err
	}
	defer clear(plain)
	sealed, err := seal(plain, key, keyusage.KDC_REP_TICKET, version)
	return messages.Ticket{TktVNO: iana.PVNO, Realm: realm, SName: sname, EncPart: sealed}, err
}

func newPart(flag asn1.BitString, session types.EncryptionKey, crealm string, cname types.PrincipalName, t times) *messages.EncTicketPart {
	return &messages.EncTicketPart{
		Flags: flag, Key: session, CRealm: crealm, CName: cname, Transited: messages.TransitedEncoding{TRType: int32(trtype.DOMAIN_X500_COMPRESS), Contents: []byte{}},
		AuthTime: whole(t.auth), StartTime: whole(t.start), EndTime: whole(t.end), RenewTill: whole(t.renew),
	}
}

// whole is a time as Kerberos writes it, without a fraction of a second.
func whole(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}

// replyPart is the encrypted part of the reply to a client, about a ticket.
func replyPart(part *messages.EncTicketPart, nonce int, realm string, sname types.PrincipalName, now time.Time) messages.EncKDCRepPart {
	return messages.EncKDCRepPart{
		Key: part.Key, LastReqs: []messages.LastReq{{LRType: 0, LRValue: whole(now)}}, Nonce: nonce, Flags: part.Flags,
		AuthTime: part.AuthTime, StartTime: part.StartTime, EndTime: part.EndTime, RenewTill: part.RenewTill, SRealm: realm, SName: sname,
	}
}
