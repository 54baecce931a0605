package ldapserver

import "math"

// The tags of the protocol operations (RFC 4511 section 4.2 and following).
const (
	tagBindRequest      = 0x60
	tagBindResponse     = 0x61
	tagUnbindRequest    = 0x42
	tagSearchRequest    = 0x63
	tagSearchEntry      = 0x64
	tagSearchDone       = 0x65
	tagSearchReference  = 0x73
	tagModifyRequest    = 0x66
	tagModifyResponse   = 0x67
	tagAddRequest       = 0x68
	tagAddResponse      = 0x69
	tagDelRequest       = 0x4a
	tagDelResponse      = 0x6b
	tagModifyDNRequest  = 0x6c
	tagModifyDNResponse = 0x6d
	tagCompareRequest   = 0x6e
	tagCompareResponse  = 0x6f
	tagAbandonRequest   = 0x50
	tagExtendedRequest  = 0x77
	tagExtendedResponse = 0x78
)

// message is an LDAPMessage (RFC 4511 section 4.1.1). Body and the controls' values lie in the connection's buffer and are
// gone once the message is dispatched.
type message struct {
	id       int32
	tag      byte
	body     []byte
	controls []control
}

type control struct {
	oid      string
	critical bool
	value    []byte
}

// decodeMessage reads the whole of one PDU, its outer SEQUENCE included. Elements behind those it knows are ignored, as
// RFC 4511 section 4 asks.
func decodeMessage(pdu []byte) (message, error) {
	outer := cursor(pdu)
	content, err := outer.expect(tagSequence)
	if err != nil {
		return message{}, err
	}
	inner := cursor(content)
	id, err := inner.integer(tagInteger)
	if err != nil {
		return message{}, err
	}
	if id < 1 || id > math.MaxInt32 {
		return message{}, errMalformed
	}
	m := message{id: int32(id)}
	if m.tag, m.body, err = inner.next(); err != nil {
		return message{}, err
	}
	list, present, err := inner.optional(tagControls)
	if err != nil || !present {
		return m, err
	}
	m.controls, err = decodeControls(list)
	return m, err
}

// maxControls keeps a message from costing far more memory than its bytes: nobody sends so many.
const maxControls = 64

func decodeControls(list cursor) ([]control, error) {
	var controls []control
	for !list.empty() {
		if len(controls) == maxControls {
			return nil, errMalformed
		}
		element, err := list.expect(tagSequence)
		if err != nil {
			return nil, err
		}
		fields := cursor(element)
		var c control
		if c.oid, err = fields.text(); err != nil {
			return nil, err
		}
		if fields.peek() == tagBoolean {
			if c.critical, err = fields.boolean(tagBoolean); err != nil {
				return nil, err
			}
		}
		if c.value, _, err = fields.optional(tagOctetString); err != nil {
			return nil, err
		}
		controls = append(controls, c)
	}
	return controls, nil
}
