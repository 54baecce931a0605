package kdc

import (
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory/embedded"
)

// armor is what protects an exchange by FAST (RFC 6113 section 5.4): the key that both sides have from a ticket.
type armor struct {
	key types.EncryptionKey
	// hidden says that nobody on the way is to read the client's name.
	hidden bool
}

type (
	// fastArmor is KrbFastArmor.
	fastArmor struct {
		Type  int32  `asn1:"explicit,tag:0"`
		Value []byte `asn1:"explicit,tag:1"`
	}
	// fastArmoredRequest is KrbFastArmoredReq.
	fastArmoredRequest struct {
		Armor    fastArmor           `asn1:"explicit,optional,tag:0"`
		Checksum types.Checksum      `asn1:"explicit,tag:1"`
		Request  types.EncryptedData `asn1:"explicit,tag:2"`
	}
	// fastRequest is KrbFastReq.
	fastRequest struct {
		Options asn1.BitString `asn1:"explicit,tag:0"`
		PAData  []types.PAData `asn1:"explicit,tag:1"`
		Body    asn1.RawValue  `asn1:"explicit,tag:2"`
	}
	// fastArmoredReply is KrbFastArmoredRep.
	fastArmoredReply struct {
		Reply types.EncryptedData `asn1:"explicit,tag:0"`
	}
	// fastFinished is KrbFastFinished.
	fastFinished struct {
		Timestamp time.Time           `asn1:"generalized,explicit,tag:0"`
		Usec      int                 `asn1:"explicit,tag:1"`
		CRealm    string              `asn1:"generalstring,explicit,tag:2"`
		CName     types.PrincipalName `asn1:"explicit,tag:3"`
		Checksum  types.Checksum      `asn1:"explicit,tag:4"`
	}
	// fastReply is KrbFastResponse of a reply, fastRefusal that of an error.
	fastReply struct {
		PAData        []types.PAData      `asn1:"explicit,tag:0"`
		StrengthenKey types.EncryptionKey `asn1:"explicit,tag:1"`
		Finished      fastFinished        `asn1:"explicit,tag:2"`
		Nonce         int                 `asn1:"explicit,tag:3"`
	}
	fastRefusal struct {
		PAData []types.PAData `asn1:"explicit,tag:0"`
		Nonce  int            `asn1:"explicit,tag:3"`
	}
)

const (
	armorTicket = 1 // FX_FAST_ARMOR_AP_REQUEST
	// cookie has no state: this server keeps none between the messages of an exchange.
	cookie = "latchkey"
	// Of the FAST options the first 16 are critical (RFC 6113 section 5.4.2). hide-client-names is the only one that there is.
	criticalOctets         = 2
	hideClientNames        = 1
	wellKnownName          = 11 // KRB_NT_WELLKNOWN, RFC 6111
	unknownCriticalOptions = 93 // KDC_ERR_UNKNOWN_CRITICAL_FAST_OPTIONS
)

// unwrap puts what is within the armor in the place of the request; without armor it does nothing. In the TGS exchange the armor
// is the ticket that is shown.
func (s *Server) unwrap(r *request, shown *presented) error {
	value, ok := r.padata(patype.PA_FX_FAST)
	if !ok {
		return nil
	}
	unreadable := refuse(errorcode.KDC_ERR_PREAUTH_FAILED, "the armored request can't be read")
	var choice asn1.RawValue
	var armored fastArmoredRequest
	if _, err := asn1.UnmarshalWithParams(value, &choice, "tag:0"); err != nil {
		return unreadable
	}
	if _, err := asn1.Unmarshal(choice.Bytes, &armored); err != nil {
		return unreadable
	}
	protected := r.body
	switch {
	case armored.Armor.Type == armorTicket:
		var err error
		if shown, err = s.present(armored.Armor.Value, keyusage.AP_REQ_AUTHENTICATOR, s.options.Now()); err != nil {
			return err
		}
		if !isTGS(shown.ticket.SName) {
			return refuse(errorcode.KRB_AP_ERR_NOT_US, "the armor's ticket is for another service")
		}
	case armored.Armor.Type != 0 || shown == nil:
		return unreadable
	}
	if !r.isAS() {
		protected = shown.ap
	}
	if len(shown.proof.SubKey.KeyValue) == 0 {
		return unreadable
	}
	key, err := combine(shown.proof.SubKey, shown.part.Key, "subkeyarmor", "ticketarmor")
	if err != nil {
		return unreadable
	}
	if !verify(protected, armored.Checksum, key, keyusage.KEY_USAGE_FAST_REQ_CHKSUM) {
		return refuse(errorcode.KRB_AP_ERR_MODIFIED, "the armor is of another request")
	}
	plain, err := open(armored.Request, key, keyusage.KEY_USAGE_FAST_ENC)
	if err != nil {
		return refuse(errorcode.KRB_AP_ERR_BAD_INTEGRITY, "the armored request is not under the armor's key")
	}
	hidden, err := r.unfold(plain)
	if err != nil {
		return err
	}
	r.armor = &armor{key, hidden}
	return nil
}

// unfold puts a KrbFastReq in the place of the request. hidden says that the client's name is to be nobody's on the way.
func (r *request) unfold(plain []byte) (hidden bool, err error) {
	unreadable := refuse(errorcode.KDC_ERR_PREAUTH_FAILED, "the armored request can't be read")
	var inner fastRequest
	if _, err := asn1.Unmarshal(plain, &inner); err != nil {
		return false, unreadable
	}
	hidden = inner.Options.At(hideClientNames) == 1
	for i, octet := range inner.Options.Bytes {
		if i == 0 && hidden {
			octet &^= 0x80 >> hideClientNames
		}
		if i < criticalOctets && octet != 0 {
			return false, refuse(unknownCriticalOptions, "the request has a critical option that is not known")
		}
	}
	r.PAData, r.body = inner.PAData, inner.Body.Bytes
	if err := r.readBody(); err != nil {
		return false, fmt.Errorf("%w: %w", unreadable, err)
	}
	return hidden, nil
}

