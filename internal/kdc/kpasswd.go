package kdc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/addrtype"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/kadmin"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory/embedded"
)

// Versions of the protocol, and its result codes (RFC 3244 section 2).
const (
	changeVersion = 1
	setVersion    = 0xff80

	resultSuccess       = 0
	resultMalformed     = 1
	resultHardError     = 2
	resultAuthError     = 3
	resultSoftError     = 4
	resultAccessDenied  = 5
	resultBadVersion    = 6
	resultInitialNeeded = 7
)

// result is what a client is told of its request.
type result struct {
	code uint16
	text string
}

func (r *result) Error() string { return fmt.Sprintf("result %d: %s", r.code, r.text) }

func (r *result) bytes() []byte {
	return append(binary.BigEndian.AppendUint16(nil, r.code), r.text...)
}

// passwordRequest is a request taken apart.
type passwordRequest struct {
	version   uint16
	ap, priv  []byte
	shown     *presented
	key       types.EncryptionKey
	addressee netip.Addr // of the request
}

// AnswerPassword is the reply to a request to change or set a password (RFC 3244), or nil where it deserves none.
func (s *Server) AnswerPassword(ctx context.Context, message []byte, peer Peer) (reply []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			_ = s.panicked(cause)
			reply = nil
		}
	}()
	r, err := decodePassword(message)
	if err != nil {
		s.log.Debug("kpasswd request can't be read", "err", err)
		return nil
	}
	r.addressee = peer.Local
	now, began := s.options.Now(), time.Now()
	if r.version != changeVersion && r.version != setVersion {
		return s.passwordRefusal(refuse(errorcode.KRB_AP_ERR_BADVERSION, "the protocol's version is not known"), resultBadVersion, began)
	}
	if r.shown, err = s.present(r.ap, keyusage.AP_REQ_AUTHENTICATOR, now); err == nil && !isChangePassword(r.shown.ticket.SName) {
		err = refuse(errorcode.KRB_AP_ERR_NOT_US, "the ticket is not for kadmin/changepw")
	}
	if err != nil {
		return s.passwordRefusal(err, resultAuthError, began)
	}
	again, former, err := s.replays.check(r.shown.raw, message, now)
	if err != nil {
		return s.passwordRefusal(err, resultAuthError, began)
	}
	if again {
		return former // nil while it is still at work
	}
	r.key = r.shown.replyKey()
	done := s.carryOut(ctx, r, now)
	s.observePassword(done.code, began)
	s.log.Debug("kpasswd request", "client", r.shown.part.CName.PrincipalNameString(), "realm", r.shown.part.CRealm, "result", done)
	reply, err = r.reply(done, now)
	if err != nil {
		s.log.Error("kpasswd reply can't be written", "err", err)
		return nil
	}
	s.replays.keep(r.shown.raw, reply)
	return reply
}

// decodePassword takes a message apart: its length, the version, the length of the AP-REQ, the AP-REQ and the KRB-PRIV.
func decodePassword(message []byte) (*passwordRequest, error) {
	const head = 6
	if len(message) < head || int(binary.BigEndian.Uint16(message)) != len(message) {
		return nil, errors.New("the length is not the message's")
	}
	size := int(binary.BigEndian.Uint16(message[4:]))
	if size == 0 || head+size >= len(message) {
		return nil, errors.New("the AP-REQ is not within the message")
	}
	return &passwordRequest{version: binary.BigEndian.Uint16(message[2:]), ap: message[head : head+size], priv: message[head+size:]}, nil
}

// carryOut changes the password, and gives what the client is told.
func (s *Server) carryOut(ctx context.Context, r *passwordRequest, now time.Time) *result {
	err := s.changePassword(ctx, r, now)
	if err == nil {
		return &result{resultSuccess, "Password changed"}
	}
	var told *result
	var no *refusal
	var answer *ldap.Error
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &no):
		return &result{resultAuthError, no.text}
	case errors.As(err, &answer) && answer.ResultCode == ldap.LDAPResultInsufficientAccessRights:
		return &result{resultAccessDenied, reason(answer)}
	case errors.As(err, &answer) && answer.ResultCode == ldap.LDAPResultConstraintViolation:
		return &result{resultSoftError, reason(answer)}
	case errors.As(err, &answer):
		return &result{resultHardError, reason(answer)}
	}
	s.log.Error("kpasswd request failed", "err", err)
	return &result{resultHardError, "the directory can't be asked now"}
}

// reason is a refusal's text without AD's code and what comes before the reason itself.
func reason(answer *ldap.Error) string {
	text := answer.Err.Error()
	if _, rest, ok := strings.Cut(text, ": "); ok {
		text = rest
	}
	return strings.TrimPrefix(text, "Constraint violation - ")
}

func (s *Server) changePassword(ctx context.Context, r *passwordRequest, now time.Time) error {
	data, err := r.open(now)
	if err != nil {
		return err
	}
	defer clear(data.NewPasswd)
	if !utf8.Valid(data.NewPasswd) || bytes.IndexByte(data.NewPasswd, 0) >= 0 {
		return &result{resultSoftError, "the password is not UTF-8, or has the character U+0000"}
	}
	client, err := s.returning(r.shown)
	if err != nil {
		return err
	}
	defer client.Wipe()
	target := client
	if len(data.TargName.NameString) > 0 {
		if target, err = s.target(r, data); err != nil {
			return err
		}
		defer target.Wipe()
	}
	if target.SID != client.SID {
		return client.ResetPassword(ctx, target, data.NewPasswd)
	}
	// Who has proved that he knows the password: not who has found somebody's tickets (RFC 3244 section 2).
	if !r.shown.flag(flags.Initial) {
		return &result{resultInitialNeeded, "the ticket must be got with the password itself"}
	}
	return client.ChangePassword(ctx, data.NewPasswd)
}

