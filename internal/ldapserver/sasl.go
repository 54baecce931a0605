package ldapserver

import (
	"context"
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/gssapi"
)

// The mechanisms that are spoken (RFC 4422 appendix A, RFC 4752, MS-ADTS section 5.1.1.1.3).
const (
	mechanismExternal = "EXTERNAL"
	mechanismGSSAPI   = "GSSAPI"
	mechanismSPNEGO   = "GSS-SPNEGO"
)

// The security layers of RFC 4752 section 3.3.
const (
	layerNone = 1
	layerSign = 2
	layerSeal = 4
)

// maxBuffer is the largest token that the server takes, and what it says of that.
const maxBuffer = 64 << 10

// negotiation is a bind by GSSAPI that takes more steps. context is nil before the first token.
type negotiation struct {
	context *gssapi.Context
	offered bool
}

// secured is the security layer that a bind has agreed on; none if context is nil.
type secured struct {
	context *gssapi.Context
	seal    bool
	most    int // the largest token that the client takes
}

// progress is what a step of a SASL bind says to the client. With a session the bind is complete.
type progress struct {
	session Session
	answer  []byte // serverSaslCreds; nil is none
	layer   secured
}

// sasl takes a step of a SASL bind (RFC 4511 section 4.2). An error ends it, as does another bind.
func (c *connection) sasl(credentials []byte) (progress, error) {
	step := c.negotiation
	c.negotiation = nil
	body := cursor(credentials)
	mechanism, err := body.text()
	if err != nil {
		return progress{}, err
	}
	token, _, err := body.optional(tagOctetString)
	if err != nil {
		return progress{}, err
	}
	kerberos, speaks := c.server.options.Backend.(KerberosBackend)
	switch {
	case mechanism == mechanismExternal:
		return c.external(token)
	case !speaks || mechanism != mechanismGSSAPI && mechanism != mechanismSPNEGO:
		return progress{}, refuse(ldap.LDAPResultAuthMethodNotSupported, "the SASL mechanism "+printable(mechanism)+" is not supported")
	case c.layered:
		return progress{}, refuse(ldap.LDAPResultUnwillingToPerform, "the connection has a security layer already")
	case mechanism == mechanismSPNEGO && step == nil && len(token) == 0:
		offer, err := gssapi.Offer()
		c.negotiation = &negotiation{}
		return progress{answer: offer}, err
	case mechanism == mechanismSPNEGO:
		return c.spnego(kerberos, token)
	case step == nil && len(token) == 0:
		// RFC 4422 section 3: the client speaks first, and has said nothing yet.
		c.negotiation = &negotiation{}
		return progress{answer: []byte{}}, nil
	case step == nil || step.context == nil:
		return c.acceptToken(token)
	case !step.offered:
		return c.offerLayers(step)
	}
	return c.agree(kerberos, step, token)
}

// denied is what the client learns of a token that proves nothing: AD's text, the reason is for the log.
func (c *connection) denied(err error) error {
	c.server.log.Info("LDAP bind by Kerberos refused", "peer", c.peer.Addr, "reason", err.Error())
	return refuse(ldap.LDAPResultInvalidCredentials, "8009030C: LdapErr: DSID-0C090000, comment: AcceptSecurityContext error, data 57, v1db1")
}

// acceptToken takes the token of RFC 4752 section 3.1.
func (c *connection) acceptToken(token []byte) (progress, error) {
	context, reply, err := c.server.acceptor.Accept(token)
	if err != nil {
		return progress{}, c.denied(err)
	}
	step := &negotiation{context: context}
	if reply == nil {
		return c.offerLayers(step)
	}
	c.negotiation = step
	return progress{answer: reply}, nil
}

// layers is what may be agreed on: under TLS nothing, as in AD (MS-ADTS section 5.1.1.1.2), nor where what was said once could
// be repeated by somebody else.
func (c *connection) layers(context *gssapi.Context) byte {
	layers := byte(layerNone)
	if c.peer.Secure || !context.Flags.Ordered() {
		return layers
	}
	if context.Flags&gssapi.Integrity != 0 {
		layers |= layerSign
	}
	if context.Flags&gssapi.Confidentiality != 0 {
		layers |= layerSeal
	}
	return layers
}

