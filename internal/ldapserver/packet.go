package ldapserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	// maxPacket is more than any question has that is asked over UDP.
	maxPacket = 4 << 10
	// netlogon is the attribute of the rootDSE that tells of a domain controller (MS-ADTS section 6.3.3).
	netlogon = "netlogon"
)

// ServePackets answers LDAP over UDP (MS-ADTS section 3.1.1.3.1.12) until Shutdown, after which it returns nil, or until the
// connection fails, which it owns and closes. One thing only is answered, a search for netlogon in the rootDSE: a sender may be
// anybody's, and what is sent back must not be much more than what came.
func (s *Server) ServePackets(conn net.PacketConn) error {
	defer func() { _ = conn.Close() }()
	if !s.enlist(conn) {
		return nil
	}
	defer s.delist(conn)
	const pause = 100 * time.Millisecond
	buffer := make([]byte, maxPacket)
	for {
		n, from, err := conn.ReadFrom(buffer)
		switch {
		case err == nil:
			if answer := s.answerPacket(buffer[:n], from); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		case s.isDraining():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("LDAP over UDP %s: %w", conn.LocalAddr(), err)
		default:
			s.log.Warn("LDAP packet not read", "listener", conn.LocalAddr().String(), "error", err)
			select {
			case <-time.After(pause):
			case <-s.running.Done():
			}
		}
	}
}

// answerPacket is nil for what is not answered.
func (s *Server) answerPacket(packet []byte, from net.Addr) (answer []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			s.logPanic(from.String(), cause)
			answer = nil
		}
	}()
	m, err := decodeMessage(packet)
	if err != nil || m.tag != tagSearchRequest {
		return nil
	}
	r, err := decodeSearchRequest(m, nil)
	if err != nil || r.BaseDN != "" || r.Scope != ldap.ScopeBaseObject || len(r.Attributes) != 1 || !strings.EqualFold(r.Attributes[0], netlogon) {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.running, s.options.Limits.Operation)
	defer cancel()
	result, err := s.options.Backend.Anonymous(Peer{Loopback: isLocal(from), Addr: from.String()}).Search(ctx, r)
	if err != nil || result == nil {
		return nil
	}
	for _, entry := range result.Entries {
		// Where there is nothing to tell, AD sends no entry.
		if len(entry.Attributes) > 0 {
			answer = appendEntry(answer, m.id, entry, r.TypesOnly)
		}
	}
	return appendResult(answer, m.id, tagSearchDone, outcome{}, nil, nil)
}
