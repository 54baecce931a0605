package ldapserver

import (
	"context"
	"errors"

	"github.com/go-ldap/ldap/v3"
)

// refuse is an LDAP result other than success.
func refuse(code uint16, text string) error {
	return &ldap.Error{ResultCode: code, Err: errors.New(text)}
}

// outcome is an LDAPResult (RFC 4511 section 4.1.9).
type outcome struct {
	code    uint16
	matched string
	text    string
	// fault is what went wrong inside, for the log; nil when the code says it all.
	fault error
}

// Result codes from this one on are go-ldap's own, for things that happen to a client.
const firstClientCode = 200

func outcomeOf(err error, search bool) outcome {
	var refusal *ldap.Error
	switch {
	case err == nil:
		return outcome{}
	case errors.As(err, &refusal) && refusal.ResultCode != ldap.LDAPResultSuccess && refusal.ResultCode < firstClientCode:
		o := outcome{code: refusal.ResultCode, matched: refusal.MatchedDN}
		if refusal.Err != nil {
			o.text = refusal.Err.Error()
		}
		return o
	case search && errors.Is(err, context.DeadlineExceeded):
		return outcome{code: ldap.LDAPResultTimeLimitExceeded, text: "the search took too long"}
	case errors.Is(err, context.Canceled):
		return outcome{code: ldap.LDAPResultUnavailable, text: "the operation was cut short"}
	case errors.Is(err, context.DeadlineExceeded):
		return outcome{code: ldap.LDAPResultUnavailable, text: "the operation did not finish in time", fault: err}
	case refusal != nil:
		return outcome{code: ldap.LDAPResultUnavailable, text: "the directory cannot be reached", fault: err}
	}
	return outcome{code: ldap.LDAPResultOther, text: "internal error", fault: err}
}

// appendMessage starts an LDAPMessage; shut ends it.
func appendMessage(b []byte, id int32) (out []byte, at int) {
	b, at = open(b, tagSequence)
	return appendInteger(b, tagInteger, id), at
}

// appendResult is a whole message with an LDAPResult in it. Tail is what an operation has behind the result, encoded.
func appendResult(b []byte, id int32, tag byte, o outcome, tail []byte, controls []ldap.Control) []byte {
	b, whole := appendMessage(b, id)
	b, operation := open(b, tag)
	b = appendInteger(b, tagEnumerated, int32(o.code))
	b = appendText(b, o.matched)
	b = appendText(b, o.text)
	b = append(b, tail...)
	shut(b, operation)
	if len(controls) > 0 {
		var list int
		b, list = open(b, tagControls)
		for _, c := range controls {
			b = append(b, c.Encode().Bytes()...)
		}
		shut(b, list)
	}
	shut(b, whole)
	return b
}

func appendEntry(b []byte, id int32, entry *ldap.Entry, typesOnly bool) []byte {
	b, whole := appendMessage(b, id)
	b, operation := open(b, tagSearchEntry)
	b = appendText(b, entry.DN)
	b, attributes := open(b, tagSequence)
	for _, attribute := range entry.Attributes {
		var one, values int
		b, one = open(b, tagSequence)
		b = appendText(b, attribute.Name)
		b, values = open(b, tagSet)
		switch {
		case typesOnly:
		case len(attribute.ByteValues) > 0:
			for _, value := range attribute.ByteValues {
				b = appendOctets(b, tagOctetString, value)
			}
		default:
			for _, value := range attribute.Values {
				b = appendOctets(b, tagOctetString, value)
			}
		}
		shut(b, values)
		shut(b, one)
	}
	shut(b, attributes)
	shut(b, operation)
	shut(b, whole)
	return b
}

func appendReference(b []byte, id int32, uri string) []byte {
	b, whole := appendMessage(b, id)
	b, operation := open(b, tagSearchReference)
	b = appendText(b, uri)
	shut(b, operation)
	shut(b, whole)
	return b
}

const noticeOfDisconnection = "1.3.6.1.4.1.1466.20036"

// appendNotice is the notice of disconnection (RFC 4511 section 4.4.1).
func appendNotice(b []byte, code uint16, text string) []byte {
	name := appendOctets(nil, tagResponseName, noticeOfDisconnection)
	return appendResult(b, 0, tagExtendedResponse, outcome{code: code, text: text}, name, nil)
}

// printable keeps what a client sent from making a mess of a log or a message: at most 256 bytes of it.
func printable(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
