// Package app puts the parts together: New builds them in the order in which they need each other, Run starts what
// listens and stops it all in the opposite order.
package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"latchkey/internal/admin"
	"latchkey/internal/admission"
	"latchkey/internal/audit"
	"latchkey/internal/audit/delivery"
	"latchkey/internal/certificate"
	"latchkey/internal/chaos"
	"latchkey/internal/cloudtrail"
	"latchkey/internal/config"
	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/directory/remote"
	"latchkey/internal/directory/samba"
	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
	"latchkey/internal/event"
	"latchkey/internal/gateway"
	"latchkey/internal/identity"
	"latchkey/internal/kdc"
	"latchkey/internal/ldapserver"
	"latchkey/internal/lifecycle"
	"latchkey/internal/masterkey"
	"latchkey/internal/metrics"
	"latchkey/internal/nameserver"
	"latchkey/internal/operation"
	"latchkey/internal/seed"
	"latchkey/internal/sigv4"
	"latchkey/internal/store"
	"latchkey/internal/sts"
	"latchkey/internal/throttle"
	"latchkey/internal/wire"
)

const (
	partition     = "aws"
	drainTimeout  = 10 * time.Second
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	answerTimeout = 2 * time.Minute // from the end of a request's header: its body, the operation and the answer
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

	ca        string                // path of the certificate that LDAP's is signed by, if that is the server's own
	renew     func() error          // makes LDAP's anew where it is due; nil unless it is the server's own
	obtain    func(context.Context) // gets the API's certificates; nil where they are files
	roles     sts.Current
	worker    *lifecycle.Worker
	sinks     *delivery.Sinks // of the audit trail
	api       *http.Server
	failures  *throttle.Buckets // of logins, by where they come from
	ldap      *ldapserver.Server
	dns       *nameserver.Server // nil without
	kdc       *kdc.Server
	watch     watch
	listeners struct {
		api, ldap, ldaps, dns, kdc, kpasswd, metrics        net.Listener
		ldapPackets, dnsPackets, kdcPackets, kpasswdPackets net.PacketConn
	}
}

