package kdc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// request is a KDC-REQ (RFC 4120 section 5.4.1), with its body as the client has written it: checksums are over those bytes.
type request struct {
	messages.KDCReqFields
	message []byte
	body    []byte
	armor   *armor // nil without FAST
	network string
}

// rawRequest is the outermost part of a KDC-REQ.
type rawRequest struct {
	PVNO    int                  `asn1:"explicit,tag:1"`
	MsgType int                  `asn1:"explicit,tag:2"`
	PAData  types.PADataSequence `asn1:"explicit,optional,tag:3"`
	ReqBody asn1.RawValue        `asn1:"explicit,tag:4"`
}

var errMalformed = errors.New("not a message of the AS or TGS exchange")

// decodeRequest reads a message that may be anything. The decoders panic for some of it.
func decodeRequest(message []byte) (r *request, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			r, err = nil, fmt.Errorf("%w: %T", errMalformed, cause)
		}
	}()
	const application = 0x60
	if len(message) == 0 || message[0] != application|asnAppTag.ASREQ && message[0] != application|asnAppTag.TGSREQ {
		return nil, errMalformed
	}
	// Of an application tag the decoder does not look at the length.
	var outer asn1.RawValue
	if rest, err := asn1.Unmarshal(message, &outer); err != nil || len(rest) > 0 {
		return nil, errMalformed
	}
	var raw rawRequest
	rest, err := asn1.UnmarshalWithParams(message, &raw, fmt.Sprintf("application,explicit,tag:%d", message[0]&^application))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	case len(rest) > 0, raw.PVNO != 5, raw.MsgType != int(message[0]&^application):
		return nil, errMalformed
	}
	r = &request{message: message, body: raw.ReqBody.Bytes}
	r.PVNO, r.MsgType, r.PAData = raw.PVNO, raw.MsgType, raw.PAData
	return r, r.readBody()
}

func (r *request) readBody() error {
	r.ReqBody = messages.KDCReqBody{}
	if err := r.ReqBody.Unmarshal(r.body); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	for _, text := range slices.Concat([]string{r.ReqBody.Realm}, r.ReqBody.CName.NameString, r.ReqBody.SName.NameString) {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Errorf("%w: a name is not UTF-8", errMalformed)
		}
	}
	return nil
}

func (r *request) isAS() bool { return r.MsgType == msgtype.KRB_AS_REQ }

func (r *request) kind() string {
	if r.isAS() {
		return "AS"
	}
	return "TGS"
}

func (r *request) option(flag int) bool { return types.IsFlagSet(&r.ReqBody.KDCOptions, flag) }

func (r *request) enterprise() bool { return r.ReqBody.CName.NameType == nametype.KRB_NT_ENTERPRISE }

// canonicalize says that the client takes another name than the one it gave (RFC 6806 section 3).
func (r *request) canonicalize() bool { return r.option(flags.Canonicalize) }

func (r *request) clientName() string { return r.ReqBody.CName.PrincipalNameString() }

// padata is the value of the first pre-authentication datum of that type.
func (r *request) padata(kind int32) ([]byte, bool) { return find(r.PAData, kind) }

func find(all []types.PAData, kind int32) ([]byte, bool) {
	for _, each := range all {
		if each.PADataType == kind {
			return each.PADataValue, true
		}
	}
	return nil, false
}

func foldName(name types.PrincipalName) string {
	return strings.ToLower(strings.Join(name.NameString, "/"))
}

// tagged puts an ASN.1 application tag around a value.
func tagged(value any, tag int) ([]byte, error) {
	b, err := asn1.Marshal(value)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(asn1.RawValue{Class: asn1.ClassApplication, IsCompound: true, Tag: tag, Bytes: b})
}
