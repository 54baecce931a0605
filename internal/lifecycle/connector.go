package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/directory/remote"
	"latchkey/internal/store"
)

// Connector is the engine behind AD Connectors, and ADConnector their type.
const (
	Connector   = "connector"
	ADConnector = "ADConnector"
)

// ConnectorOptions is what the engine of AD Connectors is made of.
type ConnectorOptions struct {
	Remote   *remote.Engine
	Embedded *embedded.Engine
	Sealer   Sealer
	Now      func() time.Time
	// Trust is the certificates (PEM) that domain controllers may be signed by, besides the system's.
	Trust []string
}

// NewConnector is the engine behind AD Connectors: domains that others run, reached by what the create call says, and
// domains of this server's own. It does in them what the account that it was given may do.
func NewConnector(options ConnectorOptions) Engine {
	return &connector{ConnectorOptions: options, local: map[string]*localDomain{}, found: map[string]directory.SID{}}
}

type connector struct {
	ConnectorOptions
	mu    sync.Mutex
	local map[string]*localDomain  // by the connector's id
	found map[string]directory.SID // of those that are being made
}

// localDomain is one that the embedded engine of this server holds.
type localDomain struct {
	id, account string
	sealed      []byte

	mu      sync.Mutex
	session *embedded.Session
	// refused is why the last login failed, and until when it is not tried again: each try counts towards a lockout.
	refused error
	until   time.Time
}

const refusedFor = time.Minute

// Create proves the account to the domain.
func (e *connector) Create(ctx context.Context, record store.Directory, domain directory.Domain, _ []byte) error {
	prove := e.proveRemote
	if record.Connect.Local != "" {
		prove = e.proveLocal
	}
	sid, err := prove(ctx, record, domain)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.found[record.ID] = sid
	e.mu.Unlock()
	return e.Serve(ctx, record, domain)
}

func (e *connector) proveRemote(ctx context.Context, record store.Directory, domain directory.Domain) (directory.SID, error) {
	sid, err := remote.Prove(ctx, domain, e.settings(record, domain))
	servers := strings.Join(slices.Concat(record.Connect.DNS, record.Connect.DNS6), ", ")
	var dns *net.DNSError
	switch {
	case err == nil:
	case errors.Is(err, remote.ErrBind):
	case errors.Is(err, remote.ErrDiscovery) && errors.As(err, &dns) && dns.IsNotFound:
		err = &inAWSWords{"Connectivity issues detected: SRV record for LDAP does not exist for IP: " + servers + ".", err}
	case errors.Is(err, remote.ErrDiscovery):
		err = &inAWSWords{"Connectivity issues detected: DNS unavailable (TCP port 53) for IP: " + servers + ". " + retryIt, err}
	default:
		err = &inAWSWords{"Connectivity issues detected: LDAP unavailable (TCP port 636). " + retryIt, err}
	}
	return sid, err
}

const retryIt = "Please ensure that the listed ports are available and retry the operation."

// inAWSWords is an error as AWS's StageReason has it (Administration Guide, "Troubleshooting AD Connector"), with its cause.
type inAWSWords struct {
	text  string
	cause error
}

func (e *inAWSWords) Error() string { return e.text + " " + e.cause.Error() }
func (e *inAWSWords) Unwrap() error { return e.cause }

func (e *connector) proveLocal(ctx context.Context, record store.Directory, domain directory.Domain) (directory.SID, error) {
	at := e.newLocal(record)
	conn, err := e.login(ctx, at, record.ID)
	if err != nil {
		return "", err
	}
	root, err := conn.Search(ctx, ldap.NewSearchRequest(domain.BaseDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"objectSid"}, nil))
	if err != nil {
		return "", err
	}
	for _, entry := range root.Entries {
		return directory.SID(entry.GetRawAttributeValue("objectSid")), nil
	}
	return "", fmt.Errorf("%w: the domain %s is empty", directory.ErrUnavailable, domain.Name)
}

