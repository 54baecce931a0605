package directory

import (
	"fmt"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Controls that go-ldap has no struct for, or one that can't say what it must.

// Sort asks for a search's entries in an order (RFC 2891).
type Sort struct {
	Keys     []ldap.SortKey
	Critical bool
}

// SortResult is the answer to Sort.
type SortResult struct {
	Code      uint16
	Attribute string // at which it failed, or ""
}

// VirtualList asks for a window of a sorted list (draft-ietf-ldapext-ldapv3-vlv-09): so many entries before and after the one
// at Offset of a list of Count (0: the client does not know), or after the first that is not less than Value.
type VirtualList struct {
	Before, After int32
	Offset, Count int32
	ByValue       bool
	Value         string
	Critical      bool
}

// VirtualListResult is the answer to VirtualList.
type VirtualListResult struct {
	Position, Count int32
	Code            uint16
}

// ExtendedDN asks for DNs with the GUID and the SID of their entries before them: in hexadecimal, or as text (MS-ADTS section
// 3.1.1.3.4.1.5).
type ExtendedDN struct{ Text bool }

// GetControlType implements ldap.Control.
func (*Sort) GetControlType() string { return ldap.ControlTypeServerSideSorting }

// GetControlType implements ldap.Control.
func (*SortResult) GetControlType() string { return ldap.ControlTypeServerSideSortingResult }

// GetControlType implements ldap.Control.
func (*VirtualList) GetControlType() string { return ldap.ControlTypeVLVRequest }

// GetControlType implements ldap.Control.
func (*VirtualListResult) GetControlType() string { return ldap.ControlTypeVLVResponse }

// GetControlType implements ldap.Control.
func (*ExtendedDN) GetControlType() string { return ldap.ControlTypeMicrosoftExtendedDN }

func (c *Sort) String() string              { return fmt.Sprintf("%+v", *c) }
func (c *SortResult) String() string        { return fmt.Sprintf("%+v", *c) }
func (c *VirtualList) String() string       { return fmt.Sprintf("%+v", *c) }
func (c *VirtualListResult) String() string { return fmt.Sprintf("%+v", *c) }
func (c *ExtendedDN) String() string        { return fmt.Sprintf("%+v", *c) }

// Encode implements ldap.Control.
func (c *Sort) Encode() *ber.Packet {
	list := sequence()
	for _, key := range c.Keys {
		one := sequence(octetString(ber.ClassUniversal, ber.TagOctetString, key.AttributeType))
		if key.MatchingRule != "" {
			one.AppendChild(octetString(ber.ClassContext, 0, key.MatchingRule))
		}
		if key.Reverse {
			one.AppendChild(ber.NewBoolean(ber.ClassContext, ber.TypePrimitive, 1, true, ""))
		}
		list.AppendChild(one)
	}
	return control(c, c.Critical, list)
}

// Encode implements ldap.Control.
func (c *SortResult) Encode() *ber.Packet {
	value := sequence(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(c.Code), ""))
	if c.Attribute != "" {
		value.AppendChild(octetString(ber.ClassContext, 0, c.Attribute))
	}
	return control(c, false, value)
}

// Encode implements ldap.Control.
func (c *VirtualList) Encode() *ber.Packet {
	value := sequence(integer(c.Before), integer(c.After))
	if c.ByValue {
		value.AppendChild(octetString(ber.ClassContext, 1, c.Value))
	} else {
		place := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		place.AppendChild(integer(c.Offset))
		place.AppendChild(integer(c.Count))
		value.AppendChild(place)
	}
	return control(c, c.Critical, value)
}

// Encode implements ldap.Control.
func (c *VirtualListResult) Encode() *ber.Packet {
	code := ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(c.Code), "")
	return control(c, false, sequence(integer(c.Position), integer(c.Count), code))
}

// Encode implements ldap.Control.
func (c *ExtendedDN) Encode() *ber.Packet {
	flag := int32(0)
	if c.Text {
		flag = 1
	}
	return control(c, false, sequence(integer(flag)))
}

func control(c ldap.Control, critical bool, value *ber.Packet) *ber.Packet {
	whole := sequence(octetString(ber.ClassUniversal, ber.TagOctetString, c.GetControlType()))
	if critical {
		whole.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, ""))
	}
	whole.AppendChild(octetString(ber.ClassUniversal, ber.TagOctetString, string(value.Bytes())))
	return whole
}

func sequence(children ...*ber.Packet) *ber.Packet {
	packet := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for _, child := range children {
		packet.AppendChild(child)
	}
	return packet
}

func octetString(class ber.Class, tag ber.Tag, value string) *ber.Packet {
	return ber.NewString(class, ber.TypePrimitive, tag, value, "")
}

func integer(value int32) *ber.Packet {
	return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(value), "")
}
