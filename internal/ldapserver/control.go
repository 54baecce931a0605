package ldapserver

import (
	"maps"
	"math"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// understanding is what the server makes of a control.
type understanding struct {
	// of are the requests that it belongs to; in others it counts as unknown (RFC 4511 section 4.1.11). Nil: all.
	of []byte
	// read decodes what the session is to know; nil: the control asks for what is so anyhow.
	read func(c control) (ldap.Control, error)
}

var (
	searches = []byte{tagSearchRequest}
	updates  = []byte{tagAddRequest, tagModifyRequest, tagDelRequest, tagModifyDNRequest}
)

// understandings is the controls that operations honour, those of AD (MS-ADTS section 3.1.1.3.4.1) foremost. Nothing that was
// deleted is kept, there is one naming context in reach, every write is on the disk before its answer, entries have no
// security descriptors: so what is shown of deleted ones, referrals, lazy commits and flags of descriptors change nothing.
var understandings = map[string]understanding{
	ldap.ControlTypePaging:                       {searches, decodePaging},
	ldap.ControlTypeServerSideSorting:            {searches, decodeSort},
	ldap.ControlTypeVLVRequest:                   {searches, decodeVirtualList},
	ldap.ControlTypeMicrosoftExtendedDN:          {searches, decodeExtendedDN},
	ldap.ControlTypeMicrosoftPermissiveModify:    {[]byte{tagModifyRequest}, decodeFlag},
	ldap.ControlTypeMicrosoftPolicyHints:         {[]byte{tagModifyRequest}, decodePolicyHints},
	ldap.ControlTypeMicrosoftTreeDelete:          {[]byte{tagDelRequest}, decodeFlag},
	ldap.ControlTypeManageDsaIT:                  {nil, nil},
	ldap.ControlTypeMicrosoftDomainScope:         {searches, nil},
	ldap.ControlTypeMicrosoftSearchOptions:       {searches, nil},
	ldap.ControlTypeMicrosoftShowDeleted:         {nil, nil},
	ldap.ControlTypeMicrosoftShowRecycled:        {searches, nil},
	ldap.ControlTypeMicrosoftShowDeactivatedLink: {searches, nil},
	ldap.ControlTypeMicrosoftRangeRetrievalNoErr: {searches, nil},
	ldap.ControlTypeMicrosoftSDFlags:             {nil, nil},
	ldap.ControlTypeMicrosoftLazyCommit:          {updates, nil},
	ldap.ControlTypeMicrosoftForceUpdate:         {updates, nil},
	ldap.ControlTypeMicrosoftVerifyName:          {updates, nil},
}

// supportedControls is what the rootDSE says of them, answers included.
func supportedControls() []string {
	all := slices.Collect(maps.Keys(understandings))
	all = append(all, ldap.ControlTypeServerSideSortingResult, ldap.ControlTypeVLVResponse)
	slices.Sort(all)
	return all
}

// understood picks the controls that an operation honours. A critical one that it does not know refuses the operation (RFC
// 4511 section 4.1.11), any other is ignored.
func (m message) understood() ([]ldap.Control, error) {
	var known []ldap.Control
	for _, c := range m.controls {
		u, ok := understandings[c.oid]
		if !ok || u.of != nil && !slices.Contains(u.of, m.tag) {
			if c.critical {
				return nil, refuse(ldap.LDAPResultUnavailableCriticalExtension, "critical control "+printable(c.oid)+" is not supported")
			}
			continue
		}
		if u.read == nil {
			continue
		}
		if ldap.FindControl(known, c.oid) != nil {
			return nil, refuse(ldap.LDAPResultProtocolError, "the control "+c.oid+" is there twice")
		}
		read, err := u.read(c)
		if err != nil {
			return nil, refuse(ldap.LDAPResultProtocolError, "the value of the control "+c.oid+" can't be read")
		}
		if read != nil {
			known = append(known, read)
		}
	}
	return known, nil
}

// decodeFlag is a control that has no value.
func decodeFlag(c control) (ldap.Control, error) {
	if len(c.value) > 0 {
		return nil, errMalformed
	}
	return ldap.NewControlString(c.oid, c.critical, ""), nil
}

// decodePolicyHints is MS-ADTS section 3.1.1.3.4.1.27: with the flag 1, a reset keeps to the password history; with 0 the
// control says nothing.
func decodePolicyHints(c control) (ldap.Control, error) {
	fields, err := sequenceOf(c.value)
	if err != nil {
		return nil, err
	}
	flags, err := fields.integer(tagInteger)
	if err != nil || flags&^1 != 0 {
		return nil, errMalformed
	}
	if flags == 0 {
		return nil, nil
	}
	return ldap.NewControlString(c.oid, c.critical, string(c.value)), nil
}

// sequenceOf is the content of the one sequence that a value is.
func sequenceOf(value cursor) (cursor, error) {
	content, err := value.expect(tagSequence)
	return content, err
}

// decodePaging is RFC 2696 section 2.
func decodePaging(c control) (ldap.Control, error) {
	fields, err := sequenceOf(c.value)
	if err != nil {
		return nil, err
	}
	size, err := fields.integer(tagInteger)
	if err != nil {
		return nil, err
	}
	if size < 0 || size > math.MaxInt32 {
		return nil, errMalformed
	}
	cookie, err := fields.text()
	if err != nil {
		return nil, err
	}
	paging := ldap.NewControlPaging(uint32(size))
	paging.SetCookie([]byte(cookie))
	return paging, nil
}

// The tags of a sort key's options.
const (
	tagOrderingRule = 0x80
	tagReverseOrder = 0x81
)

// maxSortKeys is more than anybody sorts by.
const maxSortKeys = 8

// decodeSort is RFC 2891 section 1.1.
func decodeSort(c control) (ldap.Control, error) {
	list, err := sequenceOf(c.value)
	if err != nil {
		return nil, err
	}
	sort := &directory.Sort{Critical: c.critical}
	for !list.empty() {
		if len(sort.Keys) == maxSortKeys {
			return nil, errMalformed
		}
		content, err := list.expect(tagSequence)
		if err != nil {
			return nil, err
		}
		fields := cursor(content)
		var key ldap.SortKey
		if key.AttributeType, err = fields.text(); err != nil {
			return nil, err
		}
		rule, _, err := fields.optional(tagOrderingRule)
		if err != nil {
			return nil, err
		}
		key.MatchingRule = string(rule)
		if fields.peek() == tagReverseOrder {
			if key.Reverse, err = fields.boolean(tagReverseOrder); err != nil {
				return nil, err
			}
		}
		if !fields.empty() || !isAttribute([]byte(key.AttributeType)) {
			return nil, errMalformed
		}
		sort.Keys = append(sort.Keys, key)
	}
	if len(sort.Keys) == 0 {
		return nil, errMalformed
	}
	return sort, nil
}

// The tags of the two ways to name a place in a list.
const (
	tagByOffset = 0xa0
	tagByValue  = 0x81
)

// decodeVirtualList is draft-ietf-ldapext-ldapv3-vlv-09 section 6.1. The context that a client may give back says nothing here.
func decodeVirtualList(c control) (ldap.Control, error) {
	fields, err := sequenceOf(c.value)
	if err != nil {
		return nil, err
	}
	list := &directory.VirtualList{Critical: c.critical}
	numbers := func(from *cursor, into ...*int32) error {
		for _, number := range into {
			value, err := from.integer(tagInteger)
			if err != nil || value < 0 || value > math.MaxInt32 {
				return errMalformed
			}
			*number = int32(value)
		}
		return nil
	}
	if err := numbers(&fields, &list.Before, &list.After); err != nil {
		return nil, err
	}
	tag, place, err := fields.next()
	if err != nil {
		return nil, err
	}
	switch tag {
	case tagByOffset:
		inner := cursor(place)
		if err := numbers(&inner, &list.Offset, &list.Count); err != nil {
			return nil, err
		}
	case tagByValue:
		list.ByValue, list.Value = true, string(place)
	default:
		return nil, errMalformed
	}
	if _, _, err := fields.optional(tagOctetString); err != nil {
		return nil, err
	}
	return list, nil
}

// decodeExtendedDN is MS-ADTS section 3.1.1.3.4.1.5.
func decodeExtendedDN(c control) (ldap.Control, error) {
	if len(c.value) == 0 {
		return &directory.ExtendedDN{}, nil
	}
	fields, err := sequenceOf(c.value)
	if err != nil {
		return nil, err
	}
	flag, err := fields.integer(tagInteger)
	if err != nil || flag < 0 || flag > 1 {
		return nil, errMalformed
	}
	return &directory.ExtendedDN{Text: flag == 1}, nil
}
