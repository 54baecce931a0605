package delivery

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Parts of RFC 5424's header.
const (
	facility = 13 // log audit
	notice   = 5
	warning  = 4
	nilValue = "-"
	maxMsgID = 32
	maxHost  = 255
)

// confirm is how long a receiver may take to end its side of a connection.
const confirm = 10 * time.Second

// syslog delivers to a syslog receiver: RFC 5424's messages with octet counting (RFC 5425, RFC 6587).
//
// Syslog knows no acknowledgement but one: a receiver that has read all ends its side of the connection once the sender has ended
// its own (RFC 5425, section 4.4). So each batch is a connection, which has to end like that.
type syslog struct {
	target   *Target
	host     string
	sessions tls.ClientSessionCache
}

func newSyslog(target *Target) *syslog {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &syslog{target, printable(host, maxHost), tls.NewLRUClientSessionCache(1)}
}

var errUnconfirmed = errors.New("the receiver does not say that it has read all")

func (s *syslog) send(ctx context.Context, batch []record) (err error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closed := conn.Close(); err == nil && !errors.Is(closed, net.ErrClosed) {
			err = closed
		}
	}()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	var text []byte
	for _, r := range batch {
		message := s.message(r.line)
		text = strconv.AppendInt(text, int64(len(message)), 10)
		text = append(append(text, ' '), message...)
	}
	if _, err := conn.Write(text); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(confirm)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(conn, maxAnswer)); err != nil {
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	}
	return nil
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

func (s *syslog) dial(ctx context.Context) (halfCloser, error) {
	var conn net.Conn
	var err error
	if s.target.secure() {
		var settings *tls.Config
		if settings, err = s.target.tls(); err != nil {
			return nil, err
		}
		settings.ClientSessionCache = s.sessions
		conn, err = (&tls.Dialer{Config: settings}).DialContext(ctx, "tcp", s.target.host)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", s.target.host)
	}
	if err != nil {
		return nil, err
	}
	return conn.(halfCloser), nil // as *tls.Conn and *net.TCPConn are
}

// message is a record as RFC 5424 has it, with the record's own time and name.
func (s *syslog) message(line []byte) []byte {
	var about struct {
		EventTime time.Time `json:"eventTime"`
		EventName string    `json:"eventName"`
		ErrorCode string    `json:"errorCode"`
	}
	at, severity := nilValue, notice
	// A damaged line is delivered nevertheless.
	if err := json.Unmarshal(line, &about); err != nil {
		severity = warning
	} else if at = about.EventTime.UTC().Format(time.RFC3339); about.ErrorCode != "" {
		severity = warning
	}
	header := fmt.Sprintf("<%d>1 %s %s latchkey %d %s - ", facility*8+severity, at, s.host, os.Getpid(), printable(about.EventName, maxMsgID))
	return append([]byte(header), line[:len(line)-1]...)
}

// printable is a text as RFC 5424's PRINTUSASCII.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return nilValue
	}
	return text[:min(len(text), most)]
}
