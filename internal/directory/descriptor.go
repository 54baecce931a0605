package directory

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// GUID identifies classes, attributes, property sets and extended rights; its bytes are in the order of MS-DTYP section
// 2.3.4.2, as schemaIDGUID holds them. The zero GUID is none.
type GUID [16]byte

// What an object ACE can be about: schemaIDGUID of classes and attributes (MS-ADSC, MS-ADA1 to 3), rightsGuid of property
// sets and of extended rights (MS-ADTS sections 3.1.1.2.3.3 and 5.1.3.2.1).
var (
	ClassUser     = mustGUID("bf967aba-0de6-11d0-a285-00aa003049e2")
	ClassGroup    = mustGUID("bf967a9c-0de6-11d0-a285-00aa003049e2")
	ClassComputer = mustGUID("bf967a86-0de6-11d0-a285-00aa003049e2")

	AttributeLockoutTime        = mustGUID("28630ebf-41d5-11d1-a9c1-0000f80367c1")
	AttributePwdLastSet         = mustGUID("bf967a0a-0de6-11d0-a285-00aa003049e2")
	AttributeUserAccountControl = mustGUID("bf967a68-0de6-11d0-a285-00aa003049e2")

	attributeTokenGroups = mustGUID("b7c69e6d-2cc7-11d2-854e-00a0c983f608")
	attributeMember      = mustGUID("bf9679c0-0de6-11d0-a285-00aa003049e2")
	attributePrecedence  = mustGUID("456374ac-1f0a-4617-93cf-bc55a7c9d341")
	attributeMemberOf    = mustGUID("bf967991-0de6-11d0-a285-00aa003049e2")

	// SetUserAccountRestrictions is the property set that userAccountControl and pwdLastSet are in; lockoutTime is in none.
	SetUserAccountRestrictions = mustGUID("4c164200-20c0-11d0-a768-00aa006e0529")

	// RightResetPassword is the extended right User-Force-Change-Password: to replace unicodePwd. Writing the attribute is no
	// right that AD looks at.
	RightResetPassword = mustGUID("00299570-246d-11d0-a768-00aa006e0529")
)

func mustGUID(s string) GUID {
	guid, err := ParseGUID(s)
	if err != nil {
		panic(err)
	}
	return guid
}

// ParseGUID reads the string form, "00299570-246d-11d0-a768-00aa006e0529".
func ParseGUID(s string) (GUID, error) {
	var guid GUID
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(s) != 36 || len(b) != len(guid) || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return GUID{}, fmt.Errorf("%q is not a GUID", s)
	}
	copy(guid[:], b)
	slices.Reverse(guid[0:4])
	slices.Reverse(guid[4:6])
	slices.Reverse(guid[6:8])
	return guid, nil
}

func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[0:4]), binary.LittleEndian.Uint16(g[4:6]), binary.LittleEndian.Uint16(g[6:8]), g[8:10], g[10:])
}

// AccessMask is a set of rights on an object of the directory (MS-ADTS section 5.1.3.2).
type AccessMask uint32

// The rights. FullControl is all of them; the generic ones stand for some of the others.
const (
	CreateChild    AccessMask = 0x1
	DeleteChild    AccessMask = 0x2
	ListContents   AccessMask = 0x4
	ValidatedWrite AccessMask = 0x8
	ReadProperty   AccessMask = 0x10
	WriteProperty  AccessMask = 0x20
	DeleteTree     AccessMask = 0x40
	ListObject     AccessMask = 0x80
	ControlAccess  AccessMask = 0x100
	StandardDelete AccessMask = 0x10000
	ReadControl    AccessMask = 0x20000
	WriteDACL      AccessMask = 0x40000
	WriteOwner     AccessMask = 0x80000
	FullControl    AccessMask = 0xf01ff

	GenericRead    AccessMask = 0x80000000
	GenericWrite   AccessMask = 0x40000000
	GenericExecute AccessMask = 0x20000000
	GenericAll     AccessMask = 0x10000000
)

// specific puts those rights for the generic ones that they stand for.
func (m AccessMask) specific() AccessMask {
	for generic, rights := range map[AccessMask]AccessMask{
		GenericRead:    ReadControl | ListContents | ReadProperty | ListObject,
		GenericWrite:   ReadControl | ValidatedWrite | WriteProperty,
		GenericExecute: ReadControl | ListContents,
		GenericAll:     FullControl,
	} {
		if m&generic != 0 {
			m = m&^generic | rights
		}
	}
	return m
}

// ACEType says what an ACE does (MS-DTYP section 2.4.4.1).
type ACEType byte

// The types that decide about access to a directory's objects. Others are kept as they are, and decide nothing.
const (
	Allow       ACEType = 0x00
	Deny        ACEType = 0x01
	AllowObject ACEType = 0x05
	DenyObject  ACEType = 0x06
)

