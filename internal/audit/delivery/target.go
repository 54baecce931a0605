package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"latchkey/internal/durable"
)

// Target is where a sink is, as Parse has read it.
type Target struct {
	scheme string
	host   string // with its port
	path   string
	query  url.Values // what an HTTP endpoint wants in its URL
	// Files: who signs the receiver's certificate, this client's own certificate and its key, and the token that an HTTP endpoint
	// asks for. They are read for each connection, so that they can be renewed.
	ca, cert, key, bearer string
}

const (
	standardOutput = "stdout"
	syslogTLS      = "syslog+tls"
	syslogTCP      = "syslog+tcp"
	syslogPort     = "6514" // RFC 5425, section 4.1
)

// Parse reads the URL of a sink, and the files that it names: syslog+tls://HOST[:PORT], https://HOST/PATH, the same without TLS
// (syslog+tcp, http) on loopback, or stdout.
func Parse(text string) (*Target, error) {
	if text == standardOutput {
		return &Target{scheme: standardOutput}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		// The error repeats the URL, with what may be secret in it.
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return nil, fmt.Errorf("it is not a URL: %w", err)
	}
	t := &Target{scheme: u.Scheme, host: u.Host, path: u.Path, query: u.Query()}
	switch {
	case !slices.Contains([]string{syslogTLS, syslogTCP, "https", "http"}, u.Scheme):
		return nil, fmt.Errorf("%q is none of syslog+tls, syslog+tcp, https, http and stdout", u.Scheme)
	case u.User != nil:
		return nil, fmt.Errorf("%s: a password has no place in a URL; ?bearer-file=FILE names a file with a token", t)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%s names no host", t)
	case !t.secure() && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%s: without TLS it must be on loopback", t)
	}
	if err := t.options(); err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	if t.syslog() && u.Port() == "" {
		if t.scheme == syslogTCP {
			return nil, fmt.Errorf("%s names no port", t)
		}
		t.host = net.JoinHostPort(u.Hostname(), syslogPort)
	}
	return t, nil
}

// options takes this program's own out of the query.
func (t *Target) options() error {
	for name, file := range map[string]*string{"ca": &t.ca, "cert": &t.cert, "key": &t.key, "bearer-file": &t.bearer} {
		*file = t.query.Get(name)
		t.query.Del(name)
	}
	switch {
	case t.syslog() && (t.path != "" && t.path != "/" || len(t.query) > 0 || t.bearer != ""):
		return errors.New("a syslog receiver has no path, and no options but ca, cert and key")
	case !t.secure() && t.ca+t.cert+t.key != "":
		return errors.New("ca, cert and key need TLS")
	case (t.cert == "") != (t.key == ""):
		return errors.New("cert and key need each other")
	}
	if t.secure() {
		if _, err := t.tls(); err != nil {
			return err
		}
	}
	_, err := t.token()
	return err
}

func (t *Target) syslog() bool { return strings.HasPrefix(t.scheme, "syslog+") }

func (t *Target) secure() bool { return t.scheme == syslogTLS || t.scheme == "https" }

func loopback(host string) bool {
	address := net.ParseIP(host)
	return host == "localhost" || address != nil && address.IsLoopback()
}

// String is the target without what may be secret, its query.
func (t *Target) String() string {
	if t.scheme == standardOutput {
		return standardOutput
	}
	return t.scheme + "://" + t.host + strings.TrimSuffix(t.path, "/")
}

func (t *Target) url() string {
	return (&url.URL{Scheme: t.scheme, Host: t.host, Path: t.path, RawQuery: t.query.Encode()}).String()
}

func (t *Target) tls() (*tls.Config, error) {
	host, _, err := net.SplitHostPort(t.host)
	if err != nil {
		host = strings.Trim(t.host, "[]")
	}
	settings := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		text, err := durable.ReadSmall(t.ca)
		if err != nil {
			return nil, err
		}
		if settings.RootCAs = x509.NewCertPool(); !settings.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate (PEM)", t.ca)
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// token is what the endpoint is shown; "" without a file of it.
func (t *Target) token() (string, error) {
	if t.bearer == "" {
		return "", nil
	}
	text, err := durable.ReadSmall(t.bearer)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("%s is not one line with a token", t.bearer)
	}
	return token, nil
}
