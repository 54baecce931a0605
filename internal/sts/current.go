package sts

import (
	"sync/atomic"
	"time"
)

// Current is the roles that are in force, none at first. It is safe for concurrent use, but for Read, which one goroutine calls at a
// time.
type Current struct {
	roles atomic.Pointer[Roles]
}

// Load is the roles that are in force now; whoever decides by more than one part of them loads them once.
func (c *Current) Load() *Roles {
	if roles := c.roles.Load(); roles != nil {
		return roles
	}
	return &Roles{}
}

// Read puts what a file says in the place of all that was in force; an empty path is a file without roles. The keys of a provider that
// stays are kept. Its error is ReadRoles', and changes nothing.
func (c *Current) Read(path string, now func() time.Time) error {
	next := &Roles{}
	if path != "" {
		var err error
		if next, err = ReadRoles(path, now); err != nil {
			return err
		}
	}
	for url, former := range c.Load().Providers {
		if provider := next.Providers[url]; provider != nil {
			provider.Inherit(former)
		}
	}
	c.roles.Store(next)
	return nil
}
