package samba

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/forwarder"
)

const (
	startLimit = 60 * time.Second
	stopLimit  = 10 * time.Second
	// adoptLimit is how long one that an earlier server left may take for its first answer.
	adoptLimit = 10 * time.Second
	// probeEach and probeLimit: how often a domain controller is asked for a sign of life, and how long it may take. One
	// that misses two in a row counts as down.
	probeEach  = time.Second
	probeLimit = 2 * time.Second
	// catchUpLimit is how long a domain controller may take to learn what it has missed before it is asked in any case.
	catchUpLimit = 15 * time.Second
	// hungLimit is how long a domain controller may not answer before it is ended and started anew.
	hungLimit    = 30 * time.Second
	firstRestart = 200 * time.Millisecond
	lastRestart  = 30 * time.Second
	// healthyAfter is how long a domain controller has to run for its next restart to be the first again.
	healthyAfter = time.Minute
	// renewEach is how often its certificate is looked at.
	renewEach = 24 * time.Hour
	maxOutput = 1 << 20
)

// running is a domain controller that is started, watched, and started again until it is stopped.
type running struct {
	Controller
	folder   folder
	name     string // DNS
	isolated bool
	logger   *slog.Logger
	now      func() time.Time
	changed  func()
	// observe tells of what happens at it until ctx ends.
	observe func(ctx context.Context)
	// catchUp waits until the others' changes are here.
	catchUp func(context.Context) error
	// renew looks after the configuration and the certificate, and says whether it must start anew for them.
	renew func() (changed bool, err error)
	// forwarder is nil until another domain's names are to be found. The domain's mu guards it.
	forwarder *forwarder.Server

	stop    context.CancelFunc
	stopped chan struct{}
	again   chan struct{} // wakes it from waiting for its next start

	mu       sync.Mutex
	process  process
	up       bool
	told     bool   // those who are told of changes know that it is up
	worked   bool   // once at least
	reason   string // why it is not up
	since    time.Time
	failures int           // of starts
	news     chan struct{} // closed when any of these changes
}

// supervise runs the domain controller in the background; fresh says that one that is there already is not good enough.
func (r *running) supervise(fresh bool) {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.stopped, r.again = stop, make(chan struct{}), make(chan struct{}, 1)
	r.reason, r.since, r.news = "it is being started", r.now(), make(chan struct{})
	go func() {
		defer close(r.stopped)
		var observing sync.WaitGroup
		observing.Go(func() { r.observe(ctx) })
		r.keep(ctx, fresh)
		observing.Wait()
		r.set(process{}, false, "it is stopped")
	}()
}

// end stops supervision and the domain controller.
func (r *running) end() {
	r.unforward()
	r.stop()
	<-r.stopped
}

// keep starts the domain controller, or takes over the one that an earlier server left, and again whenever it has ended.
func (r *running) keep(ctx context.Context, fresh bool) {
	wait := firstRestart
	p, err := r.adopt(ctx, fresh)
	for ctx.Err() == nil {
		if err == nil && p.PID == 0 {
			if p, err = r.start(ctx); err == nil {
				r.learn(ctx, p)
			}
		}
		if err != nil {
			r.failed(err)
			r.pause(ctx, wait)
			wait = min(2*wait, lastRestart)
			// What is left of the last try must go before the next.
			p, err = process{}, loadProcess(r.folder.state()).end(r.folder, 0)
			continue
		}
		r.set(p, true, "")
		begun := time.Now()
		why, patience := r.follow(ctx, p)
		if err = p.end(r.folder, patience); err != nil {
			r.logger.Error("a domain controller does not end", "host", r.Host, "err", err)
		}
		if ctx.Err() != nil {
			break
		}
		r.set(process{}, false, why)
		r.logger.Warn("a domain controller is started again", "host", r.Host, "reason", why)
		if time.Since(begun) > healthyAfter {
			wait = firstRestart
		}
		p = process{}
	}
	if err := loadProcess(r.folder.state()).end(r.folder, stopLimit); err != nil {
		r.logger.Error("a domain controller does not stop", "host", r.Host, "err", err)
		return
	}
	_ = os.Remove(r.folder.state())
}

// learn lets a domain controller that has started catch up with the others before it counts as working.
func (r *running) learn(ctx context.Context, p process) {
	r.set(p, false, "it learns what has changed while it did not run")
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	if err := r.catchUp(ctx); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		r.logger.Warn("a domain controller may have missed changes", "host", r.Host, "err", err)
	}
}

// pause waits before the next start, with some chance, so that not all start at once.
func (r *running) pause(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-r.again:
	case <-time.After(wait + time.Duration(rand.Int64N(int64(wait/4)))): //nolint:gosec // it only spreads the starts
	}
}

// adopt is the domain controller that an earlier server left, if it answers. One that does not is ended.
func (r *running) adopt(ctx context.Context, fresh bool) (process, error) {
	p := loadProcess(r.folder.state())
	if !fresh && p.alive() && p.Isolated == r.isolated && r.await(ctx, p, adoptLimit) == nil {
		r.logger.Info("a domain controller that was running is taken over", "host", r.Host, "pid", p.PID)
		return p, nil
	}
	return process{}, p.end(r.folder, stopLimit)
}