// offerLayers says which layers there are, and how large a token may be (RFC 4752 section 3.2).
func (c *connection) offerLayers(step *negotiation) (progress, error) {
	layers, most := c.layers(step.context), uint32(0)
	if layers != layerNone {
		most = maxBuffer
	}
	offer, err := step.context.Wrap(binary.BigEndian.AppendUint32(nil, uint32(layers)<<24|most), false)
	if err != nil {
		return progress{}, err
	}
	step.offered, c.negotiation = true, step
	return progress{answer: offer}, nil
}

// agree takes the layer that the client has chosen, and whom it wants to act as (RFC 4752 section 3.1).
func (c *connection) agree(backend KerberosBackend, step *negotiation, token []byte) (progress, error) {
	chosen, _, err := step.context.Unwrap(token)
	if err != nil || len(chosen) < 4 || !utf8.Valid(chosen[4:]) {
		return progress{}, c.denied(errors.Join(errors.New("the layer can't be read"), err))
	}
	layer, most := chosen[0], int(binary.BigEndian.Uint32(chosen)&0xffffff)
	done := progress{}
	switch {
	case layer == 0: // what go-ldap says for none
	case layer&c.layers(step.context) == 0 || layer&(layer-1) != 0:
		return progress{}, c.denied(errors.New("a layer was chosen that was not offered"))
	case layer != layerNone && most <= gssapi.Overhead:
		return progress{}, c.denied(errors.New("the client takes no token that holds anything"))
	case layer != layerNone:
		done.layer = secured{step.context, layer == layerSeal, min(most, maxBuffer)}
	}
	done.session, err = c.login(backend, step.context, done.layer, string(chosen[4:]))
	return done, err
}

// spnego is a bind of one step, whose layer is what the token asks for (MS-ADTS section 5.1.1.1.3).
func (c *connection) spnego(backend KerberosBackend, token []byte) (done progress, err error) {
	context, reply, err := c.server.acceptor.Negotiate(token)
	if err != nil {
		return progress{}, c.denied(err)
	}
	if wants := context.Flags & (gssapi.Integrity | gssapi.Confidentiality); wants != 0 {
		if c.peer.Secure {
			return progress{}, refuse(ldap.LDAPResultUnwillingToPerform, "00002029: LdapErr: DSID-0C090000, comment: Cannot bind using sign/seal on a connection on which TLS or SSL is in effect, data 0, v1db1")
		}
		if !context.Flags.Ordered() {
			return progress{}, c.denied(errors.New("a layer without an order"))
		}
		done.layer = secured{context, wants&gssapi.Confidentiality != 0, maxBuffer}
	}
	done.answer = reply
	done.session, err = c.login(backend, context, done.layer, "")
	return done, err
}

func (c *connection) login(backend KerberosBackend, context *gssapi.Context, layer secured, identity string) (Session, error) {
	peer := c.peer
	peer.Secure = peer.Secure || layer.context != nil && layer.seal
	limited, cancel := c.limited()
	defer cancel()
	return backend.Kerberos(limited, peer, context.Initiator, identity)
}

func (c *connection) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.server.options.Limits.Operation)
}

// external is a bind by the certificate that the client has shown (RFC 4513 section 5.2.3).
func (c *connection) external(identity []byte) (progress, error) {
	backend, ok := c.server.options.Backend.(ExternalBackend)
	switch {
	case !ok:
		return progress{}, refuse(ldap.LDAPResultAuthMethodNotSupported, "the SASL mechanism EXTERNAL is not supported")
	case len(c.peer.Certificates) == 0:
		return progress{}, refuse(ldap.LDAPResultInappropriateAuthentication, "the connection has no client certificate")
	}
	ctx, cancel := c.limited()
	defer cancel()
	session, err := backend.External(ctx, c.peer, string(identity))
	return progress{session: session}, err
}