// ACEFlags say where an ACE counts (MS-DTYP section 2.4.4.1).
type ACEFlags byte

// The flags of objects in a directory, which are all containers.
const (
	ContainerInherit ACEFlags = 0x02 // it is handed on to the objects below
	NoPropagate      ACEFlags = 0x04 // but not further down than one level
	InheritOnly      ACEFlags = 0x08 // it does not count for the object itself
	Inherited        ACEFlags = 0x10 // it came from above
)

// ACE is an entry of an access control list (MS-DTYP section 2.4.4): it allows or denies somebody some rights. One that was
// read is written byte for byte as it was; to change it, put another one in its place.
type ACE struct {
	Type  ACEType
	Flags ACEFlags
	Mask  AccessMask
	// Object narrows the rights down to an attribute, a property set, an extended right, or children of a class.
	Object GUID
	// Class narrows inheritance down to objects of a class.
	Class GUID
	SID   SID

	raw []byte // what was read; written again as it was
}

// Descriptor is a security descriptor in its self-relative form (MS-DTYP section 2.4.6), as nTSecurityDescriptor holds it.
// Owner and Group are empty when they are not there.
type Descriptor struct {
	Control      DescriptorControl
	Owner, Group SID
	// DACL is in the order that decides. Without DACLPresent it says nothing; with it, nil allows everything to everybody,
	// and an empty one nothing.
	DACL []ACE

	sacl     []byte
	revision byte // of the DACL
}

// DescriptorControl is the flags of a security descriptor (MS-DTYP section 2.4.6).
type DescriptorControl uint16

// The flags that Latchkey looks at.
const (
	DACLPresent   DescriptorControl = 0x0004
	saclPresent   DescriptorControl = 0x0010
	DACLProtected DescriptorControl = 0x1000 // nothing is inherited
	selfRelative  DescriptorControl = 0x8000
)

const (
	descriptorHeader = 20
	aclHeader        = 8
	aceHeader        = 4
	maxACL           = 0xffff
	// maxDescriptor leaves room for two ACLs and two SIDs, each of the largest size.
	maxDescriptor = descriptorHeader + 2*maxACL + 2*68
	aclRevision   = 2
	aclRevisionDS = 4 // with object ACEs
	objectPresent = 0x1
	classPresent  = 0x2
)

var errDescriptor = errors.New("not a security descriptor")

// ParseDescriptor reads a self-relative security descriptor.
func ParseDescriptor(b []byte) (*Descriptor, error) {
	if len(b) < descriptorHeader || len(b) > maxDescriptor || b[0] != 1 {
		return nil, errDescriptor
	}
	d := &Descriptor{Control: DescriptorControl(binary.LittleEndian.Uint16(b[2:]))}
	if d.Control&selfRelative == 0 {
		return nil, fmt.Errorf("%w: it is not self-relative", errDescriptor)
	}
	var err error
	if d.Owner, err = sidAt(b, binary.LittleEndian.Uint32(b[4:])); err != nil {
		return nil, fmt.Errorf("owner: %w", err)
	}
	if d.Group, err = sidAt(b, binary.LittleEndian.Uint32(b[8:])); err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	if at := binary.LittleEndian.Uint32(b[12:]); d.Control&saclPresent != 0 && at != 0 {
		sacl, err := aclAt(b, at)
		if err != nil {
			return nil, fmt.Errorf("SACL: %w", err)
		}
		d.sacl = slices.Clone(sacl)
	}
	if at := binary.LittleEndian.Uint32(b[16:]); d.Control&DACLPresent != 0 && at != 0 {
		acl, err := aclAt(b, at)
		if err != nil {
			return nil, fmt.Errorf("DACL: %w", err)
		}
		d.revision = acl[0]
		if d.DACL, err = parseACEs(acl[aclHeader:], int(binary.LittleEndian.Uint16(acl[4:]))); err != nil {
			return nil, fmt.Errorf("DACL: %w", err)
		}
	}
	return d, nil
}

// sidAt is the SID at an offset; none at 0.
func sidAt(b []byte, at uint32) (SID, error) {
	if at == 0 {
		return "", nil
	}
	if int64(at) > int64(len(b)) {
		return "", fmt.Errorf("%w: offset %d of %d", errDescriptor, at, len(b))
	}
	return leadingSID(b[at:])
}

// leadingSID is the SID that bytes begin with.
func leadingSID(b []byte) (SID, error) {
	if len(b) < 8 || len(b) < 8+4*int(b[1]) || !SID(b[:8+4*int(b[1])]).Valid() {
		return "", fmt.Errorf("%w: no SID", errDescriptor)
	}
	return SID(b[:8+4*int(b[1])]), nil
}