// finder is an engine for domains that were there before their directories.
type finder interface {
	// Found is the SID of the domain that Create found. It is told once.
	Found(id string) directory.SID
}

// Found implements finder.
func (e *connector) Found(id string) directory.SID {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer delete(e.found, id)
	return e.found[id]
}

func (e *connector) newLocal(record store.Directory) *localDomain {
	return &localDomain{id: record.Connect.Local, account: record.Connect.UserName, sealed: record.Connect.Password}
}

func (e *connector) Serve(ctx context.Context, record store.Directory, domain directory.Domain) error {
	if record.Connect.Local == "" {
		return e.Remote.Serve(ctx, domain, e.settings(record, domain))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.local[record.ID] == nil {
		e.local[record.ID] = e.newLocal(record)
	}
	return nil
}

// settings is how a domain elsewhere is reached. Where DNS has no records of domain controllers, the addresses that were given
// are taken for them.
func (e *connector) settings(record store.Directory, domain directory.Domain) remote.Settings {
	connect := record.Connect
	settings := remote.Settings{
		BindDN: connect.UserName + "@" + domain.Name, Sealed: connect.Password, Trust: e.trust(record), Discover: true,
		Unseal: func(sealed []byte) ([]byte, error) { return e.Sealer.Open(sealed, record.ID) },
	}
	for _, address := range slices.Concat(connect.DNS, connect.DNS6) {
		settings.Resolvers = append(settings.Resolvers, net.JoinHostPort(address, "53"))
		settings.Otherwise = append(settings.Otherwise, "ldaps://"+net.JoinHostPort(address, "636"))
	}
	return settings
}

// trust is the authorities of domain controllers: those of the server, and the certificates that were registered for LDAPS.
func (e *connector) trust(record store.Directory) []string {
	trust := e.Trust
	for _, certificate := range record.Certificates {
		if certificate.Type == "ClientLDAPS" {
			trust = append(trust[:len(trust):len(trust)], certificate.PEM)
		}
	}
	return trust
}

func (e *connector) Drop(id string) {
	e.mu.Lock()
	delete(e.local, id)
	delete(e.found, id)
	e.mu.Unlock()
	e.Remote.Drop(id)
}

// Remove deletes nothing in the domain.
func (e *connector) Remove(_ context.Context, id string) error {
	e.Drop(id)
	return nil
}

func (e *connector) Conn(id string) (directory.Conn, error) {
	e.mu.Lock()
	at := e.local[id]
	e.mu.Unlock()
	if at == nil {
		return e.Remote.Conn(id)
	}
	return e.login(context.Background(), at, id)
}

// login is the connection to a domain of this server's own. A session lasts for as long as the directory is served.
func (e *connector) login(ctx context.Context, at *localDomain, id string) (directory.Conn, error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	switch {
	case at.session != nil && at.session.Served():
		return at.session, nil
	case e.Now().Before(at.until):
		return nil, at.refused
	}
	at.session = nil
	password, err := e.Sealer.Open(at.sealed, id)
	if err != nil {
		return nil, err
	}
	defer clear(password)
	session, err := e.Embedded.Login(ctx, at.id, at.account, password)
	var refusal *ldap.Error
	switch {
	case errors.As(err, &refusal):
		at.refused, at.until = fmt.Errorf("%w: %w %s: %w", directory.ErrUnavailable, remote.ErrBind, at.account, err), e.Now().Add(refusedFor)
		return nil, at.refused
	case err != nil:
		return nil, err
	}
	at.session = session
	return session, nil
}

// Health of a domain of this server's own is whether it is served.
func (e *connector) Health(id string) []Health {
	e.mu.Lock()
	at := e.local[id]
	e.mu.Unlock()
	if at == nil {
		return healthOf(e.Remote.Health(id))
	}
	if _, err := e.Embedded.Conn(at.id); err != nil {
		return []Health{{Name: at.id, Reason: err.Error()}}
	}
	return []Health{{Name: at.id, Up: true}}
}
