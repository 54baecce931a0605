package ldapserver

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/directory"
)

// script is a connection on which a peer says something and hangs up.
type script struct {
	*bytes.Reader
	answered int
}

func (s *script) Write(b []byte) (int, error) { s.answered += len(b); return len(b), nil }
func (*script) Close() error                  { return nil }
func (*script) LocalAddr() net.Addr           { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 389} }

func (*script) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711} }
func (*script) SetDeadline(time.Time) error        { return nil }
func (*script) SetReadDeadline(t time.Time) error  { return nil }
func (*script) SetWriteDeadline(t time.Time) error { return nil }

var _ io.ReadWriter = (*script)(nil)

// FuzzMessage lets a connection hear any bytes: it must neither panic nor hold more memory than its limits.
func FuzzMessage(f *testing.F) {
	bind := bindRequest(1, 3, janeDN, janeSecret)
	seeds := [][]byte{
		bind,
		append(bytes.Clone(bind), searchRequest(2, rootDN, 2, present("cn"))...),
		searchRequest(1, "", 0, appendOctets(nil, tagSubstrings, []byte{4, 1, 'a', 0x30, 3, 0x81, 1, 'x'})),
		pdu(1, tagModifyRequest, appendText(nil, janeDN), []byte{0x30, 12, 0x30, 10, 10, 1, 2, 0x30, 5, 4, 1, 'a', 0x31, 0}),
		pdu(1, tagAddRequest, appendText(nil, "CN=x"), []byte{0x30, 10, 0x30, 8, 4, 1, 'a', 0x31, 3, 4, 1, 'b'}),
		pdu(1, tagDelRequest, []byte(janeDN)),
		pdu(1, tagModifyDNRequest, appendText(nil, janeDN), appendText(nil, "CN=J"), []byte{1, 1, 0, tagNewSuperior, 1, 'x'}),
		pdu(1, tagCompareRequest, appendText(nil, janeDN), []byte{0x30, 6, 4, 1, 'a', 4, 1, 'b'}),
		pdu(1, tagAbandonRequest, []byte{1}),
		pdu(1, tagExtendedRequest, appendOctets(nil, tagRequestName, oidWhoAmI)),
		pdu(1, tagExtendedRequest, appendOctets(nil, tagRequestName, oidStartTLS)),
		pdu(1, tagExtendedRequest, appendOctets(nil, tagRequestName, oidPasswordModify), []byte{tagRequestValue, 5, 0x30, 3, 0x82, 1, 'n'}),
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	limits := Limits{MessageBytes: 64 << 10, Operation: 50 * time.Millisecond}
	f.Fuzz(func(t *testing.T, data []byte) {
		var log lockedBuffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		server, err := New(Options{Backend: newFakeTree(), TLS: &tls.Config{}, Limits: limits, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		defer server.stop()
		heard := &script{Reader: bytes.NewReader(data)}
		c := newConnection(server, heard, Peer{Loopback: true, Addr: "fuzz", Secure: len(data)%2 == 0})
		c.serve(false)
		if len(c.in.buf) > limits.MessageBytes+smallBuffer {
			t.Errorf("buffer of %d bytes", len(c.in.buf))
		}
		if strings.Contains(log.String(), "panicked") && !bytes.Contains(data, []byte("panic")) {
			t.Error(log.String())
		}
		if bytes.ContainsFunc(c.in.buf, func(r rune) bool { return r != 0 }) {
			t.Error("the buffer is not wiped")
		}
	})
}

// FuzzControl lets every decoder of a control's value read any bytes. What it takes is read the same from what it writes.
func FuzzControl(f *testing.F) {
	for _, c := range []ldap.Control{
		&directory.Sort{Keys: []ldap.SortKey{{AttributeType: "sn", Reverse: true}, {AttributeType: "cn", MatchingRule: "2.5.13.3"}}},
		&directory.VirtualList{Before: 1, After: 2, Offset: 3, Count: 4},
		&directory.VirtualList{ByValue: true, Value: "x"},
		&directory.ExtendedDN{Text: true},
		ldap.NewControlPaging(10),
	} {
		value := c.Encode().Children[len(c.Encode().Children)-1].Data.Bytes()
		f.Add(c.GetControlType(), value)
	}
	f.Add(ldap.ControlTypeMicrosoftPolicyHints, []byte{0x30, 3, 2, 1, 1})
	f.Fuzz(func(t *testing.T, oid string, value []byte) {
		u := understandings[oid]
		if u.read == nil {
			return // nothing is read of a control that is not understood
		}
		read, err := u.read(control{oid: oid, value: value})
		if err != nil || read == nil {
			return
		}
		packet := read.Encode()
		if len(packet.Children) < 2 {
			return // a control without a value
		}
		again, err := u.read(control{oid: oid, value: packet.Children[len(packet.Children)-1].Data.Bytes()})
		if err != nil {
			t.Fatalf("%x was read as %v, and that not again: %v", value, read, err)
		}
		if diff := cmp.Diff(read.String(), again.String()); diff != "" {
			t.Error(diff)
		}
	})
}
