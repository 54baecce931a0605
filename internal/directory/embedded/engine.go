// Package embedded is Latchkey's own directory engine: an AD-shaped tree per directory, kept in the store and served
// from memory. It answers the same LDAP requests a domain controller would, to the API in process and to the LDAP server.
package embedded

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
	"latchkey/internal/throttle"
)

// ErrNotServed says that this process does not hold the directory's tree.
var ErrNotServed = fmt.Errorf("%w: the directory is not served here", directory.ErrUnavailable)

// Engine holds the trees of this process.
type Engine struct {
	// Observer is who is told what happens in a directory; nil, as is its answer, is nobody. It is set before the engine is used,
	// and what it gives back must not wait.
	Observer func(id string) func(directory.SecurityEvent)

	// Authorities is who may sign the certificates that users of a directory log in with, and whether they log in with nothing
	// else; without any, or where it is nil itself, nobody does. It is set before the engine is used.
	Authorities func(id string) (roots *x509.CertPool, only bool)

	// Kerberos says that this process answers for the directories' realms, too. It is set before the engine is used.
	Kerberos bool

	// Failures has a token less for each wrong password of an account. Logins to one that has spent all are refused unseen. Nil
	// bounds nothing. It is set before the engine is used.
	Failures *throttle.Buckets

	// TurnedAway is told of each key derivation that is not let wait, as too many do: one of WaitingLogins, WaitingResets. It must
	// not wait. Nil is nobody. It is set before the engine is used.
	TurnedAway func(limit string)

	store    *store.Store
	keyring  *Keyring
	logger   *slog.Logger
	now      func() time.Time
	schema   *schema
	gate     *gate
	features map[string][]string
	pretense keys // what a login without an account is compared with

	mu    sync.RWMutex
	trees map[string]*served // by directory id
	order []*served          // in the order of their making
}

type served struct {
	*tree
	stop context.CancelFunc
	done <-chan struct{}
}

const maxWaiting = 4096

// New makes an engine without trees. features are what the LDAP server adds to the rootDSE.
func New(s *store.Store, keyring *Keyring, features map[string][]string, logger *slog.Logger, now func() time.Time) (*Engine, error) {
	pretense, err := deriveKeys([]byte("nobody's password"), "")
	if err != nil {
		return nil, err
	}
	return &Engine{
		store: s, keyring: keyring, logger: logger, now: now, schema: newSchema(), features: features, pretense: pretense,
		gate: newGate(runtime.GOMAXPROCS(0), maxWaiting), trees: map[string]*served{},
	}, nil
}

// Serve reads the directory's tree into memory and keeps it current. Serving twice changes nothing.
func (e *Engine) Serve(ctx context.Context, domain directory.Domain) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trees[domain.ID] != nil {
		return nil
	}
	t, err := newTree(domain, e.schema, e.logger)
	if err != nil {
		return err
	}
	t.now = e.now
	// The tree follows the store for as long as it is served, not for as long as this call's context lives.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	done, err := e.store.FollowTree(following, domain.ID, t.apply, t.reset)
	if err != nil {
		stop()
		return fmt.Errorf("serve %s: %w", domain.ID, err)
	}
	s := &served{tree: t, stop: stop, done: done}
	e.trees[domain.ID] = s
	e.order = append(e.order, s)
	return nil
}

// Drop stops serving a directory. To the sessions in it, it is empty.
func (e *Engine) Drop(id string) {
	e.mu.Lock()
	s := e.trees[id]
	delete(e.trees, id)
	e.order = slices.DeleteFunc(e.order, func(other *served) bool { return other == s })
	e.mu.Unlock()
	if s != nil {
		s.stop()
		<-s.done
		s.reset()
	}
}

// Close stops serving all directories.
func (e *Engine) Close() {
	e.mu.RLock()
	var ids []string
	for id := range e.trees {
		ids = append(ids, id)
	}
	e.mu.RUnlock()
	for _, id := range ids {
		e.Drop(id)
	}
}

// Remove deletes everything of a directory from the store.
func (e *Engine) Remove(ctx context.Context, id string) error {
	e.Drop(id)
	return e.store.RemoveTree(ctx, id)
}