// challenge is PA-ENCRYPTED-CHALLENGE (RFC 6113 section 5.4.6): a time under the client's key and the armor's.
func (s *Server) challenge(r *request, value []byte, client *embedded.Principal, now time.Time) (*proof, error) {
	var data types.EncryptedData
	if err := data.Unmarshal(value); err != nil {
		return nil, refuse(errorcode.KDC_ERR_PREAUTH_FAILED, "the pre-authentication can't be read")
	}
	// The challenge's key has the armor's type; which of the client's it was made of, only trying tells.
	for _, kind := range r.ReqBody.EType {
		if kind != aes256 && kind != aes128 || len(client.AES256) == 0 {
			continue
		}
		long := keyOf(client, kind)
		key, err := combine(r.armor.key, long, "clientchallengearmor", "challengelongterm")
		if err != nil {
			return nil, err
		}
		plain, err := open(data, key, keyusage.KEY_USAGE_ENC_CHALLENGE_CLIENT)
		if err != nil {
			continue
		}
		if err := s.fresh(plain, now); err != nil {
			return nil, err
		}
		answer, err := r.armor.answer(long, now)
		if err != nil {
			return nil, err
		}
		return &proof{key: long, padata: []types.PAData{answer}, preauth: true}, nil
	}
	return nil, nil
}

// answer proves to the client that this server knows the key as well.
func (a *armor) answer(long types.EncryptionKey, now time.Time) (types.PAData, error) {
	key, err := combine(a.key, long, "kdcchallengearmor", "challengelongterm")
	if err != nil {
		return types.PAData{}, err
	}
	plain, err := asn1.Marshal(types.PAEncTSEnc{PATimestamp: whole(now), PAUSec: now.Nanosecond() / 1000})
	if err != nil {
		return types.PAData{}, err
	}
	sealed, err := seal(plain, key, keyusage.KEY_USAGE_ENC_CHALLENGE_KDC, 0)
	if err != nil {
		return types.PAData{}, err
	}
	value, err := sealed.Marshal()
	return types.PAData{PADataType: patype.PA_ENCRYPTED_CHALLENGE, PADataValue: value}, err
}

// finish armors the data of a reply, and gives the key that the reply is to be sealed with.
func (a *armor) finish(reply messages.KDCRepFields, key types.EncryptionKey, nonce int, now time.Time) ([]types.PAData, types.EncryptionKey, error) {
	ticket, err := reply.Ticket.Marshal()
	if err != nil {
		return nil, key, err
	}
	sum, err := checksum(ticket, a.key, keyusage.KEY_USAGE_FAST_FINISHED)
	if err != nil {
		return nil, key, err
	}
	strengthen, err := newKey(key.KeyType)
	if err != nil {
		return nil, key, err
	}
	padata := reply.PAData
	if padata == nil {
		padata = []types.PAData{}
	}
	outer, err := a.seal(fastReply{
		PAData: padata, StrengthenKey: strengthen, Nonce: nonce,
		Finished: fastFinished{Timestamp: whole(now), Usec: now.Nanosecond() / 1000, CRealm: reply.CRealm, CName: reply.CName, Checksum: sum},
	})
	if err != nil {
		return nil, key, err
	}
	stronger, err := combine(strengthen, key, "strengthenkey", "replykey")
	return []types.PAData{outer}, stronger, err
}

// anonymous is the name of nobody (RFC 8062 section 3).
func anonymous() (realm string, name types.PrincipalName) {
	return "WELLKNOWN:ANONYMOUS", types.PrincipalName{NameType: wellKnownName, NameString: []string{"WELLKNOWN", "ANONYMOUS"}}
}

// cover armors a refusal: outside of it there is only the code.
func (a *armor) cover(message *messages.KRBError, no *refusal, nonce int, _ time.Time) error {
	padata := no.padata
	if no.status != 0 {
		padata = []types.PAData{no.extended()}
	}
	plain := *message
	plain.EData = nil
	value, err := plain.Marshal()
	if err != nil {
		return err
	}
	if a.hidden && message.CRealm != "" {
		message.CRealm, message.CName = anonymous()
	}
	padata = append([]types.PAData{{PADataType: patype.PA_FX_ERROR, PADataValue: value}}, padata...)
	outer, err := a.seal(fastRefusal{PAData: padata, Nonce: nonce})
	if err != nil {
		return err
	}
	message.EData, err = asn1.Marshal([]types.PAData{outer})
	return err
}

// seal is PA-FX-FAST-REPLY.
func (a *armor) seal(response any) (types.PAData, error) {
	plain, err := asn1.Marshal(response)
	if err != nil {
		return types.PAData{}, err
	}
	defer clear(plain)
	sealed, err := seal(plain, a.key, keyusage.KEY_USAGE_FAST_REP, 0)
	if err != nil {
		return types.PAData{}, err
	}
	inner, err := asn1.Marshal(fastArmoredReply{sealed})
	if err != nil {
		return types.PAData{}, err
	}
	value, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: inner})
	return types.PAData{PADataType: patype.PA_FX_FAST, PADataValue: value}, err
}
