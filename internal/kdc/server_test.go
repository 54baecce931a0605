package kdc_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"latchkey/internal/directory"
	"latchkey/internal/kdc"
)

// interrupted is a listener whose connections have something happen between the two parts of the first message.
type interrupted struct {
	net.Listener

	between func()
}

func (l interrupted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &interruptedConn{Conn: c, between: sync.OnceFunc(l.between)}, err
}

type interruptedConn struct {
	net.Conn

	between func()
}

func (c *interruptedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.between()
	return n, err
}

// The end of a server that comes while a message is read is not forgotten over the time that the rest of it may take.
func TestShutdownInTheMiddleOfAMessage(t *testing.T) {
	engine := newEngine(t, time.Now)
	newDomain(t, engine, "d-1234567890", directory.SimpleAD)
	s := kdc.New(kdc.Options{Engine: engine, Limits: kdc.Limits{Message: time.Hour}})
	tcp, udp := listen(t)
	ended, served := make(chan error, 1), make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	between := func() {
		go func() { ended <- s.Shutdown(ctx) }()
		// Serving has ended when all connections have been told.
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	go func() { served <- s.ServeKDC(interrupted{tcp, between}, udp) }()
	conn := dial(t, "tcp", tcp.Addr().String())
	if _, err := conn.Write([]byte{0, 0, 0, 10}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
