package kdc

import (
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// What every exchange seals and sends is encoded here (RFC 4120 sections 5.3 and 5.4.2): byte for byte as gokrb5 encodes it, by
// reflection, which took half of an exchange's time.

type builder = cryptobyte.Builder

func field(b *builder, number uint8, add func(*builder)) {
	b.AddASN1(asn1.Tag(number).ContextSpecific().Constructed(), add)
}

func addNumber(b *builder, number uint8, value int64) {
	field(b, number, func(b *builder) { b.AddASN1Int64(value) })
}

func addOctets(b *builder, number uint8, value []byte) {
	field(b, number, func(b *builder) { b.AddASN1OctetString(value) })
}

func addString(b *builder, value string) {
	b.AddASN1(asn1.GeneralString, func(b *builder) { b.AddBytes([]byte(value)) })
}

func addText(b *builder, number uint8, value string) {
	field(b, number, func(b *builder) { addString(b, value) })
}

// addTime leaves out a time that is none.
func addTime(b *builder, number uint8, value time.Time) {
	if !value.IsZero() {
		field(b, number, func(b *builder) { b.AddASN1GeneralizedTime(value) })
	}
}

func addName(b *builder, number uint8, name types.PrincipalName) {
	field(b, number, func(b *builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *builder) {
			addNumber(b, 0, int64(name.NameType))
			field(b, 1, func(b *builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *builder) {
					for _, part := range name.NameString {
						addString(b, part)
					}
				})
			})
		})
	})
}

// addPair is a sequence of a type and a value, numbered from first on.
func addPair(b *builder, first uint8, kind int32, value []byte) {
	b.AddASN1(asn1.SEQUENCE, func(b *builder) {
		addNumber(b, first, int64(kind))
		addOctets(b, first+1, value)
	})
}

func addKey(b *builder, number uint8, key types.EncryptionKey) {
	field(b, number, func(b *builder) { addPair(b, 0, key.KeyType, key.KeyValue) })
}

func addAuthorizationData(b *builder, data types.AuthorizationData) {
	b.AddASN1(asn1.SEQUENCE, func(b *builder) {
		for _, each := range data {
			addPair(b, 0, each.ADType, each.ADData)
		}
	})
}

func addPAData(b *builder, number uint8, data []types.PAData) {
	if data == nil {
		return
	}
	field(b, number, func(b *builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *builder) {
			for _, each := range data {
				addPair(b, 1, each.PADataType, each.PADataValue)
			}
		})
	})
}

func addAddresses(b *builder, number uint8, addresses []types.HostAddress) {
	if addresses == nil {
		return
	}
	field(b, number, func(b *builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *builder) {
			for _, each := range addresses {
				addPair(b, 0, each.AddrType, each.Address)
			}
		})
	})
}

func addEncrypted(b *builder, number uint8, data types.EncryptedData) {
	field(b, number, func(b *builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *builder) {
			addNumber(b, 0, int64(data.EType))
			if data.KVNO != 0 {
				addNumber(b, 1, int64(data.KVNO))
			}
			addOctets(b, 2, data.Cipher)
		})
	})
}

// application is a sequence under an application's tag.
func application(b *builder, tag int, add func(*builder)) {
	const class = 0x60 // constructed
	b.AddASN1(asn1.Tag(class|tag), func(b *builder) { b.AddASN1(asn1.SEQUENCE, add) })
}

func encode(tag int, add func(*builder)) ([]byte, error) {
	var b builder
	application(&b, tag, add)
	return b.Bytes()
}

func encodeTicketPart(part *messages.EncTicketPart) ([]byte, error) {
	return encode(encTicketPartTag, func(b *builder) {
		field(b, 0, func(b *builder) { b.AddASN1BitString(part.Flags.Bytes) })
		addKey(b, 1, part.Key)
		addText(b, 2, part.CRealm)
		addName(b, 3, part.CName)
		field(b, 4, func(b *builder) { addPair(b, 0, part.Transited.TRType, part.Transited.Contents) })
		addTime(b, 5, part.AuthTime)
		addTime(b, 6, part.StartTime)
		addTime(b, 7, part.EndTime)
		addTime(b, 8, part.RenewTill)
		addAddresses(b, 9, part.CAddr)
		if part.AuthorizationData != nil {
			field(b, 10, func(b *builder) { addAuthorizationData(b, part.AuthorizationData) })
		}
	})
}

func encodeReplyPart(part messages.EncKDCRepPart, tag int) ([]byte, error) {
	return encode(tag, func(b *builder) {
		addKey(b, 0, part.Key)
		field(b, 1, func(b *builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *builder) {
				for _, each := range part.LastReqs {
					b.AddASN1(asn1.SEQUENCE, func(b *builder) {
						addNumber(b, 0, int64(each.LRType))
						addTime(b, 1, each.LRValue)
					})
				}
			})
		})
		addNumber(b, 2, int64(part.Nonce))
		addTime(b, 3, part.KeyExpiration)
		field(b, 4, func(b *builder) { b.AddASN1BitString(part.Flags.Bytes) })
		addTime(b, 5, part.AuthTime)
		addTime(b, 6, part.StartTime)
		addTime(b, 7, part.EndTime)
		addTime(b, 8, part.RenewTill)
		addText(b, 9, part.SRealm)
		addName(b, 10, part.SName)
		addAddresses(b, 11, part.CAddr)
		addPAData(b, 12, part.EncPAData)
	})
}

func encodeReply(fields messages.KDCRepFields, tag int) ([]byte, error) {
	return encode(tag, func(b *builder) {
		addNumber(b, 0, int64(fields.PVNO))
		addNumber(b, 1, int64(fields.MsgType))
		addPAData(b, 2, fields.PAData)
		addText(b, 3, fields.CRealm)
		addName(b, 4, fields.CName)
		field(b, 5, func(b *builder) { addTicket(b, fields.Ticket) })
		addEncrypted(b, 6, fields.EncPart)
	})
}

func addTicket(b *builder, ticket messages.Ticket) {
	const tag = 1
	application(b, tag, func(b *builder) {
		addNumber(b, 0, int64(ticket.TktVNO))
		addText(b, 1, ticket.Realm)
		addName(b, 2, ticket.SName)
		addEncrypted(b, 3, ticket.EncPart)
	})
}