// start runs Samba and waits until it answers.
func (r *running) start(ctx context.Context) (process, error) {
	if err := portsFree(ctx, r.Address); err != nil {
		return process{}, err
	}
	if err := r.folder.limitOutput(); err != nil {
		return process{}, err
	}
	output, err := os.OpenFile(r.folder.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return process{}, err
	}
	defer output.Close()
	// It outlives every context: it is ended by end.
	samba := command(context.Background(), r.folder.environment(), "samba", "--foreground", "--no-process-group", "--configfile="+r.folder.config())
	release, err := hold(samba)
	if err != nil {
		return process{}, err
	}
	if r.isolated {
		r.folder.isolate(samba)
	}
	samba.Stdout, samba.Stderr = output, output
	if err := samba.Start(); err != nil {
		return process{}, errors.Join(err, release(false))
	}
	// Nobody but the parent can take the exit status; who watches the process sees it gone then.
	go func() { _ = samba.Wait() }()
	p, err := identify(samba.Process.Pid, r.isolated)
	if err == nil {
		err = p.save(r.folder.state())
	}
	// Not before it is known which process it is: a server that is killed meanwhile leaves none that nobody ends.
	err = errors.Join(err, release(err == nil))
	if err == nil {
		err = r.await(ctx, p, startLimit)
	}
	if err != nil {
		return process{}, errors.Join(fmt.Errorf("start %s: %w: %s", r.Host, err, r.folder.lastWords()), p.end(r.folder, stopLimit))
	}
	return p, nil
}

// await waits until the process answers on the privileged socket, shows its certificate on LDAPS, and listens on all its ports:
// users log in by Kerberos and SMB as well, whose parts of it may come later.
func (r *running) await(ctx context.Context, p process, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := r.folder.probe(ctx)
		if err == nil {
			var conn *ldap.Conn
			if conn, err = r.secure(ctx); err == nil {
				_ = conn.Close()
				err = listening(ctx, r.Address, ports["tcp"])
			}
		}
		if err == nil {
			return nil
		}
		if !p.alive() {
			return errors.New("it has ended")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(lookAgain):
		}
	}
}

// dial is a connection over the privileged socket, which acts as the system as long as it does not bind.
func (f folder) dial(ctx context.Context) (*ldap.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", f.socket())
	if err != nil {
		return nil, err
	}
	l := ldap.NewConn(conn, false)
	l.Start()
	return l, nil
}

// secure is a connection over TLS, as the domain's clients make them.
func (r *running) secure(ctx context.Context) (*ldap.Conn, error) {
	text, err := os.ReadFile(r.folder.at("etc/ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: r.name, MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(r.Address.String(), "636"))
	if err != nil {
		return nil, err
	}
	l := ldap.NewConn(conn, true)
	l.Start()
	return l, nil
}

var errSilent = errors.New("it does not answer on its socket")

// probe asks for a sign of life.
func (f folder) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	conn, err := f.dial(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	answer := make(chan error, 1)
	go func() {
		defer func() { _ = conn.Close() }()
		conn.SetTimeout(probeLimit)
		_, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"currentTime"}, nil))
		answer <- err
	}()
	select {
	case err := <-answer:
		if err != nil {
			err = fmt.Errorf("%w: %w", errSilent, err)
		}
		return err
	case <-ctx.Done():
		return errSilent
	}
}

// follow returns when the process has ended, must be ended, or is to stop: with the reason, and how long it may take to stop
// by itself.
func (r *running) follow(ctx context.Context, p process) (why string, patience time.Duration) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.wait()
	}()
	probes, renewals := time.NewTicker(probeEach), time.NewTicker(renewEach)
	defer probes.Stop()
	defer renewals.Stop()
	answered, missed := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return "", stopLimit
		case <-ended:
			return "its process ended", 0
		case <-renewals.C:
			if changed, err := r.renew(); err != nil {
				r.logger.Error("the certificate of a domain controller can't be renewed", "host", r.Host, "err", err)
			} else if changed {
				return "its certificate was renewed", stopLimit
			}
		case <-probes.C:
			_ = r.folder.limitOutput()
			err := r.folder.probe(ctx)
			switch missed++; {
			case err == nil:
				answered, missed = time.Now(), 0
				r.set(p, true, "")
			case time.Since(answered) > hungLimit:
				return "it did not answer for " + hungLimit.String(), 0
			case missed > 1 && ctx.Err() == nil:
				r.set(p, false, err.Error())
			}
		}
	}
}

// failed notes that a start did not succeed.
func (r *running) failed(err error) {
	r.mu.Lock()
	r.failures++
	r.mu.Unlock()
	r.set(process{}, false, err.Error())
	r.logger.Error("a domain controller does not start", "host", r.Host, "err", err)
}

func (r *running) set(p process, up bool, reason string) {
	r.mu.Lock()
	turned := r.up != up
	if turned {
		r.since = r.now()
	}
	r.process, r.up, r.reason, r.worked = p, up, reason, r.worked || up
	r.mu.Unlock()
	if turned {
		r.changed()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = up
	close(r.news)
	r.news = make(chan struct{})
}

func (r *running) health() Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Health{Controller: r.Controller, Up: r.up, Reason: r.reason, Since: r.since}
}

func (r *running) hasWorked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.worked
}

func (r *running) current() process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

// ready waits until the domain controller works and the client may ask it, or a start that fails.
func (r *running) ready(ctx context.Context) error {
	r.mu.Lock()
	up, failures := r.up && r.told, r.failures
	r.mu.Unlock()
	if up {
		return nil
	}
	select {
	case r.again <- struct{}{}:
	default:
	}
	for {
		r.mu.Lock()
		up, failed, reason, news := r.up && r.told, r.failures > failures, r.reason, r.news
		r.mu.Unlock()
		switch {
		case up:
			return nil
		case failed:
			return fmt.Errorf("%s: %s", r.Host, reason)
		}
		select {
		case <-news:
		case <-r.stopped:
			return fmt.Errorf("%s: %s", r.Host, reason)
		case <-ctx.Done():
			return fmt.Errorf("%s: %s: %w", r.Host, reason, ctx.Err())
		}
	}
}
