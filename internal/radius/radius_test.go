package radius_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"latchkey/internal/radius"

	layeh "layeh.com/radius"
)

var secret = []byte("Harbour-shared-secret")

// listen answers each packet with what answer makes of it; nil is silence.
func listen(t *testing.T, address string, answer func(request []byte) []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		var buffer [layeh.MaxPacketLength]byte
		for {
			n, from, err := conn.ReadFrom(buffer[:])
			if err != nil {
				return
			}
			if reply := answer(buffer[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// reply rejects a request with a secret.
func reply(t *testing.T, request, secret []byte) []byte {
	packet, err := layeh.Parse(request, secret)
	if err != nil {
		t.Error(err)
		return nil
	}
	encoded, err := packet.Response(layeh.CodeAccessReject).Encode()
	if err != nil {
		t.Error(err)
	}
	return encoded
}

func TestProbe(t *testing.T) {
	const timeout = 50 * time.Millisecond
	rejects := listen(t, "127.0.0.1:0", func(request []byte) []byte { return reply(t, request, secret) })
	if err := radius.Probe(t.Context(), rejects, secret, time.Minute, 0); err != nil {
		t.Errorf("a rejection proves the secret: %v", err)
	}
	asked := 0
	forgetful := listen(t, "127.0.0.1:0", func(request []byte) []byte {
		if asked++; asked < 3 {
			return nil
		}
		return reply(t, request, secret)
	})
	if err := radius.Probe(t.Context(), forgetful, secret, timeout, 200); err != nil {
		t.Errorf("the third try: %v", err)
	}
	// Nobody is there, and then somebody is.
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := conn.LocalAddr().String()
	_ = conn.Close()
	result := make(chan error, 1)
	go func() { result <- radius.Probe(t.Context(), late, secret, timeout, 200) }()
	listen(t, late, func(request []byte) []byte { return reply(t, request, secret) })
	if err := <-result; err != nil {
		t.Errorf("a server that comes late: %v", err)
	}

	for name, answer := range map[string]func([]byte) []byte{
		"silence":        func([]byte) []byte { return nil },
		"another secret": func(request []byte) []byte { return reply(t, request, []byte("another")) },
		"noise":          func([]byte) []byte { return []byte("noise") },
		"an echo":        func(request []byte) []byte { return request },
	} {
		address := listen(t, "127.0.0.1:0", answer)
		if err := radius.Probe(t.Context(), address, secret, timeout, 1); !errors.Is(err, radius.ErrNoAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
