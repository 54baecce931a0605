package ldapserver

import (
	"log/slog"
	"math"

	"github.com/go-ldap/ldap/v3"
)

// requestTask decodes the requests that the tree answers. With an error that is not errMalformed the task still says how
// to send the refusal.
func requestTask(m message, peer Peer) (task, error) {
	var decode func(message, []ldap.Control, Peer) (task, error)
	t := task{}
	switch m.tag {
	case tagSearchRequest:
		t, decode = task{name: "search", response: tagSearchDone}, decodeSearch
	case tagModifyRequest:
		t, decode = task{name: "modify", response: tagModifyResponse}, decodeModify
	case tagAddRequest:
		t, decode = task{name: "add", response: tagAddResponse}, decodeAdd
	case tagDelRequest:
		t, decode = task{name: "delete", response: tagDelResponse}, decodeDelete
	case tagModifyDNRequest:
		t, decode = task{name: "rename", response: tagModifyDNResponse}, decodeModifyDN
	case tagCompareRequest:
		t, decode = task{name: "compare", response: tagCompareResponse}, decodeCompare
	default:
		return t, errMalformed
	}
	controls, err := m.understood()
	if err != nil {
		return t, err
	}
	decoded, err := decode(m, controls, peer)
	if err != nil {
		return t, err
	}
	t.run, t.attributes = decoded.run, decoded.attributes
	t.update = m.tag != tagSearchRequest && m.tag != tagCompareRequest
	return t, nil
}

func describe(dn string, more ...slog.Attr) func() []slog.Attr {
	return func() []slog.Attr { return append([]slog.Attr{slog.String("dn", printable(dn))}, more...) }
}

// decodeSearch is a search as a task.
func decodeSearch(m message, controls []ldap.Control, _ Peer) (task, error) {
	r, err := decodeSearchRequest(m, controls)
	if err != nil {
		return task{}, err
	}
	attributes := func() []slog.Attr {
		return []slog.Attr{
			slog.String("dn", printable(r.BaseDN)), slog.Int("scope", r.Scope),
			slog.String("filter", printable(redactFilter(r.Filter))),
		}
	}
	return task{run: search(r), attributes: attributes}, nil
}

// decodeSearchRequest is RFC 4511 section 4.5.1.
func decodeSearchRequest(m message, controls []ldap.Control) (*ldap.SearchRequest, error) {
	body := cursor(m.body)
	r := &ldap.SearchRequest{Controls: controls}
	var err error
	if r.BaseDN, err = body.text(); err != nil {
		return nil, err
	}
	numbers := []struct {
		tag     byte
		field   *int
		most    int64
		problem string
	}{
		{tagEnumerated, &r.Scope, ldap.ScopeWholeSubtree, "unknown search scope"},
		{tagEnumerated, &r.DerefAliases, ldap.DerefAlways, "unknown alias dereferencing"},
		{tagInteger, &r.SizeLimit, math.MaxInt32, "size limit out of range"},
		{tagInteger, &r.TimeLimit, math.MaxInt32, "time limit out of range"},
	}
	problem := ""
	for _, number := range numbers {
		value, err := body.integer(number.tag)
		if err != nil {
			return nil, err
		}
		if value < 0 || value > number.most {
			problem = number.problem
		}
		*number.field = int(value)
	}
	if problem != "" {
		return nil, refuse(ldap.LDAPResultProtocolError, problem)
	}
	if r.TypesOnly, err = body.boolean(tagBoolean); err != nil {
		return nil, err
	}
	if r.Filter, err = decodeFilter(&body); err != nil {
		return nil, err
	}
	list, err := body.expect(tagSequence)
	if err != nil {
		return nil, err
	}
	if r.Attributes, err = decodeStrings(list); err != nil {
		return nil, err
	}
	return r, nil
}