func aclAt(b []byte, at uint32) ([]byte, error) {
	if int64(at)+aclHeader > int64(len(b)) {
		return nil, fmt.Errorf("%w: offset %d of %d", errDescriptor, at, len(b))
	}
	b = b[at:]
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if size < aclHeader || size > len(b) {
		return nil, fmt.Errorf("%w: a list of %d bytes", errDescriptor, size)
	}
	return b[:size], nil
}

func parseACEs(b []byte, count int) ([]ACE, error) {
	aces := []ACE{}
	for range count {
		if len(b) < aceHeader {
			return nil, fmt.Errorf("%w: %d entries of %d", errDescriptor, len(aces), count)
		}
		size := int(binary.LittleEndian.Uint16(b[2:]))
		if size < aceHeader || size > len(b) {
			return nil, fmt.Errorf("%w: an entry of %d bytes", errDescriptor, size)
		}
		ace := ACE{Type: ACEType(b[0]), Flags: ACEFlags(b[1]), raw: slices.Clone(b[:size])}
		if err := ace.parse(b[aceHeader:size]); err != nil {
			return nil, err
		}
		aces = append(aces, ace)
		b = b[size:]
	}
	return aces, nil
}

// parse reads what follows the header, of the types that it knows.
func (a *ACE) parse(b []byte) error {
	object := a.Type == AllowObject || a.Type == DenyObject
	if !object && a.Type != Allow && a.Type != Deny {
		return nil
	}
	if len(b) < 4 {
		return fmt.Errorf("%w: an entry without a mask", errDescriptor)
	}
	a.Mask = AccessMask(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if object {
		if len(b) < 4 {
			return fmt.Errorf("%w: an entry without its object's flags", errDescriptor)
		}
		present := binary.LittleEndian.Uint32(b)
		b = b[4:]
		for bit, guid := range []*GUID{&a.Object, &a.Class} { // objectPresent, classPresent
			if present&(1<<bit) == 0 {
				continue
			}
			if len(b) < len(guid) {
				return fmt.Errorf("%w: an entry without its GUID", errDescriptor)
			}
			b = b[copy(guid[:], b):]
		}
	}
	var err error
	a.SID, err = leadingSID(b)
	return err
}

// bytes is the ACE as it was read, or made from its fields.
func (a ACE) bytes() []byte {
	if a.raw != nil {
		return a.raw
	}
	b := binary.LittleEndian.AppendUint32([]byte{byte(a.Type), byte(a.Flags), 0, 0}, uint32(a.Mask))
	if a.Type == AllowObject || a.Type == DenyObject {
		present, guids := uint32(0), []byte(nil)
		if a.Object != (GUID{}) {
			present, guids = objectPresent, a.Object[:]
		}
		if a.Class != (GUID{}) {
			present, guids = present|classPresent, slices.Concat(guids, a.Class[:])
		}
		b = append(binary.LittleEndian.AppendUint32(b, present), guids...)
	}
	b = append(b, a.SID...)
	binary.LittleEndian.PutUint16(b[2:], uint16(len(b))) //nolint:gosec // at most 4+4+4+32+68
	return b
}

// Bytes is the self-relative form. It fails only when the DACL does not fit into its 65,535 bytes.
func (d *Descriptor) Bytes() ([]byte, error) {
	b := make([]byte, descriptorHeader)
	b[0] = 1
	control := (d.Control | selfRelative) &^ saclPresent
	part := func(offset int, content []byte) {
		if len(content) > 0 {
			binary.LittleEndian.PutUint32(b[offset:], uint32(len(b))) //nolint:gosec // at most maxDescriptor
			b = append(b, content...)
		}
	}
	part(4, []byte(d.Owner))
	part(8, []byte(d.Group))
	if d.Control&saclPresent != 0 {
		control |= saclPresent
		part(12, d.sacl)
	}
	if d.Control&DACLPresent != 0 && d.DACL != nil {
		acl := make([]byte, aclHeader)
		acl[0] = max(d.revision, aclRevision)
		for _, ace := range d.DACL {
			if ace.Type == AllowObject || ace.Type == DenyObject {
				acl[0] = max(acl[0], aclRevisionDS)
			}
			acl = append(acl, ace.bytes()...)
		}
		if len(acl) > maxACL {
			return nil, fmt.Errorf("a DACL of %d bytes can't be written: %d are the most", len(acl), maxACL)
		}
		binary.LittleEndian.PutUint16(acl[2:], uint16(len(acl)))
		binary.LittleEndian.PutUint16(acl[4:], uint16(len(d.DACL))) //nolint:gosec // fewer than there are bytes
		part(16, acl)
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(control))
	return b, nil
}

// Grants says whether somebody with these SIDs, his own and those of his groups, has all of the rights on the object
// (MS-DTYP section 2.5.3.2 and MS-ADTS section 5.1.3.3). The rights are about one thing: an attribute with the property
// set that it is in, an extended right, a class of children; no GUID asks for the object as a whole. What an owner may do
// anyhow, and what is granted to an object itself (SELF), is not looked at.
func (d *Descriptor) Grants(tokens []SID, rights AccessMask, about ...GUID) bool {
	if d.Control&DACLPresent == 0 {
		return false
	}
	if d.DACL == nil {
		return true
	}
	left := rights.specific()
	for _, ace := range d.DACL {
		if ace.Flags&InheritOnly != 0 || !slices.Contains(tokens, ace.SID) || ace.Object != (GUID{}) && !slices.Contains(about, ace.Object) {
			continue
		}
		switch ace.Type {
		case Allow, AllowObject:
			left &^= ace.Mask.specific()
		case Deny, DenyObject:
			if left&ace.Mask.specific() != 0 {
				return false
			}
		}
		if left == 0 {
			return true
		}
	}
	return left == 0
}

// Add puts an ACE where the canonical order has it (MS-DTYP section 2.4.5): denials, then permissions, then what is
// inherited. It says whether there was anything to add.
func (d *Descriptor) Add(ace ACE) bool {
	same := func(there ACE) bool {
		return there.Type == ace.Type && there.Flags == ace.Flags && there.Mask.specific() == ace.Mask.specific() &&
			there.Object == ace.Object && there.Class == ace.Class && there.SID == ace.SID
	}
	// A missing list allows everything: one with this entry alone would take all else away.
	everything := d.Control&DACLPresent != 0 && d.DACL == nil
	if everything || slices.ContainsFunc(d.DACL, same) {
		return false
	}
	denies := ace.Type == Deny || ace.Type == DenyObject
	at := slices.IndexFunc(d.DACL, func(there ACE) bool {
		return there.Flags&Inherited != 0 || denies && there.Type != Deny && there.Type != DenyObject
	})
	if at < 0 {
		at = len(d.DACL)
	}
	d.DACL = slices.Insert(d.DACL, at, ace)
	d.Control |= DACLPresent
	return true
}

// Parts of a descriptor, as the control for reading and writing them counts them (MS-ADTS section 3.1.1.3.4.1.11).
const (
	ownerPart = 0x1
	groupPart = 0x2
	daclPart  = 0x4
)

func descriptorParts(parts int32) ldap.Control {
	return &ldap.ControlMicrosoftSDFlags{Criticality: true, ControlValue: parts}
}

// ErrHidden says that the account which asks may not read an object's security descriptor.
var ErrHidden = errors.New("the security descriptor can't be read")

// ReadDescriptor is an object's owner, group and DACL. It wraps ErrHidden when the directory does not show them.
func ReadDescriptor(ctx context.Context, conn Conn, dn string) (*Descriptor, error) {
	return readDescriptor(ctx, conn, dn, ownerPart|groupPart|daclPart)
}

func readDescriptor(ctx context.Context, conn Conn, dn string, parts int32) (*Descriptor, error) {
	request := ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"nTSecurityDescriptor"}, []ldap.Control{descriptorParts(parts)})
	result, err := conn.Search(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("read the security descriptor of %s: %w", dn, err)
	}
	if len(result.Entries) != 1 || len(result.Entries[0].GetRawAttributeValue("nTSecurityDescriptor")) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrHidden, dn)
	}
	d, err := ParseDescriptor(result.Entries[0].GetRawAttributeValue("nTSecurityDescriptor"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dn, err)
	}
	if d.Control&DACLPresent == 0 {
		return nil, fmt.Errorf("%w: %s", ErrHidden, dn)
	}
	return d, nil
}

// Grant adds those of the ACEs to an object's DACL that it does not have: repeating it changes nothing. AD has no way to
// hold others off in between; what somebody else changes in the same moment may be lost.
func Grant(ctx context.Context, conn Conn, dn string, aces ...ACE) error {
	d, err := readDescriptor(ctx, conn, dn, daclPart)
	if err != nil {
		return err
	}
	changed := false
	for _, ace := range aces {
		changed = d.Add(ace) || changed
	}
	if !changed {
		return nil
	}
	value, err := d.Bytes()
	if err != nil {
		return fmt.Errorf("%s: %w", dn, err)
	}
	request := ldap.NewModifyRequest(dn, []ldap.Control{descriptorParts(daclPart)})
	request.Replace("nTSecurityDescriptor", []string{string(value)})
	if err := conn.Modify(ctx, request); err != nil {
		return fmt.Errorf("grant rights on %s: %w", dn, explain(err))
	}
	return nil
}