// open is what the client has sealed.
func (r *passwordRequest) open(now time.Time) (*kadmin.ChangePasswdData, error) {
	malformed := &result{resultMalformed, "the request can't be read"}
	var priv messages.KRBPriv
	if err := priv.Unmarshal(r.priv); err != nil {
		return nil, malformed
	}
	plain, err := open(priv.EncPart, r.key, keyusage.KRB_PRIV_ENCPART)
	if err != nil {
		return nil, &result{resultAuthError, "the request is not under the ticket's key"}
	}
	defer clear(plain)
	var part messages.EncKrbPrivPart
	if err := part.Unmarshal(plain); err != nil {
		return nil, malformed
	}
	defer clear(part.UserData)
	if part.SequenceNumber != r.shown.proof.SeqNumber {
		return nil, &result{resultAuthError, "the sequence number is not the authenticator's"}
	}
	if !part.Timestamp.IsZero() {
		if err := withinSkew(part.Timestamp, now); err != nil {
			return nil, err
		}
	}
	if r.version == changeVersion {
		return &kadmin.ChangePasswdData{NewPasswd: append([]byte(nil), part.UserData...)}, nil
	}
	data := &kadmin.ChangePasswdData{}
	if rest, err := asn1.Unmarshal(part.UserData, data); err != nil || len(rest) > 0 {
		clear(data.NewPasswd)
		return nil, malformed
	}
	return data, nil
}

// target is the account whose password is to be set.
func (s *Server) target(r *passwordRequest, data *kadmin.ChangePasswdData) (*embedded.Principal, error) {
	nobody := &result{resultHardError, "there is no such account"}
	realm := data.TargRealm
	if realm == "" {
		realm = r.shown.part.CRealm
	}
	name := data.TargName
	found, err := s.options.Engine.Clients(realm, name.PrincipalNameString(), name.NameType == nametype.KRB_NT_ENTERPRISE)
	if err != nil {
		return nil, err
	}
	var target *embedded.Principal
	for _, each := range found {
		if each.Domain.ID == r.shown.id && target == nil {
			target = each
		} else {
			each.Wipe()
		}
	}
	if target == nil {
		return nil, nobody
	}
	return target, nil
}

// encAPRepPart and apRep are the proof that this server has opened the ticket (RFC 4120 section 5.5.2).
type (
	encAPRepPart struct {
		CTime          time.Time `asn1:"generalized,explicit,tag:0"`
		Cusec          int       `asn1:"explicit,tag:1"`
		SequenceNumber int64     `asn1:"explicit,tag:3"`
	}
	apRep struct {
		PVNO    int                 `asn1:"explicit,tag:0"`
		MsgType int                 `asn1:"explicit,tag:1"`
		EncPart types.EncryptedData `asn1:"explicit,tag:2"`
	}
)

// reply is the answer to a client that has proved itself.
func (r *passwordRequest) reply(done *result, now time.Time) ([]byte, error) {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	sequence := int64(binary.BigEndian.Uint32(random[:])>>2) + 1
	plain, err := tagged(encAPRepPart{CTime: r.shown.proof.CTime, Cusec: r.shown.proof.Cusec, SequenceNumber: sequence}, asnAppTag.EncAPRepPart)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(plain, r.shown.part.Key, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	ap, err := tagged(apRep{iana.PVNO, msgtype.KRB_AP_REP, sealed}, asnAppTag.APREP)
	if err != nil {
		return nil, err
	}
	plain, err = tagged(messages.EncKrbPrivPart{
		UserData: done.bytes(), Timestamp: whole(now), Usec: now.Nanosecond() / 1000, SequenceNumber: sequence, SAddress: hostAddress(r.addressee),
	}, asnAppTag.EncKrbPrivPart)
	if err != nil {
		return nil, err
	}
	if sealed, err = seal(plain, r.key, keyusage.KRB_PRIV_ENCPART, 0); err != nil {
		return nil, err
	}
	priv := messages.KRBPriv{PVNO: iana.PVNO, MsgType: msgtype.KRB_PRIV, EncPart: sealed}
	body, err := priv.Marshal()
	if err != nil {
		return nil, err
	}
	return framePassword(ap, body), nil
}

func hostAddress(address netip.Addr) types.HostAddress {
	if address.Is4() {
		return types.HostAddress{AddrType: addrtype.IPv4, Address: address.AsSlice()}
	}
	return types.HostAddress{AddrType: addrtype.IPv6, Address: address.AsSlice()}
}

// passwordRefusal is the answer to a client that has not proved itself.
func (s *Server) passwordRefusal(err error, code uint16, began time.Time) []byte {
	var no *refusal
	if !errors.As(err, &no) {
		s.log.Error("kpasswd request failed", "err", err)
		no, code = refuse(errorcode.KRB_ERR_GENERIC, "the directory can't be asked now"), resultHardError
	}
	s.observePassword(code, began)
	s.log.Debug("kpasswd request refused", "err", no)
	message := s.refusalOf(types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"kadmin", "changepw"}}, "", no)
	message.EData = (&result{code, no.text}).bytes()
	body, err := message.Marshal()
	if err != nil {
		return nil
	}
	return framePassword(nil, body)
}

func framePassword(ap, body []byte) []byte {
	const head = 6
	reply := binary.BigEndian.AppendUint16(nil, uint16(head+len(ap)+len(body)))
	reply = binary.BigEndian.AppendUint16(reply, changeVersion)
	reply = binary.BigEndian.AppendUint16(reply, uint16(len(ap)))
	return append(append(reply, ap...), body...)
}
