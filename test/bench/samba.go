package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

var sambaClients = []int{1, 2, 8, 32}

const sambaAddress = "127.84.0.1"

// samba measures resets through the API next to the raw floor: the same Modify by kept LDAPS connections straight to the domain
// controller, as many as there are clients.
func samba(ctx context.Context, o options, program string, t *table) error {
	if _, err := exec.LookPath("samba"); err != nil {
		return fmt.Errorf("the domain controller of Samba is not installed: %w", err)
	}
	begun := time.Now()
	s, err := newServerOn(ctx, program, "samba", "--samba-address", sambaAddress, "--samba-controllers", "1")
	if err != nil {
		return err
	}
	defer s.discard()
	t.add(fmt.Sprintf("Samba: from exec to a domain with %d users", benchUsers), milliseconds(time.Since(begun)), "", "", goal("< 30 s", time.Since(begun) < 30*time.Second))
	floor, err := s.rawResetter()
	if err != nil {
		return err
	}
	users := benchUsers
	for _, more := range append([]int{0}, o.sambaUsers...) {
		if more > users {
			if err := s.fill(ctx, users, more); err != nil {
				return err
			}
			users = more
		}
		for _, clients := range sambaClients {
			r, err := byTurns(ctx, 2*o.duration, s.load(clients, s.resetter), s.load(clients, floor))
			if err != nil {
				return err
			}
			ratio := r[0].perSecond() / r[1].perSecond()
			later := p50(r[0]) - p50(r[1])
			t.add(fmt.Sprintf("Samba, %d users: resets/s, %s", users, plural(clients)), r[0].String(), "the same Modify straight to the domain controller: "+r[1].String(), fmt.Sprintf("%.2f", ratio),
				goal("≥ 0.97 and p50 within 1 ms", ratio >= 0.97 && later <= time.Millisecond))
		}
	}
	return s.neighbours(ctx, o, t)
}

// neighbours are Samba's own tool, and what is not on Samba while it has more than it can do.
func (s *server) neighbours(ctx context.Context, o options, t *table) error {
	r, err := byTurns(ctx, o.duration, s.load(1, s.resetter), s.load(1, s.sambaTool))
	if err != nil {
		return err
	}
	t.add("Samba: resets/s, 1 client", r[0].String(), "samba-tool user setpassword: "+r[1].String(), fmt.Sprintf("%.1f", r[0].perSecond()/r[1].perSecond()), "")
	crowd := s.load(sambaClients[len(sambaClients)-1], s.resetter)
	for _, each := range []struct {
		what string
		run  load
	}{
		{"resets/s in an embedded directory, 1 client", s.load(1, s.resetterBeside)},
		{"DescribeDirectories/s, 1 client", s.load(1, s.describer)},
	} {
		r, err := byTurns(ctx, o.duration, while(crowd, each.run), each.run)
		if err != nil {
			return err
		}
		t.add(each.what+", while 32 clients reset on Samba", r[0].String(), "while none does: "+r[1].String(), fmt.Sprintf("%.2f", r[0].perSecond()/r[1].perSecond()), "")
	}
	return nil
}

// sambaTool sets a password as an administrator does at the domain controller.
func (s *server) sambaTool(ctx context.Context, i int) (caller, func(), error) {
	folder := s.controller("dc1")
	return func() error {
		command := exec.CommandContext(ctx, "samba-tool", "user", "setpassword", fmt.Sprint("user", i%benchUsers), "--newpassword="+password(i),
			"-s", filepath.Join(folder, "etc", "smb.conf"), "-H", filepath.Join(folder, "private", "sam.ldb"))
		if said, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("samba-tool: %w: %s", err, said)
		}
		return nil
	}, func() {}, nil
}

// controller is the folder of a domain controller.
func (s *server) controller(host string) string {
	return filepath.Join(s.data, "samba", directoryID, host)
}

func p50(r rates) time.Duration {
	slices.Sort(r.times)
	return r.times[len(r.times)/2]
}

// rawResetter is a client that does what the API does, without the API.
func (s *server) rawResetter() (connector, error) {
	trust, err := s.trust()
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, i int) (caller, func(), error) {
		conn, err := ldap.DialURL("ldaps://"+sambaAddress, ldap.DialWithTLSConfig(trust))
		if err != nil {
			return nil, nil, err
		}
		if err := conn.Bind("Administrator@bench.example.com", adminPassword); err != nil {
			return nil, nil, err
		}
		return func() error {
			request := ldap.NewModifyRequest(fmt.Sprintf("CN=user%d,CN=Users,%s", i%benchUsers, domainDN), nil)
			request.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte(password(i))))})
			request.Replace("lockoutTime", []string{"0"})
			return conn.Modify(request)
		}, func() { _ = conn.Close() }, nil
	}, nil
}

// trust is how a client of the domain knows its domain controllers.
func (s *server) trust() (*tls.Config, error) {
	ca, err := os.ReadFile(filepath.Join(s.data, "tls", "ca.pem"))
	if err != nil {
		return nil, err
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	trust.RootCAs.AppendCertsFromPEM(ca)
	return trust, nil
}

//go:embed fill.py
var fillScript string

// fill makes further users by Samba's own library, in few transactions.
func (s *server) fill(ctx context.Context, from, to int) error {
	folder := s.controller("dc1")
	command := exec.CommandContext(ctx, "/usr/bin/python3", "-c", fillScript, filepath.Join(folder, "etc", "smb.conf"), filepath.Join(folder, "private", "sam.ldb"), domainDN,
		fmt.Sprint(from), fmt.Sprint(to))
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("fill the domain: %w: %s", err, said)
	}
	return nil
}