// New builds a server from a valid configuration. When it returns, every directory is served and the seed is applied,
// and the addresses are taken; Run lets clients in. ready is where Run writes its one line.
func New(ctx context.Context, cfg *config.Config, logger *slog.Logger, ready io.Writer) (_ *App, err error) {
	a := &App{config: cfg, logger: logger, ready: ready, failures: buckets(cfg.ThrottleSource)}
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

	if err := a.Reload(cfg); err != nil {
		return nil, err
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

	// The key before anything is started that could read it, and before the records that are sealed with it.
	key, _, err := masterKey(ctx, cfg, dir)
	if err != nil {
		return nil, err
	}
	defer clear(key)

	records, err := store.Open(ctx, store.Options{Dir: filepath.Join(dir, "store"), Endpoints: cfg.StoreEndpoints, TLS: cfg.StoreTLS(), Logger: logger})
	if err != nil {
		return nil, err
	}
	a.closeLater(records.Close)

	keyring, rotating, err := masterkey.Open(ctx, records, key)
	if err != nil {
		return nil, err
	}
	if rotating {
		logger.Warn("a rotation of the master key has not come to its end: stop the server and run latchkey master-key rotate again")
	}

	issuer, err := a.buildIssuer(ctx, records, keyring)
	if err != nil {
		return nil, err
	}
	keys, err := a.accessKeys(dir, issuer)
	if err != nil {
		return nil, err
	}

	node, err := nodeName(dir)
	if err != nil {
		return nil, err
	}
	if err := a.buildWatch(ctx, records); err != nil {
		return nil, err
	}

	// The audit trail before whatever it has to tell of.
	signer, err := audit.LoadSigner(dir, keyring)
	if err != nil {
		return nil, err
	}
	trail, err := a.openTrail(dir, signer, auditHead{records, node})
	if err != nil {
		return nil, err
	}

	engine, err := embedded.New(records, keyring, ldapserver.Features(), logger, time.Now)
	if err != nil {
		return nil, err
	}
	a.closeLater(func() error { engine.Close(); return nil })
	topics := event.Topics(targets(a.config.EventTopic))
	logs := event.Open(targets(a.config.LogGroup), logger)
	a.closeLater(func() error { logs.Close(); return nil })
	directories := &a.watch.directories
	engine.Authorities = func(id string) (*x509.CertPool, bool) { return authorities(directories.Load(), id) }
	engine.Kerberos = a.listeners.kdc != nil
	engine.Failures, engine.TurnedAway = buckets(cfg.ThrottleAccount), a.watch.refused
	a.watch.engine = engine
	a.watch.bucket(metrics.Account, engine.Failures)
	a.watch.bucket(metrics.Source, a.failures)
	engine.Observer = func(id string) func(directory.SecurityEvent) { return observer(logs, directories.Load(), id) }
	queue := lifecycle.NewQueue()
	controllers, err := a.buildSamba(dir, node, queue, engine.Observer)
	if err != nil {
		return nil, err
	}
	connectors, err := a.buildConnectors(dir, queue, engine, keyring)
	if err != nil {
		return nil, err
	}
	a.worker, err = lifecycle.Start(ctx, records, lifecycle.Options{
		Engines: lifecycle.Engines{
			lifecycle.Embedded: lifecycle.NewEmbedded(engine), lifecycle.Samba: controllers, lifecycle.Remote: lifecycle.NewRemote(a.buildRemote(queue)), lifecycle.Connector: connectors,
		},
		Sealer: keyring, Queue: queue, Topics: topics, Node: node, Observer: a.watch.engines(), Logger: logger, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	a.closeLater(func() error { a.worker.Stop(); return nil })
	directories.Store(a.worker.Directories())

	if plan != nil {
		if err := seed.Apply(ctx, plan, a.worker, cfg.AccountID, cfg.Engine); err != nil {
			return nil, err
		}
	}
	if cfg.Dev {
		if err := a.worker.Baseline(ctx); err != nil {
			return nil, err
		}
		delays := cfg.Delays()
		a.worker.Delay(lifecycle.Delays{Create: delays["create"], Delete: delays["delete"], Restore: delays["restore"], Snapshot: delays["snapshot"]})
	}
	if err := a.buildLDAP(dir, engine); err != nil {
		return nil, err
	}
	a.buildDNS(engine)
	a.kdc = kdc.New(kdc.Options{Engine: engine, Observer: a.watch.kerberos(), Logger: a.logger, Failures: a.failures})
	return a, a.buildAPI(dir, keys, issuer, trail, keyring, records, logs, topics)
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
	if err := wholeDirectory(dir); err != nil {
		return "", err
	}
	return dir, nil
}

func (a *App) accessKeys(dir string, issuer *identity.Issuer) (*identity.Keys, error) {
	if a.config.Dev {
		return identity.NewAnyKeys(partition, a.config.AccountID, issuer), nil
	}
	root, err := identity.LoadRoot(dir, os.Getenv)
	if err != nil {
		return nil, err
	}
	return identity.NewKeys(partition, a.config.AccountID, root, issuer), nil
}

// ldapHosts is the names and addresses that clients know the LDAP server by.
func (a *App) ldapHosts() (hosts []string) {
	if hostname, err := os.Hostname(); err == nil {
		hosts = append(hosts, hostname)
	}
	for _, address := range []string{a.config.LDAPListen, a.config.LDAPSListen} {
		if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (a *App) buildLDAP(dir string, engine *embedded.Engine) error {
	// Who signed a client's certificate depends on the directory, and is looked at when the client binds with it.
	files := &certificate.Files{Cert: a.config.LDAPTLSCert, Key: a.config.LDAPTLSKey, ClientAuth: tls.RequestClientCert, Logger: a.logger}
	if files.Cert == "" {
		files.Cert, files.Key = certificate.Paths(dir)
		_, ca, err := certificate.Load(dir, a.ldapHosts(), time.Now)
		if err != nil {
			return err
		}
		a.ca = ca
		a.renew = func() error {
			_, _, err := certificate.Load(dir, a.ldapHosts(), time.Now)
			return err
		}
	}
	settings, err := files.Config()
	if err != nil {
		return err
	}
	most, each := a.connections()
	a.watch.certify("ldap", files.NotAfter)
	a.ldap, err = ldapserver.New(ldapserver.Options{
		Backend: ldapBackend{engine}, TLS: settings, Observer: a.watch.ldap(), Logger: a.logger, Failures: a.failures,
		Limits: ldapserver.Limits{Connections: most, ConnectionsPerAddress: each},
	})
	return err
}

func (a *App) buildRemote(queue *lifecycle.Queue) *remote.Engine {
	engine := remote.New(remote.Options{Logger: a.logger, Now: time.Now, Changed: queue.HealthChanged})
	a.closeLater(func() error { engine.Close(); return nil })
	return engine
}

// buildConnectors makes the engine behind AD Connectors. It trusts this server's own authority, for the domains that it runs.
func (a *App) buildConnectors(dir string, queue *lifecycle.Queue, own *embedded.Engine, keyring *embedded.Keyring) (lifecycle.Engine, error) {
	_, ca, err := certificate.Load(dir, a.ldapHosts(), time.Now)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	trust := []string{string(text)}
	if path := a.config.ConnectCAFile; path != "" {
		if text, err = os.ReadFile(path); err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
			err = fmt.Errorf("%s holds no certificate (PEM)", path)
		}
		if err != nil {
			return nil, fmt.Errorf("--connect-ca-file: %w", err)
		}
		trust = append(trust, string(text))
	}
	return lifecycle.NewConnector(lifecycle.ConnectorOptions{Remote: a.buildRemote(queue), Embedded: own, Sealer: keyring, Now: time.Now, Trust: trust}), nil
}

// targets is the options NAME=TARGET as a table. Validate has refused what it can't read.
func targets(options []string) map[string]event.Target {
	all := map[string]event.Target{}
	for _, text := range options {
		if name, target, err := event.Parse(text); err == nil {
			all[name] = target
		}
	}
	return all
}

// observer is who writes the security events of a directory; nil where nobody has subscribed to them.
func observer(logs *event.Logs, directories *store.Directories, id string) func(directory.SecurityEvent) {
	if directories == nil {
		return nil
	}
	record, err := directories.Find(id)
	if err != nil || record.LogSubscription == nil {
		return nil
	}
	return func(e directory.SecurityEvent) { logs.Put(record.LogSubscription.Group, e) }
}

// authorities is who may sign the certificates that users of a directory log in with, where they may.
func authorities(directories *store.Directories, id string) (roots *x509.CertPool, only bool) {
	if directories == nil {
		return nil, false
	}
	record, err := directories.Find(id)
	if err != nil || len(record.ClientAuth) == 0 {
		return nil, false
	}
	roots = x509.NewCertPool()
	for _, c := range record.Certificates {
		if c.Type == ds.CertificateTypeClientCertAuth {
			roots.AppendCertsFromPEM([]byte(c.PEM))
		}
	}
	_, only = record.ClientAuth[ds.ClientAuthenticationTypeSmartCard]
	return roots, only
}

// buildSamba makes the engine that runs Samba's domain controllers. It runs none before the worker asks for it.
func (a *App) buildSamba(dir, node string, queue *lifecycle.Queue, observer func(id string) func(directory.SecurityEvent)) (lifecycle.Engine, error) {
	// Samba's own configuration names every file by its whole path.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	engine := samba.New(samba.Options{
		Dir: filepath.Join(dir, "samba"), Logger: a.logger, Now: time.Now, Changed: queue.HealthChanged, Observer: observer,
		Certificate: func(folder string, hosts []string) (cert, key, ca string, err error) {
			return certificate.Issue(dir, folder, hosts, time.Now)
		},
	})
	a.closeLater(func() error { engine.Close(); return nil })
	addresses, err := sambaAddresses(a.config.SambaAddress, node)
	if err != nil {
		return nil, err
	}
	count := a.config.SambaControllers
	if count == 0 {
		count = defaultControllers
	}
	return lifecycle.NewSamba(engine, addresses, count), nil
}

func (a *App) buildAPI(dir string, keys *identity.Keys, issuer *identity.Issuer, trail *audit.Log, keyring *embedded.Keyring, records *store.Store, logs *event.Logs, topics event.Topics) error {
	service := &ds.Service{
		Directories: a.worker.Directories(), Lifecycle: a.worker, Tokens: keyring, Claim: records.Once, Logs: logs, Topics: topics, Logger: a.logger, Unlock: a.config.UnlockOnReset,
		Engine: a.config.Engine, DNS: a.dnsAddresses(),
	}
	table, err := service.Table()
	if err != nil {
		return err
	}
	var faults *chaos.Faults
	if a.config.Dev {
		faults = &chaos.Faults{}
	}
	own, err := (&admin.Service{Directories: a.worker.Directories(), Lifecycle: a.worker, AccessKeys: issuer, Faults: faults, Kerberos: a.kerberos(), Backups: a.backups(dir, records)}).Table()
	if err != nil {
		return err
	}
	data, err := (&dsdata.Service{
		Directories: a.worker.Directories(), Lifecycle: a.worker, Requests: records.Requests(time.Now), Tokens: keyring, Logger: a.logger,
	}).Table()
	if err != nil {
		return err
	}
	events, err := (&cloudtrail.Service{Dir: trail.Dir(), Tokens: keyring}).Table()
	if err != nil {
		return err
	}
	grants := &grants{issuer: issuer, roles: &a.roles}
	handler := &gateway.Gateway{
		Tables: map[*wire.Service]operation.Table{wire.DS: table, wire.DSData: data, wire.Latchkey: own, wire.CloudTrail: events}, Audit: a.watch.audit(trail), Observer: a.watch.calls(), Faults: faults, Account: a.config.AccountID, Logger: a.logger, Now: time.Now,
		Grants: grants.of, STS: &sts.Service{Issuer: issuer, Roles: &a.roles, Account: a.config.AccountID, Grants: grants.of}, Tags: a.tagsOf,
		Limits: gateway.Limits{
			Key: buckets(a.config.ThrottleKey), Directory: buckets(a.config.ThrottleDirectory), User: buckets(a.config.ThrottleUser),
			Failures: a.failures,
		},
		Verifier: sigv4.New(sigv4.Options{Service: gateway.Signing, Lookup: keys.Lookup, Now: time.Now}),
	}
	a.api = &http.Server{
		Handler: &health{records, a.logger, handler}, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
	}
	// Without HTTP/2 a connection has one request at a time, and a limit on connections is one on requests.
	a.api.Protocols.SetHTTP1(true)
	door := admission.NewDoor(a.connections())
	told := throttle.New(throttle.Rate{PerSecond: 1, Burst: 1})
	a.watch.door, a.watch.gateway = door, handler
	listener := door.Listen(a.listeners.api, func(limit string, from net.Addr) {
		a.watch.refused(metrics.OfAPI + limit)
		if limit != admission.Connections {
			return
		}
		if ok, _ := told.Take("", time.Now()); ok {
			a.logger.Warn("API connections are turned away: there are too many", "peer", from.String())
		}
	})
	listener.Guard(a.api)
	a.listeners.api = listener
	if len(a.config.ACMEDomain) > 0 {
		return a.buildACME(dir)
	}
	if a.config.TLSCert != "" {
		files := &certificate.Files{Cert: a.config.TLSCert, Key: a.config.TLSKey, ClientCA: a.config.ClientCA, Logger: a.logger}
		if a.api.TLSConfig, err = files.Config(); err != nil {
			return fmt.Errorf("--tls-cert, --tls-key, --client-ca: %w", err)
		}
		a.watch.certify("api", files.NotAfter)
	}
	return nil
}

// buildACME lets the API have certificates from an authority.
func (a *App) buildACME(dir string) (err error) {
	from := &certificate.ACME{
		Folder: filepath.Join(dir, "acme"), Names: a.config.ACMEDomain, Directory: a.config.ACMEDirectory, Contact: a.config.ACMEEmail, Logger: a.logger,
	}
	for _, authorities := range []struct {
		path string
		pool **x509.CertPool
	}{{a.config.ACMECA, &from.Roots}, {a.config.ClientCA, &from.ClientCAs}} {
		if authorities.path == "" {
			continue
		}
		if *authorities.pool, err = certificate.Pool(authorities.path); err != nil {
			return err
		}
	}
	a.api.TLSConfig, a.obtain = from.Config(), from.Obtain
	a.watch.certify("api", from.NotAfter)
	return nil
}

// connections is how many may be open, in all and from each address.
func (a *App) connections() (most, each int) {
	return cmp.Or(a.config.MaxConnections, config.DefaultConnections), cmp.Or(a.config.MaxAddressConnections, config.DefaultAddressConnections)
}

// buckets are those of a rate that Validate has read before.
func buckets(text string) *throttle.Buckets {
	rate, _ := throttle.Parse(text)
	return throttle.New(rate)
}

// Reload takes over from a valid configuration what a running server can: the roles, which are in force from the next call on. Its
// error changes nothing. One goroutine calls it at a time.
func (a *App) Reload(cfg *config.Config) error {
	if err := a.roles.Read(cfg.Roles, time.Now); err != nil {
		return fmt.Errorf("--roles: %w", err)
	}
	return nil
}

// Run lets clients in, writes the ready line, and returns when ctx ends and everything has stopped, or when a listener
// fails.
func (a *App) Run(ctx context.Context) error {
	failed := make(chan error, 9)
	var serving sync.WaitGroup
	serve := func(name string, run func() error) {
		serving.Go(func() {
			if err := run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	serve("API", func() error {
		if a.api.TLSConfig != nil {
			return a.api.ServeTLS(a.listeners.api, "", "")
		}
		return a.api.Serve(a.listeners.api)
	})
	serve("LDAP", func() error { return a.ldap.Serve(a.listeners.ldap, false) })
	serve("LDAP over UDP", func() error { return a.ldap.ServePackets(a.listeners.ldapPackets) })
	serve("LDAPS", func() error { return a.ldap.Serve(a.listeners.ldaps, true) })
	a.serveWatch(serve)
	naming, unname := context.WithCancel(ctx)
	if a.dns != nil {
		serve("DNS", func() error { return a.dns.Serve(naming) })
	}
	if l := a.listeners.kdc; l != nil {
		serve("Kerberos", func() error { return a.kdc.ServeKDC(l, a.listeners.kdcPackets) })
	}
	if l := a.listeners.kpasswd; l != nil {
		serve("kpasswd", func() error { return a.kdc.ServePasswords(l, a.listeners.kpasswdPackets) })
	}

	if a.obtain != nil {
		go a.obtain(naming) // an authority may take minutes to answer, and nobody waits for it at the end
	}
	if a.renew != nil {
		serving.Go(func() { a.keepRenewed(naming) })
	}

	err := a.announce()
	a.sinks.Start() // after the ready line, which stays the first one
	// Reading the directories leaves as much garbage as they take. Nobody waits while it goes.
	serving.Go(debug.FreeOSMemory)
	if err == nil {
		select {
		case err = <-failed:
		case <-ctx.Done():
			a.logger.Info("stopping")
			a.tell(daemon.SdNotifyStopping)
		}
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	// First those who ask for work, then those who do it, then the store they do it on.
	unname()
	err = errors.Join(err, a.api.Shutdown(draining), a.ldap.Shutdown(draining), a.kdc.Shutdown(draining), a.closeWatch())
	serving.Wait()
	return errors.Join(err, a.close())
}

// renewEvery is far less than the time that is left when a certificate is due.
const renewEvery = 24 * time.Hour

func (a *App) keepRenewed(ctx context.Context) {
	for ticks := time.NewTicker(renewEvery); ; {
		select {
		case <-ctx.Done():
			ticks.Stop()
			return
		case <-ticks.C:
			if err := a.renew(); err != nil {
				a.logger.Error("LDAP's certificate can't be renewed", "err", err)
			}
		}
	}
}

// announce writes the one line on standard output that tells where the server is.
func (a *App) announce() error {
	scheme := "http"
	if a.config.TLS() {
		scheme = "https"
	}
	address := func(l net.Listener) string {
		if l == nil {
			return ""
		}
		return l.Addr().String()
	}
	line, err := json.Marshal(struct {
		Event   string `json:"event"`
		API     string `json:"api"`
		LDAP    string `json:"ldap"`
		LDAPS   string `json:"ldaps"`
		DNS     string `json:"dns,omitempty"`
		KDC     string `json:"kdc,omitempty"`
		Kpasswd string `json:"kpasswd,omitempty"`
		Metrics string `json:"metrics,omitempty"`
		CA      string `json:"ca,omitempty"`
		PID     int    `json:"pid"`
	}{
		"ready", scheme + "://" + a.listeners.api.Addr().String(), "ldap://" + a.listeners.ldap.Addr().String(),
		"ldaps://" + a.listeners.ldaps.Addr().String(), address(a.listeners.dns), address(a.listeners.kdc), address(a.listeners.kpasswd), a.metricsURL(), a.ca, os.Getpid(),
	})
	if err != nil {
		return err
	}
	if _, err = a.ready.Write(append(line, '\n')); err != nil {
		return err
	}
	a.tell(daemon.SdNotifyReady)
	return nil
}

// tell says to systemd, where it started this process, how things are (sd_notify(3)).
func (a *App) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.logger.Warn("systemd can't be told", "state", state, "err", err)
	}
}