// Conn is the directory as the system itself sees it: no access control, but every rule of the directory. The error is
// ErrNotServed where this process does not serve it.
func (e *Engine) Conn(id string) (directory.Conn, error) {
	t, err := e.tree(id)
	if err != nil {
		return nil, err
	}
	return &Session{engine: e, tree: t, system: true, secure: true}, nil
}

func (e *Engine) tree(id string) (*tree, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := e.trees[id]
	if s == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotServed, id)
	}
	return s.tree, nil
}

// each calls visit for every tree, the oldest first, until visit says to stop.
func (e *Engine) each(visit func(*tree) bool) {
	e.mu.RLock()
	order := slices.Clone(e.order)
	e.mu.RUnlock()
	for _, s := range order {
		if !visit(s.tree) {
			return
		}
	}
}

// capabilities are those of a domain controller of Windows Server 2012 (MS-ADTS section 3.1.1.3.4.3), which encryption types
// can be set on.
func capabilities() []string {
	return []string{
		"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1935", "1.2.840.113556.1.4.2080", "1.2.840.113556.1.4.2237",
	}
}

// rootDSE is what the server says of itself (RFC 4512 section 5.1, MS-ADTS section 3.1.1.3.2). first is the tree that a
// session is in; without one it is the oldest.
func (e *Engine) rootDSE(first *tree, certified bool, filter string, attributes []string) *ldap.SearchResult {
	values := map[string][]string{
		"currentTime":                   {directory.GeneralizedTime(e.now())},
		"domainFunctionality":           {"6"},
		"forestFunctionality":           {"6"},
		"domainControllerFunctionality": {"6"},
		"supportedCapabilities":         capabilities(),
		"isSynchronized":                {"TRUE"},
		"isGlobalCatalogReady":          {"TRUE"},
		"supportedLDAPPolicies":         {"MaxPageSize", "MaxValRange"},
		"vendorName":                    {"Latchkey"},
	}
	maps.Copy(values, e.features)
	values["supportedSASLMechanisms"] = e.mechanisms(certified)
	if !slices.Contains(values["supportedControl"], policyHints) {
		values["supportedControl"] = append(slices.Clone(values["supportedControl"]), policyHints)
	}
	e.each(func(t *tree) bool {
		if first == nil {
			first = t
		}
		values["namingContexts"] = append(values["namingContexts"], t.domain.BaseDN(), t.configurationDN(), t.schemaDN())
		return true
	})
	if first != nil {
		values["defaultNamingContext"] = []string{first.domain.BaseDN()}
		values["rootDomainNamingContext"] = []string{first.domain.BaseDN()}
		values["configurationNamingContext"] = []string{first.configurationDN()}
		values["schemaNamingContext"] = []string{first.schemaDN()}
		values["subschemaSubentry"] = []string{first.aggregateDN()}
		values["dnsHostName"] = []string{MachineHost(first.domain)}
		server := "CN=" + machineName + ",CN=Servers,CN=" + Site + ",CN=Sites," + first.configurationDN()
		values["serverName"] = []string{server}
		values["dsServiceName"] = []string{"CN=NTDS Settings," + server}
		values["highestCommittedUSN"] = []string{strconv.FormatInt(first.newest(), 10)}
		values["ldapServiceName"] = []string{first.domain.Name + ":latchkey@" + first.domain.Realm()}
	}
	entry := &ldap.Entry{}
	if slices.ContainsFunc(attributes, func(a string) bool { return strings.EqualFold(a, "netlogon") }) {
		if answer := e.netlogon(first, filter); answer != nil {
			values["netlogon"] = []string{string(answer)}
		}
	}
	names := make([]string, 0, len(values))
	for attributeName := range values {
		names = append(names, attributeName)
	}
	slices.Sort(names)
	for _, attributeName := range names {
		asked := len(attributes) == 0 || slices.ContainsFunc(attributes, func(a string) bool {
			return a == "*" || a == "+" || strings.EqualFold(a, attributeName)
		})
		if asked && len(values[attributeName]) > 0 {
			entry.Attributes = append(entry.Attributes, ldap.NewEntryAttribute(attributeName, values[attributeName]))
		}
	}
	return &ldap.SearchResult{Entries: []*ldap.Entry{entry}}
}
