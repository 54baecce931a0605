// Package app puts the parts together: New builds them in the order in which they need each other, Run starts what
// listens and stops it all in the opposite order.
package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"latchkey/internal/audit"
	"latchkey/internal/certificate"
	"latchkey/internal/config"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/ds"
	"latchkey/internal/gateway"
	"latchkey/internal/identity"
	"latchkey/internal/ldapserver"
	"latchkey/internal/lifecycle"
	"latchkey/internal/seed"
	"latchkey/internal/sigv4"
	"latchkey/internal/store"
)

const (
	partition     = "aws"
	drainTimeout  = 10 * time.Second
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// App is a whole server.
type App struct {
	config *config.Config
	logger *slog.Logger
	ready  io.Writer
	// closers run in the opposite order of their making.
	closers []func() error

	worker    *lifecycle.Worker
	api       *http.Server
	ldap      *ldapserver.Server
	listeners struct{ api, ldap, ldaps net.Listener }
}

// New builds a server from a valid configuration. When it returns, every directory is served and the seed is applied,
// and the addresses are taken; Run lets clients in. ready is where Run writes its one line.
func New(ctx context.Context, cfg *config.Config, logger *slog.Logger, ready io.Writer) (_ *App, err error) {
	a := &App{config: cfg, logger: logger, ready: ready}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()

	// A seed that can't be read is to be told before anything is written.
	var plan *seed.Seed
	if cfg.Seed != "" {
		if plan, err = readSeed(cfg.Seed); err != nil {
			return nil, err
		}
	}

	// The addresses first: they fail most often, and nothing else has happened yet.
	if err := a.listen(); err != nil {
		return nil, err
	}

	// The directory is locked before anything in it is read: another process may be at work there.
	dir, err := a.dataDirectory()
	if err != nil {
		return nil, err
	}

	// The keys before the records that are sealed with them.
	keyring, err := embedded.LoadKeyring(dir)
	if err != nil {
		return nil, err
	}
	keys, err := a.accessKeys(dir)
	if err != nil {
		return nil, err
	}

	records, err := store.Open(ctx, store.Options{Dir: filepath.Join(dir, "store"), Endpoints: cfg.StoreEndpoints, TLS: cfg.StoreTLS(), Logger: logger})
	if err != nil {
		return nil, err
	}
	a.closeLater(records.Close)

	if err := checkMasterKey(ctx, records, keyring); err != nil {
		return nil, err
	}

	// The audit trail before whatever it has to tell of.
	trail, err := audit.Open(dir, logger, time.Now)
	if err != nil {
		return nil, err
	}
	a.closeLater(trail.Close)

	engine, err := embedded.New(records, keyring, ldapserver.Features(), logger, time.Now)
	if err != nil {
		return nil, err
	}
	a.closeLater(func() error { engine.Close(); return nil })
	if a.worker, err = lifecycle.Start(ctx, records, engine, keyring, logger, time.Now); err != nil {
		return nil, err
	}
	a.closeLater(func() error { a.worker.Stop(); return nil })

	if plan != nil {
		if err := seed.Apply(ctx, plan, a.worker, engine, cfg.AccountID); err != nil {
			return nil, err
		}
	}
	if err := a.buildLDAP(dir, engine); err != nil {
		return nil, err
	}
	return a, a.buildAPI(keys, trail, engine, keyring)
}

// ErrMasterKey says that the store was sealed with another key than the data directory's.
var ErrMasterKey = errors.New("the master key is not the one that the store's passwords are sealed with")

// checkMasterKey refuses to start with a key that could open nothing: one that was lost and made anew, or that was not
// copied from the other servers of the cluster.
func checkMasterKey(ctx context.Context, records *store.Store, keyring *embedded.Keyring) error {
	const name = "master-key"
	sealed, err := records.Once(ctx, name, keyring.Seal([]byte(name), name))
	if err != nil {
		return err
	}
	if _, err := keyring.Open(sealed, name); err != nil {
		return ErrMasterKey
	}
	return nil
}

func readSeed(path string) (*seed.Seed, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return seed.Parse(file, path)
}

func (a *App) closeLater(closer func() error) { a.closers = append(a.closers, closer) }

func (a *App) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *App) listen() error {
	for _, each := range []struct {
		name, address string
		listener      *net.Listener
	}{
		{"listen", a.config.Listen, &a.listeners.api},
		{"ldap-listen", a.config.LDAPListen, &a.listeners.ldap},
		{"ldaps-listen", a.config.LDAPSListen, &a.listeners.ldaps},
	} {
		listener, err := net.Listen("tcp", each.address)
		if err != nil {
			return fmt.Errorf("--%s: %w", each.name, err)
		}
		*each.listener = listener
		// Whoever serves it has closed it by then: this is for a start that fails.
		a.closeLater(func() error { _ = listener.Close(); return nil })
	}
	return nil
}

