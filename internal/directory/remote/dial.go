package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

var (
	// ErrDiscovery says that DNS names no domain controllers, or can't be asked.
	ErrDiscovery = errors.New("the domain controllers can't be found by DNS")
	// ErrUnreachable says that no connection could be made.
	ErrUnreachable = errors.New("the domain controller can't be reached")
	// ErrTLS says that the domain controller did not prove who it is.
	ErrTLS = errors.New("TLS with the domain controller failed")
	// ErrBind says that the domain refused the account. The text around it says why.
	ErrBind = errors.New("the domain refuses the account")
	// ErrCredentials says that the password, or the certificates to trust, can't be read.
	ErrCredentials = errors.New("a file of the connection's can't be used")
)

// Dial connects to a domain controller over TLS, which is verified against the settings' certificates and the URL's host.
// It does not bind. Its errors wrap ErrUnreachable, ErrTLS or ErrCredentials.
func Dial(ctx context.Context, text string, s Settings) (*ldap.Conn, error) {
	address, err := hostPort(text)
	if err != nil {
		return nil, err
	}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Resolver: s.resolverOf(ctx, host), KeepAlive: 15 * time.Second}
	plain, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	secure := tls.Client(plain, &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrTLS, host, err)
	}
	conn := ldap.NewConn(secure, true)
	conn.Start()
	return conn, nil
}

const maxCAFile = 4 << 20

func (s Settings) roots() (*x509.CertPool, error) {
	roots, err := s.system()
	if err != nil || s.CAFile == "" {
		return roots, err
	}
	info, err := os.Stat(s.CAFile)
	if err == nil && info.Size() > maxCAFile {
		err = fmt.Errorf("%s is larger than certificates can be", s.CAFile)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(s.CAFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	if roots == nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: %s holds no certificate (PEM)", ErrCredentials, s.CAFile)
	}
	return roots, nil
}

// system is what is trusted besides CAFile; nil stands for the system's authorities.
func (s Settings) system() (*x509.CertPool, error) {
	if len(s.Trust) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if s.CAFile == "" {
		var err error
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("%w: the system's certificates: %w", ErrCredentials, err)
		}
	}
	for _, text := range s.Trust {
		roots.AppendCertsFromPEM([]byte(text))
	}
	return roots, nil
}

const maxPassword = 4 << 10

// password is what is kept, or what the file holds, without the end of its line. The caller wipes it.
func (s Settings) password() ([]byte, error) {
	if s.Unseal != nil {
		password, err := s.Unseal(s.Sealed)
		if err != nil {
			return nil, fmt.Errorf("%w: the kept password can't be opened: %w", ErrCredentials, err)
		}
		return password, nil
	}
	info, err := os.Stat(s.BindPasswordFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	case info.Mode().Perm()&0o007 != 0:
		return nil, fmt.Errorf("%w: %s can be used by everybody (mode %#o): chmod 600 %s", ErrCredentials, s.BindPasswordFile, info.Mode().Perm(), s.BindPasswordFile)
	case info.Size() > maxPassword:
		return nil, fmt.Errorf("%w: %s is larger than a password can be", ErrCredentials, s.BindPasswordFile)
	}
	text, err := os.ReadFile(s.BindPasswordFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	password := bytes.TrimRight(text, "\r\n")
	if len(password) == 0 {
		return nil, fmt.Errorf("%w: %s is empty", ErrCredentials, s.BindPasswordFile)
	}
	return password, nil
}

// Bind proves the account to the domain controller. Its errors wrap ErrBind, ErrCredentials or ErrUnreachable.
func Bind(_ context.Context, conn *ldap.Conn, s Settings) error {
	password, err := s.password()
	if err != nil {
		return err
	}
	defer clear(password)
	return bind(conn, s.BindDN, password)
}

func bind(conn *ldap.Conn, name string, password []byte) error {
	err := conn.Bind(name, string(password))
	var refusal *ldap.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal) && refusal.ResultCode < ldap.ErrorNetwork:
		return fmt.Errorf("%w %s: %s: %w", ErrBind, name, whyRefused(refusal), err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// refusals says what AD's data codes mean (MS-ERREF section 2.2).
var refusals = map[string]string{
	"525": "there is no such account", "52e": "the password is wrong, or there is no such account", "530": "the account may not log in at this time",
	"531": "the account may not log in from here", "532": "the password has expired", "533": "the account is disabled", "701": "the account has expired",
	"773": "the password must be changed first", "775": "the account is locked out",
}

func whyRefused(refusal *ldap.Error) string {
	code := directory.DataCode(refusal)
	switch {
	case refusal.ResultCode == ldap.LDAPResultStrongAuthRequired:
		return "it demands TLS or signing"
	case code == "":
		return "it does not say why"
	case refusals[code] == "":
		return "data " + code
	}
	return refusals[code]
}

// credentials remembers a password that was refused, so that it is not tried again and again: each time would count
// towards the account's lockout.
type credentials struct {
	settings Settings
	now      func() time.Time

	mu      sync.Mutex
	refused [sha256.Size]byte
	until   time.Time
	err     error
}

// refusedFor is how long a refused password is not tried again, while it is the same.
const refusedFor = time.Minute

func (c *credentials) bind(conn *ldap.Conn) error {
	password, err := c.settings.password()
	if err != nil {
		return err
	}
	defer clear(password)
	digest := sha256.Sum256(password)
	c.mu.Lock()
	again := c.err != nil && digest == c.refused && c.now().Before(c.until)
	former := c.err
	c.mu.Unlock()
	if again {
		return fmt.Errorf("%w (not tried again before %s, or before %s changes)", former, c.until.UTC().Format(time.TimeOnly), c.settings.BindPasswordFile)
	}
	err = bind(conn, c.settings.BindDN, password)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, ErrBind):
		c.refused, c.until, c.err = digest, c.now().Add(refusedFor), err
	case err == nil:
		c.err = nil
	}
	return err
}
