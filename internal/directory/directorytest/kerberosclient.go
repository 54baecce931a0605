package directorytest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	krbflag "github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/pac"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	aes256 = etypeID.AES256_CTS_HMAC_SHA1_96
	aes128 = etypeID.AES128_CTS_HMAC_SHA1_96
	rc4    = etypeID.RC4_HMAC
)

// kerberosAnswer is what a key distribution center has said: an error, or a ticket.
type kerberosAnswer struct {
	code   int32 // of KRB-ERROR; 0: a ticket
	edata  []types.PAData
	crealm string
	cname  types.PrincipalName
	ticket messages.Ticket
	part   messages.EncKDCRepPart
	kvno   int // of the client's key
	key    types.EncryptionKey
}

// status is the NTSTATUS in an error (MS-KILE section 2.2.2), 0 without.
func (a kerberosAnswer) status() uint32 {
	for _, each := range a.edata {
		if each.PADataType == patype.PA_PW_SALT && len(each.PADataValue) >= 4 {
			return binary.LittleEndian.Uint32(each.PADataValue)
		}
	}
	return 0
}

// salt is the encryption type that the server would have the client use, and the salt of its key.
func (a kerberosAnswer) salt() string {
	for _, each := range a.edata {
		if infos, err := each.GetETypeInfo2(); err == nil && len(infos) > 0 {
			return fmt.Sprintf("%d:%s", infos[0].EType, infos[0].Salt)
		}
	}
	return ""
}

// flagNames is the ticket's flags that are the client's affair.
func (a kerberosAnswer) flagNames() string {
	var set []string
	for _, each := range []struct {
		flag int
		name string
	}{
		{krbflag.Forwardable, "forwardable"},
		{krbflag.Forwarded, "forwarded"},
		{krbflag.Proxiable, "proxiable"},
		{krbflag.Proxy, "proxy"},
		{krbflag.MayPostDate, "may-postdate"},
		{krbflag.PostDated, "postdated"},
		{krbflag.Invalid, "invalid"},
		{krbflag.Renewable, "renewable"},
		{krbflag.Initial, "initial"},
		{krbflag.PreAuthent, "pre-authent"},
	} {
		if a.flag(each.flag) {
			set = append(set, each.name)
		}
	}
	return strings.Join(set, " ")
}

func (a kerberosAnswer) flag(flag int) bool {
	return len(a.part.Flags.Bytes) >= 4 && types.IsFlagSet(&a.part.Flags, flag)
}

// ask is a request of the AS exchange before it is sent.
type ask struct {
	body     messages.KDCReqBody
	password string // "": no pre-authentication
	skew     time.Duration
	padata   types.PADataSequence
}

func principal(kind int32, name string) types.PrincipalName {
	return types.PrincipalName{NameType: kind, NameString: strings.Split(name, "/")}
}

func kdcOptions(set ...int) asn1.BitString {
	options := types.NewKrbFlags()
	types.SetFlags(&options, set)
	return options
}

// logonBy asks for a ticket for krbtgt, with the password; change alters what is asked.
func (c *check) logonBy(name, password string, change ...func(*ask)) kerberosAnswer {
	a := &ask{password: password, body: messages.KDCReqBody{
		KDCOptions: kdcOptions(), CName: principal(nametype.KRB_NT_PRINCIPAL, name), Realm: c.Domain.Realm(),
		SName: principal(nametype.KRB_NT_SRV_INST, "krbtgt/"+c.Domain.Realm()), Till: time.Now().Add(100 * 24 * time.Hour).UTC().Truncate(time.Second),
		Nonce: 4711, EType: []int32{aes256, aes128},
	}}
	for _, each := range change {
		each(a)
	}
	first := c.exchangeAS(a, nil)
	if password == "" || first.code != errorcode.KDC_ERR_PREAUTH_REQUIRED {
		return first
	}
	return c.exchangeAS(a, first.edata)
}

// exchangeAS is one exchange; offered is what the server has said of the keys, nil before it was asked.
func (c *check) exchangeAS(a *ask, offered []types.PAData) (answer kerberosAnswer) {
	request := messages.ASReq{KDCReqFields: messages.KDCReqFields{PVNO: 5, MsgType: msgtype.KRB_AS_REQ, PAData: slices.Clone(a.padata), ReqBody: a.body}}
	var key types.EncryptionKey
	if offered != nil {
		kind := a.body.EType[0]
		var err error
		key, _, err = crypto.GetKeyFromPassword(a.password, a.body.CName, a.body.Realm, kind, offered)
		c.must(err)
		stamp, err := asn1.Marshal(types.PAEncTSEnc{PATimestamp: time.Now().Add(a.skew).UTC().Truncate(time.Second), PAUSec: int(time.Now().UnixMicro() % 1e6)})
		c.must(err)
		sealed, err := crypto.GetEncryptedData(stamp, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, 0)
		c.must(err)
		value, err := sealed.Marshal()
		c.must(err)
		request.PAData = append(request.PAData, types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value})
	}
	message, err := request.Marshal()
	c.must(err)
	reply := c.askKDC(message)
	if readError(reply, &answer) {
		return answer
	}
	var rep messages.ASRep
	c.must(rep.Unmarshal(reply))
	plain, err := crypto.DecryptEncPart(rep.EncPart, key, keyusage.AS_REP_ENCPART)
	c.must(err)
	answer.take(c, rep.KDCRepFields, plain)
	return answer
}

