// Package kdc is the Kerberos key distribution center of the embedded directories (RFC 4120, MS-KILE): the AS and TGS exchanges,
// and the change of passwords (RFC 3244), over UDP and TCP. One serves all directories of the process; the realm of a request
// says which is meant.
package kdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory/embedded"
	"latchkey/internal/throttle"
)

// What a ticket is worth at most, and how far clocks may be apart: AD's defaults (MS-GPSB section 2.2.1.2).
const (
	ticketLifetime = 10 * time.Hour
	renewLifetime  = 7 * 24 * time.Hour
	clockSkew      = 5 * time.Minute
)

// Options is what a server is made of. Engine is required.
type Options struct {
	Engine *embedded.Engine
	// Logger gets every exchange at debug level, without keys. Nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Limits Limits
	// Failures has a token less for each wrong password from a network. What one that has spent all tries is refused unseen: a key
	// is compared so fast that it could be guessed. Nil bounds nothing.
	Failures *throttle.Buckets
	// Observer is told of what the server answers. Nil is none.
	Observer Observer
}

// Peer is who has sent a message.
type Peer struct {
	// Network is what its failures are counted under: an address, or a /64 of IPv6.
	Network netip.Prefix
	// Local is the address that the message was sent to.
	Local netip.Addr
}

// Answer is the reply to one request of the AS or TGS exchange, or nil where a request deserves none.
func (s *Server) Answer(ctx context.Context, message []byte, peer Peer) []byte {
	r, err := decodeRequest(message)
	if err != nil {
		s.log.Debug("KDC request can't be read", "err", err)
		return nil
	}
	r.network = peer.Network.String()
	began := time.Now()
	reply, err := s.exchange(ctx, r)
	if err == nil {
		s.options.Observer.Answered(r.kind(), 0, time.Since(began))
		s.log.Debug("KDC request", "kind", r.kind(), "client", r.clientName(), "realm", r.ReqBody.Realm, "server", r.ReqBody.SName.PrincipalNameString())
		return reply
	}
	var no *refusal
	if !errors.As(err, &no) {
		// Nobody is told of what fails in here.
		s.log.Error("KDC request failed", "kind", r.kind(), "realm", r.ReqBody.Realm, "err", err)
		no = refuse(errorcode.KRB_ERR_GENERIC, "the directory can't be asked now")
	}
	s.options.Observer.Answered(r.kind(), no.code, time.Since(began))
	s.log.Debug("KDC request refused", "kind", r.kind(), "client", r.clientName(), "realm", r.ReqBody.Realm, "server", r.ReqBody.SName.PrincipalNameString(), "err", no)
	return s.refusalMessage(r, no)
}

// exchange carries out a request. Decoding goes on in here, and the decoders were not made for hostile input.
func (s *Server) exchange(ctx context.Context, r *request) (reply []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			reply, err = nil, s.panicked(cause)
		}
	}()
	if r.isAS() {
		return s.authenticate(ctx, r)
	}
	return s.grant(ctx, r)
}

// panicked says where it happened but not with what: a panic's value may hold anything.
func (s *Server) panicked(cause any) error {
	text := fmt.Sprintf("%T", cause)
	if fault, ok := cause.(runtime.Error); ok {
		text = fault.Error()
	}
	s.log.Warn("KDC request panicked", "panic", text, "stack", string(debug.Stack()))
	return refuse(errorcode.KRB_ERR_GENERIC, "the request can't be read")
}

// handler answers one message.
type handler func(ctx context.Context, message []byte, peer Peer) []byte

// equalNames compares principal names as AD does, without regard to the case of letters.
func equalNames(a, b types.PrincipalName) bool {
	return foldName(a) == foldName(b)
}
