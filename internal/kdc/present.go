package kdc

import (
	"errors"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory/embedded"
)

// presented is a ticket under krbtgt's key that a client has shown, with the proof that it is the client's (RFC 4120 section
// 3.2.3).
type presented struct {
	id     string // of the directory
	ticket messages.Ticket
	part   messages.EncTicketPart
	pac    map[uint32][]byte
	proof  types.Authenticator
	raw    []byte // the sealed authenticator, for the replay cache
	ap     []byte // the whole AP-REQ
}

// replyKey is what the client wants the answer under.
func (p *presented) replyKey() types.EncryptionKey {
	if len(p.proof.SubKey.KeyValue) > 0 {
		return p.proof.SubKey
	}
	return p.part.Key
}

func (p *presented) flag(flag int) bool { return types.IsFlagSet(&p.part.Flags, flag) }

// present reads an AP-REQ and verifies it: the authenticator is under the ticket's key, with that usage.
func (s *Server) present(value []byte, usage uint32, now time.Time) (*presented, error) {
	var ap messages.APReq
	if err := ap.Unmarshal(value); err != nil {
		return nil, refuse(errorcode.KRB_AP_ERR_MSG_TYPE, "the AP-REQ can't be read")
	}
	p := &presented{ticket: ap.Ticket, raw: ap.EncryptedAuthenticator.Cipher, ap: value}
	if err := s.openTicket(p); err != nil {
		return nil, err
	}
	if err := p.valid(now); err != nil {
		return nil, err
	}
	plain, err := open(ap.EncryptedAuthenticator, p.part.Key, usage)
	if err != nil {
		return nil, refuse(errorcode.KRB_AP_ERR_BAD_INTEGRITY, "the authenticator is not under the ticket's key")
	}
	defer clear(plain)
	if err := p.proof.Unmarshal(plain); err != nil {
		return nil, refuse(errorcode.KRB_AP_ERR_BAD_INTEGRITY, "the authenticator can't be read")
	}
	if p.proof.CRealm != p.part.CRealm || !p.proof.CName.Equal(p.part.CName) {
		return nil, refuse(errorcode.KRB_AP_ERR_BADMATCH, "the authenticator is another client's")
	}
	if err := withinSkew(p.proof.CTime.Add(time.Duration(p.proof.Cusec)*time.Microsecond), now); err != nil {
		return nil, err
	}
	if sub := p.proof.SubKey; len(sub.KeyValue) > 0 {
		if e, err := cipherOf(sub.KeyType); err != nil || len(sub.KeyValue) != e.GetKeyByteSize() {
			return nil, refuse(errorcode.KDC_ERR_ETYPE_NOSUPP, "the encryption type of the subkey is not supported")
		}
	}
	return p, nil
}

// openTicket opens a ticket under krbtgt's key, the former one included, and verifies its PAC.
func (s *Server) openTicket(p *presented) error {
	name := p.ticket.SName
	if !isTGS(name) && !isChangePassword(name) {
		return refuse(errorcode.KRB_AP_ERR_NOT_US, "the ticket is for another service")
	}
	known := false
	for _, id := range s.options.Engine.Realm(p.ticket.Realm) {
		keys, err := s.options.Engine.Keys(id, "krbtgt")
		if errors.Is(err, embedded.ErrNoKeys) || errors.Is(err, embedded.ErrNotServed) {
			continue
		}
		if err != nil {
			return err
		}
		known = true
		err = p.openWith(keys)
		keys.Wipe()
		if err == nil {
			p.id = id
			return nil
		}
	}
	if !known {
		return refuse(errorcode.KRB_AP_ERR_NOT_US, "the ticket is of another realm")
	}
	return refuse(errorcode.KRB_AP_ERR_BAD_INTEGRITY, "the ticket is not under this realm's key")
}

func (p *presented) openWith(keys *embedded.Keys) error {
	key := types.EncryptionKey{KeyType: aes256, KeyValue: keys.AES256}
	switch p.ticket.EncPart.KVNO {
	case 0, keys.Version:
	case keys.Version - 1:
		key.KeyValue = keys.Former
	default:
		return errIntegrity
	}
	plain, err := open(p.ticket.EncPart, key, keyusage.KDC_REP_TICKET)
	if err != nil {
		return err
	}
	defer clear(plain)
	if err := p.part.Unmarshal(plain); err != nil {
		return err
	}
	if len(p.part.Flags.Bytes) < 4 {
		return errIntegrity
	}
	p.part.Flags.Bytes = slices.Clone(p.part.Flags.Bytes) // the decoder points into plain
	p.pac, err = ticketPAC(&p.part, key)
	return err
}

// valid holds a ticket's times against the clock.
func (p *presented) valid(now time.Time) error {
	switch {
	case p.flag(flags.Invalid), p.part.StartTime.After(now.Add(clockSkew)):
		return refuse(errorcode.KRB_AP_ERR_TKT_NYV, "the ticket is not yet valid")
	case now.After(p.part.EndTime):
		return refuse(errorcode.KRB_AP_ERR_TKT_EXPIRED, "the ticket has expired")
	}
	return nil
}