func decodeStrings(list cursor) ([]string, error) {
	var values []string
	for !list.empty() {
		value, err := list.text()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

// decodePartial reads a PartialAttribute: a name and a set of values.
func decodePartial(fields cursor) (name string, values []string, err error) {
	if name, err = fields.text(); err != nil {
		return "", nil, err
	}
	set, err := fields.expect(tagSet)
	if err != nil {
		return "", nil, err
	}
	values, err = decodeStrings(set)
	return name, values, err
}

// errClear refuses a password that was sent in the clear, as AD does.
func errClear() error {
	return refuse(ldap.LDAPResultUnwillingToPerform,
		"0000001F: SvcErr: problem 5003 (WILL_NOT_PERFORM), data 0: passwords are set over an encrypted connection only")
}

// decodeModify is RFC 4511 section 4.6.
func decodeModify(m message, controls []ldap.Control, peer Peer) (task, error) {
	body := cursor(m.body)
	r := &ldap.ModifyRequest{Controls: controls}
	var err error
	if r.DN, err = body.text(); err != nil {
		return task{}, err
	}
	list, err := body.expect(tagSequence)
	if err != nil {
		return task{}, err
	}
	secret, unknown := false, false
	for changes := cursor(list); !changes.empty(); {
		element, err := changes.expect(tagSequence)
		if err != nil {
			return task{}, err
		}
		fields := cursor(element)
		kind, err := fields.integer(tagEnumerated)
		if err != nil {
			return task{}, err
		}
		attribute, err := fields.expect(tagSequence)
		if err != nil {
			return task{}, err
		}
		change := ldap.Change{Operation: uint(kind)}
		change.Modification.Type, change.Modification.Vals, err = decodePartial(attribute)
		if err != nil {
			return task{}, err
		}
		unknown = unknown || kind < ldap.AddAttribute || kind > ldap.ReplaceAttribute
		secret = secret || secretAttribute(change.Modification.Type)
		r.Changes = append(r.Changes, change)
	}
	if unknown {
		return task{}, refuse(ldap.LDAPResultProtocolError, "unknown kind of modification")
	}
	if secret && !peer.Secure {
		return task{}, errClear()
	}
	return task{run: modify(r), attributes: describe(r.DN, slog.Int("changes", len(r.Changes)))}, nil
}

// decodeAdd is RFC 4511 section 4.7.
func decodeAdd(m message, controls []ldap.Control, peer Peer) (task, error) {
	body := cursor(m.body)
	r := &ldap.AddRequest{Controls: controls}
	var err error
	if r.DN, err = body.text(); err != nil {
		return task{}, err
	}
	list, err := body.expect(tagSequence)
	if err != nil {
		return task{}, err
	}
	secret := false
	for attributes := cursor(list); !attributes.empty(); {
		element, err := attributes.expect(tagSequence)
		if err != nil {
			return task{}, err
		}
		var attribute ldap.Attribute
		if attribute.Type, attribute.Vals, err = decodePartial(element); err != nil {
			return task{}, err
		}
		secret = secret || secretAttribute(attribute.Type)
		r.Attributes = append(r.Attributes, attribute)
	}
	if secret && !peer.Secure {
		return task{}, errClear()
	}
	return task{run: add(r), attributes: describe(r.DN)}, nil
}

// decodeDelete is RFC 4511 section 4.8: the whole body is the DN.
func decodeDelete(m message, controls []ldap.Control, _ Peer) (task, error) {
	r := &ldap.DelRequest{DN: string(m.body), Controls: controls}
	return task{run: remove(r), attributes: describe(r.DN)}, nil
}

// tagNewSuperior is [0] of a ModifyDNRequest.
const tagNewSuperior = 0x80

// decodeModifyDN is RFC 4511 section 4.9.
func decodeModifyDN(m message, controls []ldap.Control, _ Peer) (task, error) {
	body := cursor(m.body)
	r := &ldap.ModifyDNRequest{Controls: controls}
	var err error
	if r.DN, err = body.text(); err != nil {
		return task{}, err
	}
	if r.NewRDN, err = body.text(); err != nil {
		return task{}, err
	}
	if r.DeleteOldRDN, err = body.boolean(tagBoolean); err != nil {
		return task{}, err
	}
	superior, moves, err := body.optional(tagNewSuperior)
	if err != nil {
		return task{}, err
	}
	// In go-ldap's struct an empty superior is none at all, and the entry would quietly stay where it is.
	if moves && len(superior) == 0 {
		return task{}, refuse(ldap.LDAPResultUnwillingToPerform, "entries do not move to the root of the tree")
	}
	r.NewSuperior = string(superior)
	return task{run: rename(r), attributes: describe(r.DN, slog.String("rdn", printable(r.NewRDN)))}, nil
}

// decodeCompare is RFC 4511 section 4.10.
func decodeCompare(m message, _ []ldap.Control, _ Peer) (task, error) {
	body := cursor(m.body)
	dn, err := body.text()
	if err != nil {
		return task{}, err
	}
	assertion, err := body.expect(tagSequence)
	if err != nil {
		return task{}, err
	}
	fields := cursor(assertion)
	name, err := fields.text()
	if err != nil {
		return task{}, err
	}
	value, err := fields.text()
	if err != nil {
		return task{}, err
	}
	if !isAttribute([]byte(name)) {
		return task{}, refuse(ldap.LDAPResultUndefinedAttributeType, "invalid attribute description")
	}
	return task{run: compare(dn, name, value), attributes: describe(dn, slog.String("attribute", printable(name)))}, nil
}
