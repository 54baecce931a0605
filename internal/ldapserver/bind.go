package ldapserver

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// tagSimple is the choice of a password in a bind (RFC 4511 section 4.2); any other is SASL, or unknown.
const tagSimple = 0x80

// bind waits for everything in flight, then proves the new identity, or leaves the connection anonymous.
func (c *connection) bind(m message) error {
	c.work.Wait()
	err := c.authenticate(m)
	if errors.Is(err, errMalformed) {
		return err
	}
	o := outcomeOf(err, false)
	t := task{name: "bind", response: tagBindResponse}
	c.logOutcome(t, m.id, 0, o, 0)
	return c.write(appendResult(nil, m.id, tagBindResponse, o, nil, nil))
}

func (c *connection) authenticate(m message) error {
	body := cursor(m.body)
	version, err := body.integer(tagInteger)
	if err != nil {
		return err
	}
	name, err := body.text()
	if err != nil {
		return err
	}
	kind, password, err := body.next()
	if err != nil {
		return err
	}
	c.session, c.bound = nil, false
	session, err := c.prove(m, version, name, kind, password)
	if err == nil && session == nil && name != "" {
		err = errors.New("the backend gave neither a session nor a refusal")
	}
	if err != nil {
		c.logRefusal(name, err)
	}
	if err != nil || session == nil {
		c.session = c.server.options.Backend.Anonymous(c.peer)
		return err
	}
	c.session, c.bound = session, true
	return nil
}

// prove is nil without an error for an anonymous bind.
func (c *connection) prove(m message, version int64, name string, kind byte, password []byte) (Session, error) {
	if _, err := m.understood(); err != nil {
		return nil, err
	}
	switch {
	case version != 3:
		return nil, refuse(ldap.LDAPResultProtocolError, "only LDAP version 3 is supported")
	case kind != tagSimple:
		return nil, refuse(ldap.LDAPResultAuthMethodNotSupported, "only simple binds are supported")
	case name == "" && len(password) == 0:
		return nil, nil
	case name == "":
		return nil, refuse(ldap.LDAPResultInvalidCredentials, "a password without a name")
	case len(password) == 0:
		// A client that takes this for a proof lets anybody in (RFC 4513 section 5.1.2).
		return nil, refuse(ldap.LDAPResultUnwillingToPerform, "a name without a password proves nothing")
	case !c.peer.Secure && !c.peer.Loopback:
		return nil, refuse(ldap.LDAPResultStrongAuthRequired, "BindSimple: Transport encryption required.")
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.server.options.Limits.Operation)
	defer cancel()
	return c.server.options.Backend.Bind(ctx, c.peer, name, password)
}

func (c *connection) logRefusal(name string, err error) {
	o := outcomeOf(err, false)
	c.server.log.LogAttrs(c.ctx, slog.LevelInfo, "LDAP bind refused",
		slog.String("peer", c.peer.Addr), slog.String("name", printable(name)),
		slog.Int("result", int(o.code)), slog.String("data", dataCode(o.text)))
}

// dataCode is the code that AD's texts have behind "data", such as 52e; "" when there is none.
func dataCode(text string) string {
	_, rest, found := strings.Cut(text, "data ")
	if !found {
		return ""
	}
	end := strings.IndexFunc(rest, func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdefABCDEF", r)
	})
	if end < 0 {
		return rest
	}
	return rest[:end]
}
