package kdc

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
)

// grant is the TGS exchange (RFC 4120 section 3.3): who shows a ticket of the realm's own gets one for a service.
func (s *Server) grant(_ context.Context, r *request) ([]byte, error) {
	now := s.options.Now()
	value, ok := r.padata(patype.PA_TGS_REQ)
	if !ok {
		return nil, refuse(errorcode.KDC_ERR_PADATA_TYPE_NOSUPP, "the request has no ticket")
	}
	p, err := s.present(value, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR, now)
	if err != nil {
		return nil, err
	}
	if !isTGS(p.ticket.SName) {
		return nil, refuse(errorcode.KRB_AP_ERR_NOT_US, "the ticket is for another service")
	}
	if !verify(r.body, p.proof.Cksum, p.part.Key, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM) {
		return nil, refuse(errorcode.KRB_AP_ERR_MODIFIED, "the request is not the one that the ticket was shown for")
	}
	if _, _, err := s.replays.check(p.raw, r.message, now); err != nil {
		return nil, err
	}
	if err := s.unwrap(r, p); err != nil {
		return nil, err
	}
	client, err := s.returning(p)
	if err != nil {
		return nil, err
	}
	defer client.Wipe()
	if err := r.refuseDelegation(); err != nil {
		return nil, err
	}
	if r.option(flags.Renew) {
		return s.renew(r, p, client, now)
	}
	server, err := s.server(p.id, r)
	if err != nil {
		return nil, err
	}
	defer server.Wipe()
	part, err := r.derive(p, client, server, now)
	if err != nil {
		return nil, err
	}
	defer clear(part.Key.KeyValue)
	var ticket messages.Ticket
	if r.option(flags.EncTktInSkey) {
		ticket, err = s.userToUser(r, p, part, client, server)
	} else if !server.Service && !isTGS(r.ReqBody.SName) {
		// Anybody may ask for tickets of services: those under a person's password would be a way to guess it (MS-KILE section 3.3.5.7.1).
		err = refuse(errorcode.KDC_ERR_MUST_USE_USER2USER, "the account is no service")
	} else {
		ticket, err = s.issue(part, client, server, client.Domain.Realm(), r.ReqBody.SName, p.pacAttributes())
	}
	if err != nil {
		return nil, err
	}
	return s.grantReply(r, p, part, ticket, now)
}

// server is the account that the request wants a ticket for.
func (s *Server) server(id string, r *request) (*embedded.Principal, error) {
	server, err := s.options.Engine.Service(id, r.ReqBody.SName.NameString)
	if err != nil {
		return nil, notFound(err, embedded.ErrNoKeys, errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, "there is no such service")
	}
	if server.Control&directory.AccountDisable != 0 && !isTGS(r.ReqBody.SName) && !isChangePassword(r.ReqBody.SName) || len(server.AES256) == 0 {
		server.Wipe()
		return nil, refuse(errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, "the service's account is disabled")
	}
	return server, nil
}

// returning is the account of the client of a ticket: it must be there still, and usable (MS-KILE section 3.3.5.7.1).
func (s *Server) returning(p *presented) (*embedded.Principal, error) {
	sid := directory.SID(p.pac[pacRequestor])
	if !sid.Valid() {
		return nil, refuse(errorcode.KDC_ERR_TGT_REVOKED, "the ticket does not say whose it is")
	}
	client, err := s.options.Engine.Account(p.id, sid)
	if err != nil {
		return nil, notFound(err, embedded.ErrNoKeys, errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, "the ticket's client is no account of this realm any more")
	}
	if err := client.Usable(); err != nil {
		client.Wipe()
		return nil, explain(err)
	}
	return client, nil
}

// pacAttributes is what the client of the ticket has asked for when it logged in.
func (p *presented) pacAttributes() uint32 {
	if value := p.pac[pacAttributesInfo]; len(value) >= 8 {
		return binary.LittleEndian.Uint32(value[4:])
	}
	return pacGivenImplicitly
}

// refuseDelegation: services can't get tickets in the name of others (MS-SFU).
func (r *request) refuseDelegation() error {
	_, forUser := r.padata(patype.PA_FOR_USER)
	_, forCertificate := r.padata(patype.PA_FOR_X509_USER)
	switch {
	case forUser, forCertificate:
		return refuse(errorcode.KDC_ERR_PADATA_TYPE_NOSUPP, "S4U2self is not supported")
	case r.option(optionCNameInAdditional):
		return refuse(errorcode.KDC_ERR_BADOPTION, "constrained delegation is not supported")
	case r.option(flags.Validate):
		return refuse(errorcode.KDC_ERR_BADOPTION, "no ticket is postdated, so there is none to validate")
	}
	return nil
}

// derive makes the encrypted part of a ticket from the one that was shown.
func (r *request) derive(p *presented, client, server *embedded.Principal, now time.Time) (*messages.EncTicketPart, error) {
	if err := r.mayHave(p); err != nil {
		return nil, err
	}
	kind, err := strongest(r.ReqBody.EType, typesOf(server))
	if err != nil {
		return nil, err
	}
	t, err := r.bound(times{auth: p.part.AuthTime}, p.part.EndTime, p.part.RenewTill, now)
	if err != nil {
		return nil, err
	}
	flag := kdcFlags()
	for _, each := range []int{flags.Forwardable, flags.Proxiable} {
		if p.flag(each) && r.option(each) {
			types.SetFlag(&flag, each)
		}
	}
	if p.flag(flags.PreAuthent) {
		types.SetFlag(&flag, flags.PreAuthent)
	}
	if r.option(flags.Forwarded) || p.flag(flags.Forwarded) {
		types.SetFlag(&flag, flags.Forwarded)
	}
	if r.option(flags.Proxy) {
		types.SetFlag(&flag, flags.Proxy)
	}
	if !t.renew.IsZero() {
		types.SetFlag(&flag, flags.Renewable)
	}
	delegation(&flag, client, server, isTGS(r.ReqBody.SName))
	session, err := newKey(kind)
	if err != nil {
		return nil, err
	}
	return newPart(flag, session, p.part.CRealm, p.part.CName, t), nil
}

