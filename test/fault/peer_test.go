package fault

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// pestAddress is where pests come from.
const pestAddress = "127.66.0.1"

type pest struct {
	name, address string
	behave        func(net.Conn)
}

// pests are all the ways to be slow, silent, greedy or to talk nonsense.
func (s *server) pests() []pest {
	api, plain, secure := strings.TrimPrefix(s.API, "http://"), strings.TrimPrefix(s.LDAP, "ldap://"), strings.TrimPrefix(s.LDAPS, "ldaps://")
	search := searchMessage()
	return []pest{
		{"HTTP headers, a byte at a time", api, drip("POST / HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("x", 1<<12))},
		{"an HTTP body, a byte at a time", api, drip("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 1<<12))},
		{"an HTTP body that is announced and does not come", api, say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n{")},
		{"a chunked body without an end", api, repeat("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1000\r\n"+strings.Repeat("{", 0x1000)+"\r\n")},
		{"HTTP headers without an end", api, repeat("POST / HTTP/1.1\r\n", "X-Much: "+strings.Repeat("y", 1000)+"\r\n")},
		{"noise for the API", api, noise},
		{"TLS for the API", api, func(c net.Conn) { _ = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() }}, //nolint:gosec // there is nothing to verify
		{"requests without reading the answers", api, repeat("", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")},
		{"silence for the API", api, say("")},
		{"noise for LDAP", plain, noise},
		{"an LDAP message, a byte at a time", plain, drip("\x30\x84\x00\x00\x10\x00" + strings.Repeat("\x02\x01\x01", 1000))},
		{"an LDAP message of four gigabytes", plain, repeat("\x30\x84\xff\xff\xff\xff", strings.Repeat("\x00", 1<<16))},
		{"LDAP nesting without an end", plain, repeat("", strings.Repeat("\x30\x80", 1<<12))},
		{"LDAP searches without reading the answers", plain, repeat("", strings.Repeat(search, 100))},
		{"silence for LDAP", plain, say("")},
		{"half a TLS handshake for LDAPS", secure, say("\x16\x03\x01\x02\x00\x01")},
		{"noise for LDAPS", secure, noise},
		{"wrong passwords", plain, repeat("", bindMessage())},
	}
}

// pester lets that many of each pest in, again and again, until the returned function is called.
func (s *server) pester(t *testing.T, each int) (stop func()) {
	t.Helper()
	dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(pestAddress)}}
	stopped := make(chan struct{})
	var pests sync.WaitGroup
	for _, peer := range s.pests() {
		for range each {
			pests.Go(func() {
				for {
					select {
					case <-stopped:
						return
					default:
					}
					conn, err := dialer.Dial("tcp", peer.address)
					if err != nil {
						t.Errorf("%s: %v", peer.name, err)
						return
					}
					done := make(chan struct{})
					go func() {
						defer close(done)
						peer.behave(conn)
					}()
					select {
					case <-done:
						time.Sleep(10 * time.Millisecond)
					case <-stopped:
					}
					_ = conn.Close()
					<-done
				}
			})
		}
	}
	return func() {
		close(stopped)
		pests.Wait()
	}
}

// TestBadPeers: resets go on, each with success, while other peers are slow, silent, greedy or talk nonsense.
func TestBadPeers(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, writeSeed(t, 1))
	histories := newHistories()
	finish := s.load(t, "peers", histories, true, patience, nothing)
	stop := s.pester(t, 8)
	time.Sleep(4 * time.Second)
	if s.dead() {
		t.Fatalf("the server is gone: %v\n%s", s.err, s.stderr.String())
	}
	finish()
	sent := 0
	for _, h := range histories {
		sent += len(h.attempts)
	}
	stop()
	t.Logf("%d resets meanwhile", sent)
	var told []*attempt
	checkAll(t, s, data, histories, &told)
	s.stop(t)
	checkAudit(t, data, told)
}

// drip sends a byte now and then, until the connection ends.
func drip(text string) func(net.Conn) {
	return func(c net.Conn) {
		for i := range text {
			if _, err := c.Write([]byte{text[i]}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// say sends something and waits for the connection's end.
func say(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Write([]byte(text))
		for buffer := make([]byte, 4096); ; {
			if _, err := c.Read(buffer); err != nil {
				return
			}
		}
	}
}

// repeat sends the same again and again, and reads nothing.
func repeat(first, again string) func(net.Conn) {
	return func(c net.Conn) {
		for _, err := c.Write([]byte(first)); err == nil; _, err = c.Write([]byte(again)) {
			time.Sleep(time.Millisecond)
		}
	}
}

func noise(c net.Conn) {
	text := make([]byte, 1<<10)
	for i := range text {
		text[i] = byte(rand.Uint32())
	}
	_, _ = c.Write(text)
	_, _ = c.Read(text)
}

// searchMessage asks for the rootDSE, with everything.
func searchMessage() string {
	body := "\x04\x00" + "\x0a\x01\x00" + "\x0a\x01\x00" + "\x02\x01\x00" + "\x02\x01\x00" + "\x01\x01\x00" + "\x87\x0bobjectClass" + "\x30\x00"
	operation := fmt.Sprintf("\x63%c%s", len(body), body)
	return message(operation)
}

// bindMessage is a login with a wrong password.
func bindMessage() string {
	body := "\x02\x01\x03" + "\x04\x0dFAULT\\stream0" + "\x80\x05wrong"
	return message(fmt.Sprintf("\x60%c%s", len(body), body))
}

func message(operation string) string {
	var text bytes.Buffer
	text.WriteString("\x30" + string(rune(len(operation)+3)) + "\x02\x01\x01" + operation)
	return text.String()
}
