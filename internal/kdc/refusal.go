package kdc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
)

// refusal is an error that the client is told of, as KRB-ERROR (RFC 4120 section 5.9.1).
type refusal struct {
	code int32
	text string
	// padata is what the client needs to try again; status is an NTSTATUS (MS-ERREF section 2.3). At most one is there.
	padata []types.PAData
	status uint32
}

func refuse(code int32, text string) *refusal { return &refusal{code: code, text: text} }

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", errorcode.Lookup(r.code), r.text) }

// loginRefusals is what AD's reasons for a refused login are in Kerberos (MS-KILE section 3.3.5.7.1): the data code of LDAP,
// KRB-ERROR's code and the NTSTATUS.
var loginRefusals = map[string]refusal{
	"525": {code: errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN},
	"52e": {code: errorcode.KDC_ERR_PREAUTH_FAILED},
	"52f": {code: errorcode.KDC_ERR_POLICY, status: 0xC000006E},
	"530": {code: errorcode.KDC_ERR_CLIENT_REVOKED, status: 0xC000006F},
	"531": {code: errorcode.KDC_ERR_POLICY, status: 0xC0000070},
	"532": {code: errorcode.KDC_ERR_KEY_EXPIRED, status: 0xC0000071},
	"533": {code: errorcode.KDC_ERR_CLIENT_REVOKED, status: 0xC0000072},
	"701": {code: errorcode.KDC_ERR_CLIENT_REVOKED, status: 0xC0000193},
	"773": {code: errorcode.KDC_ERR_KEY_EXPIRED, status: 0xC0000224},
	"775": {code: errorcode.KDC_ERR_CLIENT_REVOKED, status: 0xC0000234},
}

// explain is a refused login in Kerberos' terms. What is none stays as it is.
func explain(err error) error {
	if known, ok := loginRefusals[directory.DataCode(err)]; ok {
		return &known
	}
	if ldap.IsErrorWithCode(err, ldap.LDAPResultBusy) {
		return refuse(errorcode.KDC_ERR_SVC_UNAVAILABLE, "try again later")
	}
	return err
}

// refusalMessage is the KRB-ERROR for a request.
func (s *Server) refusalMessage(r *request, no *refusal) []byte {
	body := r.ReqBody
	message := s.refusalOf(body.SName, body.Realm, no)
	if r.isAS() {
		message.CRealm, message.CName = body.Realm, body.CName
	}
	if r.armor != nil {
		if err := r.armor.cover(&message, no, body.Nonce, s.options.Now()); err != nil {
			s.log.Error("KDC refusal can't be armored", "err", err)
			return nil
		}
	}
	reply, err := message.Marshal()
	if err != nil {
		s.log.Error("KDC refusal can't be written", "err", err)
		return nil
	}
	return reply
}

func (s *Server) refusalOf(sname types.PrincipalName, realm string, no *refusal) messages.KRBError {
	now := s.options.Now().UTC()
	if len(sname.NameString) == 0 {
		sname = types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: []string{"krbtgt", realm}}
	}
	return messages.KRBError{
		PVNO: iana.PVNO, MsgType: msgtype.KRB_ERROR, STime: now.Truncate(time.Second), Susec: now.Nanosecond() / 1000, ErrorCode: no.code,
		Realm: realm, SName: sname, EText: no.text, EData: no.edata(),
	}
}

// edata is METHOD-DATA, or the NTSTATUS as AD gives it.
func (no *refusal) edata() []byte {
	padata := no.padata
	if no.status != 0 {
		padata = []types.PAData{no.extended()}
	}
	if len(padata) == 0 {
		return nil
	}
	b, err := asn1.Marshal(padata)
	if err != nil {
		return nil
	}
	return b
}

// extended is KERB-EXT-ERROR (MS-KILE section 2.2.2) within a datum of the type that AD uses for it.
func (no *refusal) extended() types.PAData {
	value := binary.LittleEndian.AppendUint32(nil, no.status)
	value = binary.LittleEndian.AppendUint32(value, 0)
	value = binary.LittleEndian.AppendUint32(value, 1)
	return types.PAData{PADataType: patype.PA_PW_SALT, PADataValue: value}
}

// notFound turns an unknown name into that refusal.
func notFound(err, unknown error, code int32, text string) error {
	if errors.Is(err, unknown) {
		return refuse(code, text)
	}
	return err
}