// dataDirectory is where everything is kept: the configured one, locked, or with --dev one that goes when we go.
func (a *App) dataDirectory() (string, error) {
	if a.config.Dev {
		dir, err := os.MkdirTemp("", "latchkey-dev-")
		if err != nil {
			return "", err
		}
		a.closeLater(func() error { return os.RemoveAll(dir) })
		return dir, nil
	}
	dir := a.config.Data
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its x
		return "", err
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return "", err
	}
	a.closeLater(lock.Close)
	return dir, nil
}

func (a *App) accessKeys(dir string) (*identity.Keys, error) {
	if a.config.Dev {
		return identity.NewAnyKeys(partition, a.config.AccountID), nil
	}
	root, err := identity.LoadRoot(dir, os.Getenv)
	if err != nil {
		return nil, err
	}
	return identity.NewKeys(partition, a.config.AccountID, root), nil
}

func (a *App) buildLDAP(dir string, engine *embedded.Engine) error {
	hosts := []string{}
	if hostname, err := os.Hostname(); err == nil {
		hosts = append(hosts, hostname)
	}
	for _, address := range []string{a.config.LDAPListen, a.config.LDAPSListen} {
		if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
			hosts = append(hosts, host)
		}
	}
	own, _, err := certificate.Load(dir, hosts, time.Now)
	if err != nil {
		return err
	}
	a.ldap, err = ldapserver.New(ldapserver.Options{Backend: ldapBackend{engine}, TLS: certificate.Config(own), Logger: a.logger})
	return err
}

func (a *App) buildAPI(keys *identity.Keys, trail *audit.Log, engine *embedded.Engine, keyring *embedded.Keyring) error {
	service := &ds.Service{
		Directories: a.worker.Directories(), Lifecycle: a.worker, Engine: engine, Tokens: keyring, Unlock: a.config.UnlockOnReset, Now: time.Now,
	}
	table, err := service.Table()
	if err != nil {
		return err
	}
	handler := &gateway.Gateway{
		Table: table, Audit: trail, Account: a.config.AccountID, Logger: a.logger, Now: time.Now,
		Verifier: sigv4.New(sigv4.Options{Service: func(*http.Request) string { return "ds" }, Lookup: keys.Lookup, Now: time.Now}),
	}
	a.api = &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
	}
	if a.config.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(a.config.TLSCert, a.config.TLSKey)
		if err != nil {
			return fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		a.api.TLSConfig = certificate.Config(&pair)
	}
	return nil
}

// Run lets clients in, writes the ready line, and returns when ctx ends and everything has stopped, or when a listener
// fails.
func (a *App) Run(ctx context.Context) error {
	failed := make(chan error, 3)
	serve := func(name string, run func() error) {
		go func() {
			if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		}()
	}
	serve("API", func() error {
		if a.api.TLSConfig != nil {
			return a.api.ServeTLS(a.listeners.api, "", "")
		}
		return a.api.Serve(a.listeners.api)
	})
	serve("LDAP", func() error { return a.ldap.Serve(a.listeners.ldap, false) })
	serve("LDAPS", func() error { return a.ldap.Serve(a.listeners.ldaps, true) })

	err := a.announce()
	if err == nil {
		select {
		case err = <-failed:
		case <-ctx.Done():
			a.logger.Info("stopping")
		}
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	// First those who ask for work, then those who do it, then the store they do it on.
	return errors.Join(err, a.api.Shutdown(draining), a.ldap.Shutdown(draining), a.close())
}

// announce writes the one line on standard output that tells where the server is.
func (a *App) announce() error {
	scheme := "http"
	if a.config.TLSCert != "" {
		scheme = "https"
	}
	line, err := json.Marshal(struct {
		Event string `json:"event"`
		API   string `json:"api"`
		LDAP  string `json:"ldap"`
		LDAPS string `json:"ldaps"`
		PID   int    `json:"pid"`
	}{
		"ready", scheme + "://" + a.listeners.api.Addr().String(), "ldap://" + a.listeners.ldap.Addr().String(),
		"ldaps://" + a.listeners.ldaps.Addr().String(), os.Getpid(),
	})
	if err != nil {
		return err
	}
	_, err = a.ready.Write(append(line, '\n'))
	return err
}
