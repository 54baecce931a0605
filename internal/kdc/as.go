package kdc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
)

// authenticate is the AS exchange (RFC 4120 section 3.1): who proves that he knows his key gets a ticket.
func (s *Server) authenticate(ctx context.Context, r *request) ([]byte, error) {
	now := s.options.Now()
	if err := s.unwrap(r, nil); err != nil {
		return nil, err
	}
	clients, err := s.clients(r)
	if err != nil {
		return nil, err
	}
	defer wipe(clients...)
	kind, err := strongest(r.ReqBody.EType, []int32{aes256, aes128})
	if err != nil {
		return nil, err
	}
	client, reply, err := s.prove(ctx, r, clients, kind, now)
	if err != nil {
		return nil, err
	}
	server, err := s.options.Engine.Service(client.Domain.ID, r.ReqBody.SName.NameString)
	if err != nil {
		return nil, notFound(err, embedded.ErrNoKeys, errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, "there is no such service")
	}
	defer server.Wipe()
	return s.ticketFor(r, client, server, reply, now)
}

// proof is what the reply to a client is sealed with.
type proof struct {
	key     types.EncryptionKey
	padata  []types.PAData // that goes with the reply
	preauth bool
}

// clients are the accounts that the request's client can be: more than one only where directories have the same name.
func (s *Server) clients(r *request) ([]*embedded.Principal, error) {
	clients, err := s.options.Engine.Clients(r.ReqBody.Realm, r.clientName(), r.enterprise())
	switch {
	case err != nil:
		return nil, err
	case len(clients) == 0:
		return nil, refuse(errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, "there is no such client")
	}
	return clients, nil
}

func wipe(all ...*embedded.Principal) {
	for _, p := range all {
		p.Wipe()
	}
}

// prove holds the client's pre-authentication against its key, and the account against what bars it.
func (s *Server) prove(ctx context.Context, r *request, clients []*embedded.Principal, kind int32, now time.Time) (*embedded.Principal, *proof, error) {
	client := clients[0]
	verifier := s.preauthentication(r)
	if verifier == nil {
		if client.Control&directory.DontRequirePreauth == 0 || len(client.AES256) == 0 {
			return nil, nil, &refusal{code: errorcode.KDC_ERR_PREAUTH_REQUIRED, text: "pre-authentication is required", padata: s.methods(r, client)}
		}
		return client, &proof{key: keyOf(client, kind)}, s.refused(r, client, client.Standing())
	}
	if s.options.Failures.Spent(r.network, now) {
		return nil, nil, refuse(errorcode.KDC_ERR_SVC_UNAVAILABLE, "there were too many wrong passwords from this address")
	}
	for _, each := range clients {
		proved, err := verifier(each, now)
		if err != nil {
			return nil, nil, err
		}
		if proved != nil {
			return each, proved, s.refused(r, each, each.Settle(ctx, true))
		}
	}
	s.options.Failures.Take(r.network, now)
	if err := s.refused(r, client, client.Settle(ctx, false)); err != nil {
		return nil, nil, err
	}
	return nil, nil, refuse(errorcode.KDC_ERR_PREAUTH_FAILED, "the password is not right")
}

// refused is what the client is told of the account's answer to a login. An old password is good enough for a ticket to change it.
func (s *Server) refused(r *request, client *embedded.Principal, err error) error {
	if err == nil {
		return nil
	}
	if code := directory.DataCode(err); isChangePassword(r.ReqBody.SName) && (code == "532" || code == "773") {
		return nil
	}
	refused := explain(err)
	var no *refusal
	if errors.As(refused, &no) && no.code == errorcode.KDC_ERR_PREAUTH_FAILED {
		no.padata = s.methods(r, client)
	}
	return refused
}

func isChangePassword(name types.PrincipalName) bool {
	return len(name.NameString) == 2 && strings.EqualFold(name.NameString[0], "kadmin") && strings.EqualFold(name.NameString[1], "changepw")
}

// methods is how the client may prove itself (RFC 4120 section 5.2.7), with the salt of its keys (RFC 3962 section 4).
func (s *Server) methods(r *request, client *embedded.Principal) []types.PAData {
	var info types.ETypeInfo2
	for _, kind := range r.ReqBody.EType {
		if (kind == aes256 || kind == aes128) && !slices.ContainsFunc(info, func(e types.ETypeInfo2Entry) bool { return e.EType == kind }) {
			info = append(info, types.ETypeInfo2Entry{EType: kind, Salt: client.Salt})
		}
	}
	var all []types.PAData
	if value, err := asn1.Marshal(info); err == nil {
		all = append(all, types.PAData{PADataType: patype.PA_ETYPE_INFO2, PADataValue: value})
	}
	if r.armor != nil {
		all = append(all, types.PAData{PADataType: patype.PA_ENCRYPTED_CHALLENGE})
	} else {
		all = append(all, types.PAData{PADataType: patype.PA_ENC_TIMESTAMP})
	}
	return append(all, types.PAData{PADataType: patype.PA_FX_FAST}, types.PAData{PADataType: patype.PA_FX_COOKIE, PADataValue: []byte(cookie)})
}

