package samba

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// provision makes a new domain in the folder of its first domain controller. Samba makes up the administrator's password,
// and is told to be quiet, as it would print it.
func (e *Engine) provision(ctx context.Context, d directory.Domain, c Controller) error {
	f := e.folder(d.ID, c.Host)
	if err := f.claimAddress(ctx, c.Address); err != nil {
		return err
	}
	// Now, rather than when all is made.
	if err := portsFree(ctx, c.Address); err != nil {
		return err
	}
	if err := e.note(d.ID, c.Host); err != nil {
		return err
	}
	return f.once(c, func() error {
		if _, err := e.configure(f, c, e.role(d, c.Address)); err != nil {
			return err
		}
		return e.tool(ctx, f, process{}, nil, "samba-tool", "domain", "provision", "--quiet", "--configfile="+f.config(), "--server-role=dc", "--dns-backend=SAMBA_INTERNAL",
			"--realm="+d.Realm(), "--domain="+d.NetBIOS, "--domain-sid="+d.SID.String(), "--host-name="+c.Host, "--host-ip="+c.Address.String())
	})
}

// settle gives a new domain the password settings that a directory begins with.
func (f folder) settle(ctx context.Context, d directory.Domain) error {
	conn, err := f.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	conn.SetTimeout(ldapLimit)
	request := ldap.NewModifyRequest(d.BaseDN(), nil)
	for name, value := range directory.DefaultPasswordSettings().Attributes() {
		request.Replace(name, []string{value})
	}
	return conn.Modify(request)
}

const ldapLimit = 10 * time.Second

// join makes a further domain controller out of one that works.
func (e *Engine) join(ctx context.Context, at *domain, d directory.Domain, c Controller, wanted []Controller) error {
	if !e.isolated() {
		return errSeveral
	}
	source, err := at.working(c.Host)
	if err != nil {
		return fmt.Errorf("join %s: %w", c.Host, err)
	}
	f := e.folder(d.ID, c.Host)
	if err := f.check(); err != nil {
		return err
	}
	if err := f.claimAddress(ctx, c.Address); err != nil {
		return err
	}
	if err := e.note(d.ID, c.Host); err != nil {
		return err
	}
	err = f.once(c, func() error {
		if _, err := e.configure(f, c, e.role(d, source.Address)); err != nil {
			return err
		}
		return source.lend(ctx, d, func(account string, password []byte) error {
			return e.tool(ctx, f, process{}, password, "samba-tool", "domain", "join", d.Name, "DC", "--quiet", "--configfile="+f.config(), "--dns-backend=SAMBA_INTERNAL",
				"--server="+source.name, "--username="+account)
		})
	})
	if err != nil {
		return err
	}
	r, err := e.run(ctx, at, d, c, wanted[0].Address)
	if err == nil {
		err = r.ready(ctx)
	}
	if err != nil {
		return err
	}
	return e.acquaint(ctx, d, source, r)
}

// working is the first domain controller that works, but for one.
func (at *domain) working(except string) (*running, error) {
	for _, r := range at.all() {
		if r.Host != except && r.health().Up {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: no other domain controller works", directory.ErrUnavailable)
}

// Accounts for joins are told from others by both.
const (
	joinerName        = "latchkey-join-"
	joinerDescription = "Lets a domain controller join, and is deleted then."
)

// lend makes an administrator with a random password for as long as use takes. What an interrupted run left is deleted, too.
func (r *running) lend(ctx context.Context, d directory.Domain, use func(account string, password []byte) error) error {
	conn, err := r.folder.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	conn.SetTimeout(ldapLimit)
	remove := func() error {
		filter := "(&(sAMAccountName=" + joinerName + "*)(description=" + ldap.EscapeFilter(joinerDescription) + "))"
		found, err := conn.Search(ldap.NewSearchRequest(d.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"1.1"}, nil))
		if err != nil {
			return err
		}
		for _, entry := range found.Entries {
			err = errors.Join(err, conn.Del(ldap.NewDelRequest(entry.DN, nil)))
		}
		return err
	}
	if err := remove(); err != nil {
		return err
	}
	// 20 characters are as many as an account's name may have; the password has characters of all kinds.
	account, password := joinerName+strings.ToLower(rand.Text()[:6]), []byte(rand.Text()+"-a1")
	value := directory.EncodePassword(password)
	defer clear(password)
	defer clear(value)
	dn := "CN=" + account + ",CN=Users," + d.BaseDN()
	request := ldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", []string{"user"})
	request.Attribute("sAMAccountName", []string{account})
	request.Attribute("description", []string{joinerDescription})
	request.Attribute("unicodePwd", []string{string(value)})
	request.Attribute("userAccountControl", []string{"512"})
	member := ldap.NewModifyRequest("CN=Domain Admins,CN=Users,"+d.BaseDN(), nil)
	member.Add("member", []string{dn})
	err = conn.Add(request)
	if err == nil {
		err = conn.Modify(member)
	}
	if err == nil {
		err = use(account, password)
	}
	return errors.Join(err, remove())
}

const (
	replicationLimit = time.Minute
	connectLimit     = 10 * time.Second
)

// acquaint lets two domain controllers find each other at once, which they would do within some minutes by themselves, and
// waits until changes of the new one arrive at the other.
func (e *Engine) acquaint(ctx context.Context, d directory.Domain, known, fresh *running) error {
	if err := e.register(ctx, d, known, fresh); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, replicationLimit)
	defer cancel()
	for _, r := range []*running{known, fresh} {
		if err := e.connect(ctx, r); err != nil {
			return err
		}
	}
	// The other way was waited for when it started.
	return fresh.reaches(ctx, d, known)
}

// connect has a domain controller choose now whom it asks for changes. One that has just started refuses for a moment.
func (e *Engine) connect(ctx context.Context, r *running) error {
	for {
		limited, cancel := context.WithTimeout(ctx, connectLimit)
		err := e.tool(limited, r.folder, r.current(), nil, "samba-tool", "drs", "kcc", r.name, "--machine-pass", "--configfile="+r.folder.config())
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// register enters a domain controller's names in the domain's DNS, at one that is known there.
func (e *Engine) register(ctx context.Context, d directory.Domain, known, fresh *running) error {
	args := append(updateNames(e.role(d, known.Address)), "--configfile="+fresh.folder.config())
	return e.tool(ctx, fresh.folder, fresh.current(), nil, args...)
}

// reaches waits until a change that is made here now has arrived at the other domain controller: then all before it have,
// as changes arrive in their order.
func (r *running) reaches(ctx context.Context, d directory.Domain, other *running) error {
	here, err := r.folder.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = here.Close() }()
	here.SetTimeout(ldapLimit)
	there, err := other.folder.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = there.Close() }()
	there.SetTimeout(ldapLimit)
	const attribute = "adminDescription"
	dn, mark := "CN="+strings.ToUpper(r.Host)+",OU=Domain Controllers,"+d.BaseDN(), rand.Text()
	write := func(values ...string) error {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, values)
		return here.Modify(request)
	}
	if err := write(mark); err != nil {
		return err
	}
	look := ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{attribute}, nil)
	for {
		found, err := there.Search(look)
		if err == nil && len(found.Entries) == 1 && found.Entries[0].GetAttributeValue(attribute) == mark {
			return write()
		}
		if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return errors.Join(err, write())
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("changes made at %s do not arrive at %s: %w", r.Host, other.Host, ctx.Err()), write())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