// mayHave holds the options that are asked for against the ticket.
func (r *request) mayHave(p *presented) error {
	for _, each := range []struct{ option, flag int }{
		{flags.Forwardable, flags.Forwardable}, {flags.Forwarded, flags.Forwardable}, {flags.Proxiable, flags.Proxiable}, {flags.Proxy, flags.Proxiable},
	} {
		if r.option(each.option) && !p.flag(each.flag) {
			return refuse(errorcode.KDC_ERR_BADOPTION, "the ticket does not allow what is asked for")
		}
	}
	return nil
}

// renew makes the same ticket anew, until later (RFC 4120 section 3.3.3).
func (s *Server) renew(r *request, p *presented, client *embedded.Principal, now time.Time) ([]byte, error) {
	switch {
	case !p.flag(flags.Renewable):
		return nil, refuse(errorcode.KDC_ERR_BADOPTION, "the ticket is not renewable")
	case now.After(p.part.RenewTill):
		return nil, refuse(errorcode.KRB_AP_ERR_TKT_EXPIRED, "the ticket can't be renewed any more")
	case !equalNames(p.ticket.SName, r.ReqBody.SName):
		return nil, refuse(errorcode.KDC_ERR_SERVER_NOMATCH, "the ticket is for another service")
	}
	server, err := s.options.Engine.Service(p.id, p.ticket.SName.NameString)
	if err != nil {
		return nil, err
	}
	defer server.Wipe()
	kind, err := strongest(r.ReqBody.EType, typesOf(server))
	if err != nil {
		return nil, err
	}
	session, err := newKey(kind)
	if err != nil {
		return nil, err
	}
	defer clear(session.KeyValue)
	// As long as the former one was (RFC 4120 section 3.3.3).
	t := times{auth: p.part.AuthTime, start: now, end: now.Add(p.part.EndTime.Sub(p.part.StartTime)), renew: p.part.RenewTill}
	if t.end.After(t.renew) {
		t.end = t.renew
	}
	flag := p.part.Flags
	flag.Bytes = slices.Clone(flag.Bytes)
	types.UnsetFlags(&flag, []int{flags.Initial, flags.EncPARep})
	part := newPart(flag, session, p.part.CRealm, p.part.CName, t)
	ticket, err := s.issue(part, client, server, client.Domain.Realm(), p.ticket.SName, p.pacAttributes())
	if err != nil {
		return nil, err
	}
	return s.grantReply(r, p, part, ticket, now)
}

// userToUser seals the ticket under the session key of another ticket, which its owner has lent (RFC 4120 section 3.7).
func (s *Server) userToUser(r *request, p *presented, part *messages.EncTicketPart, client, server *embedded.Principal) (messages.Ticket, error) {
	if len(r.ReqBody.AdditionalTickets) == 0 {
		return messages.Ticket{}, refuse(errorcode.KDC_ERR_BADOPTION, "user-to-user takes the ticket of the other user")
	}
	other := &presented{ticket: r.ReqBody.AdditionalTickets[0]}
	if err := s.openTicket(other); err != nil {
		return messages.Ticket{}, err
	}
	switch {
	case !isTGS(other.ticket.SName) || other.id != p.id:
		return messages.Ticket{}, refuse(errorcode.KDC_ERR_POLICY, "the other ticket is not one of this realm's own")
	case directory.SID(other.pac[pacRequestor]) != server.SID:
		return messages.Ticket{}, refuse(errorcode.KRB_AP_ERR_BADMATCH, "the other ticket is somebody else's")
	}
	if err := other.valid(s.options.Now()); err != nil {
		return messages.Ticket{}, err
	}
	if err := s.addPAC(part, client, server, other.part.Key, false, p.pacAttributes()); err != nil {
		return messages.Ticket{}, err
	}
	return sealTicket(part, client.Domain.Realm(), r.ReqBody.SName, other.part.Key, 0)
}

// grantReply is the answer of the TGS exchange.
func (s *Server) grantReply(r *request, p *presented, part *messages.EncTicketPart, ticket messages.Ticket, now time.Time) ([]byte, error) {
	enc := replyPart(part, r.ReqBody.Nonce, ticket.Realm, ticket.SName, now)
	fields := messages.KDCRepFields{PVNO: 5, MsgType: msgtype.KRB_TGS_REP, CRealm: part.CRealm, CName: part.CName, Ticket: ticket}
	key, usage := p.replyKey(), uint32(keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if len(p.proof.SubKey.KeyValue) > 0 {
		usage = keyusage.TGS_REP_ENCPART_AUTHENTICATOR_SUB_KEY
	}
	var err error
	if r.armor != nil {
		if fields.PAData, key, err = r.armor.finish(fields, key, r.ReqBody.Nonce, now); err != nil {
			return nil, err
		}
		if r.armor.hidden {
			fields.CRealm, fields.CName = anonymous()
		}
	}
	plain, err := encodeReplyPart(enc, asnAppTag.EncTGSRepPart)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if fields.EncPart, err = seal(plain, key, usage, 0); err != nil {
		return nil, err
	}
	return encodeReply(fields, asnAppTag.TGSREP)
}