// ticketFor makes the ticket and the reply of the AS exchange.
func (s *Server) ticketFor(r *request, client, server *embedded.Principal, reply *proof, now time.Time) ([]byte, error) {
	kind, err := strongest(r.ReqBody.EType, typesOf(server))
	if err != nil {
		return nil, err
	}
	t, err := r.bound(times{auth: now}, time.Time{}, time.Time{}, now)
	if err != nil {
		return nil, err
	}
	session, err := newKey(kind)
	if err != nil {
		return nil, err
	}
	defer clear(session.KeyValue)
	realm := client.Domain.Realm()
	cname, sname := r.ReqBody.CName, r.ReqBody.SName
	if r.canonicalize() {
		cname = types.PrincipalName{NameType: nametype.KRB_NT_PRINCIPAL, NameString: []string{client.Account}}
		if isTGS(sname) {
			sname = types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", realm}}
		}
	}
	flag := kdcFlags(flags.Initial)
	if reply.preauth {
		types.SetFlag(&flag, flags.PreAuthent)
	}
	for _, each := range []int{flags.Forwardable, flags.Proxiable} {
		if r.option(each) {
			types.SetFlag(&flag, each)
		}
	}
	if !t.renew.IsZero() {
		types.SetFlag(&flag, flags.Renewable)
	}
	if _, asked := r.padata(patype.PA_REQ_ENC_PA_REP); asked {
		types.SetFlag(&flag, flags.EncPARep)
	}
	delegation(&flag, client, server, isTGS(sname))
	part := newPart(flag, session, realm, cname, t)
	ticket, err := s.issue(part, client, server, realm, sname, r.pacAttributes())
	if err != nil {
		return nil, err
	}
	enc := replyPart(part, r.ReqBody.Nonce, realm, sname, now)
	enc.KeyExpiration = whole(client.PasswordEnds())
	fields := messages.KDCRepFields{
		PVNO: 5, MsgType: msgtype.KRB_AS_REP, CRealm: realm, CName: cname, Ticket: ticket,
		PAData: append([]types.PAData{s.saltOf(client, reply.key.KeyType)}, reply.padata...),
	}
	key := reply.key
	if r.armor != nil {
		if fields.PAData, key, err = r.armor.finish(fields, key, r.ReqBody.Nonce, now); err != nil {
			return nil, err
		}
		if r.armor.hidden {
			fields.CRealm, fields.CName = anonymous()
		}
	}
	if enc.EncPAData, err = r.encryptedPAData(key); err != nil {
		return nil, err
	}
	plain, err := encodeReplyPart(enc, asnAppTag.EncASRepPart)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if fields.EncPart, err = seal(plain, key, keyusage.AS_REP_ENCPART, client.Version); err != nil {
		return nil, err
	}
	return encodeReply(fields, asnAppTag.ASREP)
}

func isTGS(name types.PrincipalName) bool {
	return len(name.NameString) == 2 && name.NameString[0] == "krbtgt"
}

func (s *Server) saltOf(client *embedded.Principal, kind int32) types.PAData {
	value, _ := asn1.Marshal(types.ETypeInfo2{{EType: kind, Salt: client.Salt}})
	return types.PAData{PADataType: patype.PA_ETYPE_INFO2, PADataValue: value}
}

// encryptedPAData proves to the client that its request came as it was sent, and that FAST is there (RFC 6806 section 11).
func (r *request) encryptedPAData(key types.EncryptionKey) ([]types.PAData, error) {
	if _, asked := r.padata(patype.PA_REQ_ENC_PA_REP); !asked {
		return nil, nil
	}
	sum, err := checksum(r.message, key, keyusage.KEY_USAGE_AS_REQ)
	if err != nil {
		return nil, err
	}
	value, err := asn1.Marshal(sum)
	if err != nil {
		return nil, err
	}
	return []types.PAData{{PADataType: patype.PA_REQ_ENC_PA_REP, PADataValue: value}, {PADataType: patype.PA_FX_FAST, PADataValue: []byte{}}}, nil
}