func (a *kerberosAnswer) take(c *check, rep messages.KDCRepFields, plain []byte) {
	c.must(a.part.Unmarshal(plain))
	a.crealm, a.cname, a.ticket, a.kvno, a.key = rep.CRealm, rep.CName, rep.Ticket, rep.EncPart.KVNO, a.part.Key
}

// readError reads a KRB-ERROR, if it is one.
func readError(reply []byte, answer *kerberosAnswer) bool {
	var message messages.KRBError
	if message.Unmarshal(reply) != nil {
		return false
	}
	answer.code = message.ErrorCode
	if _, err := asn1.Unmarshal(message.EData, &answer.edata); err != nil {
		// AD's own form is one datum, not a sequence of them.
		var one types.PAData
		if _, err := asn1.Unmarshal(message.EData, &one); err == nil {
			answer.edata = []types.PAData{one}
		}
	}
	return true
}

// grantTo asks for a ticket for a service with the ticket that a logon has given.
func (c *check) grantTo(logon kerberosAnswer, service types.PrincipalName, change ...func(*messages.TGSReq)) (answer kerberosAnswer) {
	if logon.code != 0 {
		c.Fatalf("the logon was refused: %s", errorcode.Lookup(logon.code))
	}
	request := messages.TGSReq{KDCReqFields: messages.KDCReqFields{PVNO: 5, MsgType: msgtype.KRB_TGS_REQ, ReqBody: messages.KDCReqBody{
		KDCOptions: kdcOptions(), Realm: c.Domain.Realm(), SName: service, Till: time.Now().Add(100 * 24 * time.Hour).UTC().Truncate(time.Second),
		Nonce: 4712, EType: []int32{aes256, aes128},
	}}}
	for _, each := range change {
		each(&request)
	}
	body, err := request.ReqBody.Marshal()
	c.must(err)
	kind, err := crypto.GetEtype(logon.key.KeyType)
	c.must(err)
	sum, err := kind.GetChecksumHash(logon.key.KeyValue, body, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM)
	c.must(err)
	proof, err := types.NewAuthenticator(logon.crealm, logon.cname)
	c.must(err)
	proof.Cksum = types.Checksum{CksumType: kind.GetHashID(), Checksum: sum}
	ap, err := messages.NewAPReq(logon.ticket, logon.key, proof)
	c.must(err)
	value, err := ap.Marshal()
	c.must(err)
	request.PAData = append(types.PADataSequence{{PADataType: patype.PA_TGS_REQ, PADataValue: value}}, request.PAData...)
	message, err := request.Marshal()
	c.must(err)
	reply := c.askKDC(message)
	if readError(reply, &answer) {
		return answer
	}
	var rep messages.TGSRep
	c.must(rep.Unmarshal(reply))
	plain, err := crypto.DecryptEncPart(rep.EncPart, logon.key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	c.must(err)
	answer.take(c, rep.KDCRepFields, plain)
	return answer
}

// askKDC sends a message over TCP.
func (c *check) askKDC(message []byte) []byte {
	conn, err := net.DialTimeout("tcp", c.KDC, 10*time.Second)
	c.must(err)
	defer func() { _ = conn.Close() }()
	c.must(conn.SetDeadline(time.Now().Add(30 * time.Second)))
	_, err = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	c.must(err)
	var head [4]byte
	_, err = io.ReadFull(conn, head[:])
	c.must(err)
	reply := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<20))
	_, err = io.ReadFull(conn, reply)
	c.must(err)
	return reply
}

// logonInfo is the PAC of a ticket for a computer of that password, its server signature verified.
func (c *check) logonInfo(ticket messages.Ticket, salt, password string) *pac.PACType {
	key := c.keyOf(ticket, salt, password)
	c.must(ticket.Decrypt(key))
	for _, outer := range ticket.DecryptedEncPart.AuthorizationData {
		var inner types.AuthorizationData
		c.must(inner.Unmarshal(outer.ADData))
		var found pac.PACType
		c.must(found.Unmarshal(inner[0].ADData))
		c.must(found.ProcessPACInfoBuffers(key, log.New(io.Discard, "", 0)))
		return &found
	}
	c.must(errors.New("the ticket has no PAC"))
	return nil
}

// keyOf is the key of a password that a ticket is under.
func (c *check) keyOf(ticket messages.Ticket, salt, password string) types.EncryptionKey {
	kind, err := crypto.GetEtype(ticket.EncPart.EType)
	c.must(err)
	value, err := kind.StringToKey(password, salt, kind.GetDefaultStringToKeyParams())
	c.must(err)
	return types.EncryptionKey{KeyType: ticket.EncPart.EType, KeyValue: value}
}
