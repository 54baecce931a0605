package ldapserver

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/gssapi"
)

// tagSimple is the choice of a password in a bind, tagSASL that of a mechanism (RFC 4511 section 4.2).
const (
	tagSimple            = 0x80
	tagSASL              = 0xa3
	tagServerCredentials = 0x87
)

// bind waits for everything in flight, then proves the new identity, or leaves the connection anonymous. behind is the number
// of bytes that came after it.
func (c *connection) bind(m message, behind int) error {
	c.work.Wait()
	began := time.Now()
	step, err := c.authenticate(m)
	if errors.Is(err, errMalformed) {
		return err
	}
	if step.layer.context != nil && behind > 0 {
		// They were sent without the layer, by whomever.
		return errMalformed
	}
	o := outcomeOf(err, false)
	t := task{name: "bind", response: tagBindResponse}
	c.logOutcome(t, m.id, 0, o, time.Since(began))
	var tail []byte
	if step.answer != nil {
		tail = appendOctets(nil, tagServerCredentials, step.answer)
	}
	if err := c.write(appendResult(nil, m.id, tagBindResponse, o, tail, nil)); err != nil || step.layer.context == nil {
		return err
	}
	c.cover(step.layer)
	return nil
}

// cover puts the connection under a security layer.
func (c *connection) cover(s secured) {
	c.writing.Lock()
	defer c.writing.Unlock()
	covered := newLayer(c.raw, s, max(maxBuffer, c.server.options.Limits.MessageBytes+gssapi.Overhead))
	c.stream, c.in.stream = covered, covered
	c.layered, c.peer.Secure = true, s.seal
}

// authenticate is nil without a session for a step of a bind that is not the last.
func (c *connection) authenticate(m message) (progress, error) {
	body := cursor(m.body)
	version, err := body.integer(tagInteger)
	if err != nil {
		return progress{}, err
	}
	name, err := body.text()
	if err != nil {
		return progress{}, err
	}
	kind, proof, err := body.next()
	if err != nil {
		return progress{}, err
	}
	c.session, c.bound = nil, false
	step, err := c.tried(kind, proof, func() (progress, error) { return c.prove(m, version, name, kind, proof) })
	switch {
	case err == nil && step.session == nil && step.answer != nil:
		err = refuse(ldap.LDAPResultSaslBindInProgress, "")
	case err == nil && step.session == nil && (name != "" || kind == tagSASL):
		err = errors.New("the backend gave neither a session nor a refusal")
		fallthrough
	case err != nil:
		step = progress{}
		c.logRefusal(name, err)
	}
	if step.session == nil {
		c.session = c.server.options.Backend.Anonymous(c.peer)
		return step, err
	}
	c.session, c.bound = step.session, true
	return step, nil
}

// tried is what a login comes to, unless too many from the same network have failed: then it is not looked at.
func (c *connection) tried(kind byte, proof []byte, login func() (progress, error)) (progress, error) {
	failures, network := c.server.options.Failures, c.peer.network
	anonymous := kind == tagSimple && len(proof) == 0
	if !anonymous && failures.Spent(network, time.Now()) {
		c.negotiation = nil
		return progress{}, refuse(ldap.LDAPResultBusy, "there were too many failed logins from this address; try again later")
	}
	step, err := login()
	if ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		failures.Take(network, time.Now())
	}
	return step, err
}

// prove is empty without an error for an anonymous bind.
func (c *connection) prove(m message, version int64, name string, kind byte, proof []byte) (progress, error) {
	if _, err := m.understood(); err != nil {
		return progress{}, err
	}
	switch {
	case version != 3:
		return progress{}, refuse(ldap.LDAPResultProtocolError, "only LDAP version 3 is supported")
	case kind == tagSASL:
		return c.sasl(proof)
	case kind != tagSimple:
		return progress{}, refuse(ldap.LDAPResultAuthMethodNotSupported, "only simple and SASL binds are supported")
	}
	c.negotiation = nil
	switch {
	case name == "" && len(proof) == 0:
		return progress{}, nil
	case name == "":
		return progress{}, refuse(ldap.LDAPResultInvalidCredentials, "a password without a name")
	case len(proof) == 0:
		// A client that takes this for a proof lets anybody in (RFC 4513 section 5.1.2).
		return progress{}, refuse(ldap.LDAPResultUnwillingToPerform, "a name without a password proves nothing")
	case !c.peer.Secure && !c.peer.Loopback:
		return progress{}, refuse(ldap.LDAPResultStrongAuthRequired, "BindSimple: Transport encryption required.")
	}
	ctx, cancel := c.limited()
	defer cancel()
	session, err := c.server.options.Backend.Bind(ctx, c.peer, name, proof)
	return progress{session: session}, err
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
