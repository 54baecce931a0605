package samba

import (
	"context"
	"sync"

	"latchkey/internal/directory"
	"latchkey/internal/directory/client"
)

// conn is a domain over its controllers' privileged sockets. Passwords are proved over LDAPS, as a login would.
type conn struct {
	*client.Group
	at *domain
}

var _ directory.Verifier = conn{}

// Verify implements directory.Verifier.
func (c conn) Verify(ctx context.Context, dn string, password []byte) []directory.Verified {
	all := c.at.all()
	verified := make([]directory.Verified, len(all))
	var group sync.WaitGroup
	for i, r := range all {
		group.Go(func() { verified[i] = directory.Verified{Controller: r.name, Err: r.login(ctx, dn, password)} })
	}
	group.Wait()
	return verified
}

// Login implements directory.Verifier.
func (c conn) Login(ctx context.Context, dn string, password []byte) error {
	all := map[string]*running{}
	var names []string
	for _, r := range c.at.all() {
		if r.health().Up {
			all[r.name] = r
			names = append(names, r.name)
		}
	}
	return directory.FirstAnswer(names, func(name string) error { return all[name].login(ctx, dn, password) })
}

func (r *running) login(ctx context.Context, dn string, password []byte) error {
	conn, err := r.secure(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	return conn.Bind(dn, string(password))
}
