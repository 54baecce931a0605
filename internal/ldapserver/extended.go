package ldapserver

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/go-ldap/ldap/v3"
)

// The tags of an extended operation's fields (RFC 4511 section 4.12).
const (
	tagRequestName   = 0x80
	tagRequestValue  = 0x81
	tagResponseName  = 0x8a
	tagResponseValue = 0x8b
)

type extension struct {
	oid      string
	value    []byte
	hasValue bool
}

func decodeExtension(body cursor) (extension, error) {
	name, err := body.expect(tagRequestName)
	if err != nil {
		return extension{}, err
	}
	e := extension{oid: string(name)}
	e.value, e.hasValue, err = body.optional(tagRequestValue)
	return e, err
}

// extensionTask is the work of an extended request other than StartTLS.
func extensionTask(m message, e extension, peer Peer) task {
	t := task{name: "extended", response: tagExtendedResponse}
	oid := e.oid
	t.attributes = func() []slog.Attr { return []slog.Attr{slog.String("oid", printable(oid))} }
	_, err := m.understood()
	switch {
	case err != nil:
		t.run = func(context.Context, Session, *answer) error { return err }
	case e.oid == oidWhoAmI:
		t.run = whoAmI(e)
	case e.oid == oidPasswordModify:
		t.update = true
		t.run = passwordModify(e, peer)
	default:
		t.run = func(context.Context, Session, *answer) error {
			return refuse(ldap.LDAPResultProtocolError, "extended operation "+printable(oid)+" is not supported")
		}
	}
	return t
}

// whoAmI is RFC 4532. Its response has no name (section 2.2).
func whoAmI(e extension) runner {
	return func(_ context.Context, session Session, a *answer) error {
		if e.hasValue {
			return refuse(ldap.LDAPResultProtocolError, "Who am I? has no value")
		}
		a.tail = appendOctets(nil, tagResponseValue, session.Who())
		return nil
	}
}

// The tags of RFC 3062's request and response.
const (
	tagUserIdentity = 0x80
	tagOldPassword  = 0x81
	tagNewPassword  = 0x82
	tagGenerated    = 0x80
)

// passwordModify is RFC 3062, which section 1 wants encrypted. The request is copied out of the connection's buffer, and
// the copy wiped.
func passwordModify(e extension, peer Peer) runner {
	if !peer.Secure {
		return func(context.Context, Session, *answer) error {
			return refuse(ldap.LDAPResultConfidentialityRequired, "passwords are set over an encrypted connection only")
		}
	}
	value := bytes.Clone(e.value)
	return func(ctx context.Context, session Session, a *answer) error {
		defer clear(value)
		user, old, replacement, err := decodePasswordModify(value)
		if err != nil {
			return refuse(ldap.LDAPResultProtocolError, "the value is not RFC 3062's")
		}
		generated, err := session.PasswordModify(ctx, user, old, replacement)
		if err != nil || len(generated) == 0 {
			return err
		}
		fields := appendOctets(nil, tagGenerated, generated)
		sequence := appendOctets(nil, tagSequence, fields)
		a.tail = appendOctets(nil, tagResponseValue, sequence)
		clear(generated)
		clear(fields)
		clear(sequence)
		return nil
	}
}

func decodePasswordModify(value cursor) (user string, old, replacement []byte, err error) {
	if value.empty() {
		return "", nil, nil, nil
	}
	content, err := value.expect(tagSequence)
	if err != nil {
		return "", nil, nil, err
	}
	fields := cursor(content)
	name, _, err := fields.optional(tagUserIdentity)
	if err != nil {
		return "", nil, nil, err
	}
	if old, _, err = fields.optional(tagOldPassword); err != nil {
		return "", nil, nil, err
	}
	replacement, _, err = fields.optional(tagNewPassword)
	return string(name), old, replacement, err
}

// startTLS is RFC 4511 section 4.14. It comes before any bind, so that no identity was proved in the clear, and with
// nothing outstanding. Bytes behind the request were sent in the clear, by whomever: they end the connection.
func (c *connection) startTLS(m message, e extension, behind int) error {
	refusal := c.mayStartTLS(m, e)
	if refusal == nil && behind > 0 {
		return errMalformed
	}
	o := outcomeOf(refusal, false)
	c.logOutcome(task{name: "StartTLS"}, m.id, 0, o, 0)
	if refusal == nil {
		// What has left the list may still be writing its last message.
		c.work.Wait()
	}
	name := appendOctets(nil, tagResponseName, oidStartTLS)
	if err := c.write(appendResult(nil, m.id, tagExtendedResponse, o, name, nil)); err != nil || refusal != nil {
		return err
	}
	if err := c.secure(); err != nil {
		return err
	}
	c.session = c.server.options.Backend.Anonymous(c.peer)
	return nil
}

func (c *connection) mayStartTLS(m message, e extension) error {
	if _, err := m.understood(); err != nil {
		return err
	}
	switch {
	case e.hasValue:
		return refuse(ldap.LDAPResultProtocolError, "StartTLS has no value")
	case c.layered:
		return refuse(ldap.LDAPResultOperationsError, "the connection has a security layer already")
	case c.peer.Secure:
		return refuse(ldap.LDAPResultOperationsError, "TLS is already in use")
	case c.bound:
		return refuse(ldap.LDAPResultOperationsError, "StartTLS comes before the bind")
	case c.outstanding() > 0:
		return refuse(ldap.LDAPResultOperationsError, "operations are outstanding")
	}
	return nil
}
