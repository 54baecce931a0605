package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

const maxTries = 16

// retry repeats an attempt that lost against another writer, and translates what the store says.
func (s *Session) retry(ctx context.Context, attempt func() error) error {
	for try := range maxTries {
		err := attempt()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrUnknown):
			return fmt.Errorf("%w: %w", directory.ErrOutcomeUnknown, err)
		case !errors.Is(err, store.ErrConflict):
			return err
		}
		timer := time.NewTimer(time.Millisecond << min(try, 6))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", directory.ErrUnavailable, ctx.Err())
		case <-timer.C:
		}
	}
	return refuse(ldap.LDAPResultBusy, "", "the entry is being changed by others all the time")
}

// draft is a change of one entry on its way to the store.
type draft struct {
	tree       *tree
	old        *node // nil for a new entry
	entry      store.Entry
	class      *class
	batch      *store.Batch
	links      []store.Link
	unlinks    []store.Link
	permissive bool // what is there already may be added, and what is not be deleted (MS-ADTS section 3.1.1.3.4.1.8)
	// passwordSet says that the draft's pwdLastSet is the directory's own.
	passwordSet bool
}

// edit begins a change of n. What is in the draft can be changed without changing n.
func (t *tree) edit(n *node) *draft {
	return &draft{
		tree: t, old: n, class: n.class, batch: store.NewBatch(t.domain.ID),
		entry: store.Entry{
			GUID: n.guid, Parent: n.parent, RDN: n.rdn, Attributes: n.attributes.unpacked(), Secret: n.secret,
			Created: n.created, Revision: n.revision,
		},
	}
}

func (d *draft) first(attributeName string) string {
	if values := d.entry.Attributes[attributeName]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (d *draft) set(attributeName string, values ...string) {
	if len(values) == 0 {
		delete(d.entry.Attributes, attributeName)
		return
	}
	d.entry.Attributes[attributeName] = values
}

// commit writes the draft and, once the store has it, applies it to the tree in memory.
func (d *draft) commit(ctx context.Context, s *store.Store, now time.Time) error {
	d.set("whenChanged", directory.GeneralizedTime(now))
	if err := d.claim("sAMAccountName", ldap.LDAPResultEntryAlreadyExists, "00002071"); err != nil {
		return err
	}
	if err := d.claim("userPrincipalName", ldap.LDAPResultConstraintViolation, "000021C8"); err != nil {
		return err
	}
	d.batch.Put(&d.entry)
	for _, link := range d.links {
		d.batch.Exists(link.Target)
		d.batch.Link(link)
	}
	for _, link := range d.unlinks {
		d.batch.Unlink(link)
	}
	revision, err := s.Commit(ctx, d.batch)
	if err != nil {
		return err
	}
	if d.entry.Created == 0 {
		d.entry.Created = revision
	}
	changes := []store.TreeChange{store.Changed(&d.entry, revision)}
	for _, link := range d.links {
		changes = append(changes, store.TreeChange{Link: &link, Revision: revision})
	}
	d.tree.apply(changes)
	d.tree.mu.Lock()
	defer d.tree.mu.Unlock()
	for _, link := range d.unlinks {
		d.tree.dropLink(link, revision)
	}
	return nil
}

// claim keeps the values of an attribute unique in the directory. A value that is taken is refused with that result.
func (d *draft) claim(attributeName string, result uint16, code string) error {
	a := d.tree.schema.attribute(attributeName)
	var former string
	if d.old != nil {
		former, _ = a.normalize(d.old.first(attributeName))
	}
	current, err := a.normalize(d.first(attributeName))
	if err != nil {
		return refuse(ldap.LDAPResultInvalidAttributeSyntax, "", err.Error())
	}
	if former == current {
		return nil
	}
	if former != "" {
		d.batch.Release(a.name, former)
	}
	if current == "" {
		return nil
	}
	d.tree.mu.RLock()
	taken := d.tree.lookup(a.name, current)
	d.tree.mu.RUnlock()
	for _, other := range taken {
		if other.guid != d.entry.GUID {
			return refuse(result, code, fmt.Sprintf("%s %q is taken by another entry", a.name, d.first(attributeName)))
		}
	}
	d.batch.Claim(a.name, current, d.entry.GUID)
	return nil
}

// writer is the lock that writers of this process take before they change an entry.
func (t *tree) writer(guid store.GUID) *sync.Mutex { return &t.writers[int(guid[0])%len(t.writers)] }

// lockEntry finds the entry, waits for its turn to change it, and gives its newest state. The caller unlocks.
func (t *tree) lockEntry(dn string) (*node, *sync.Mutex, error) {
	t.mu.RLock()
	n, err := t.find(dn)
	t.mu.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	lock := t.writer(n.guid)
	lock.Lock()
	fresh := t.node(n.guid)
	if fresh == nil {
		lock.Unlock()
		return nil, nil, refuse(ldap.LDAPResultNoSuchObject, "00002030", "the entry was deleted: "+dn)
	}
	return fresh, lock, nil
}

func (s *Session) modify(ctx context.Context, dn string, password *passwordChange, changes []ldap.Change, permissive bool) error {
	t := s.tree
	if password != nil {
		if err := s.derive(ctx, dn, password); err != nil {
			return err
		}
	}
	n, lock, err := t.lockEntry(dn)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	d := t.edit(n)
	d.permissive = permissive
	if password != nil {
		if err := s.setPassword(d, password); err != nil {
			return err
		}
	}
	for _, change := range changes {
		if err := s.change(d, change.Operation, change.Modification.Type, change.Modification.Vals); err != nil {
			return err
		}
	}
	now := s.engine.now()
	if err := d.finish(s, now); err != nil {
		return err
	}
	return d.commit(ctx, s.engine.store, now)
}

// change is one modification of one attribute (RFC 4511 section 4.6).
func (s *Session) change(d *draft, kind uint, attributeName string, values []string) error {
	a := d.tree.schema.attribute(attributeName)
	if a == nil {
		return refuse(ldap.LDAPResultNoSuchAttribute, "00000057", "the schema has no attribute "+attributeName)
	}
	if err := s.writable(d, a); err != nil {
		return err
	}
	if a.name == "objectClass" {
		return d.changeClasses(kind, values)
	}
	if a.link {
		return d.changeLinks(a, kind, values)
	}
	normal := make([]string, len(values))
	for i, value := range values {
		var err error
		if normal[i], err = a.normalize(value); err != nil {
			return refuse(ldap.LDAPResultInvalidAttributeSyntax, "00000057", err.Error())
		}
		if value == "" {
			return refuse(ldap.LDAPResultInvalidAttributeSyntax, "00000057", a.name+": a value can't be empty")
		}
		if !a.inRange(value) {
			return refuse(ldap.LDAPResultConstraintViolation, "00002082", a.name+": the value is too long, too short or out of range")
		}
		if slices.Contains(normal[:i], normal[i]) {
			return refuse(ldap.LDAPResultAttributeOrValueExists, "00002083", a.name+" is given the same value twice")
		}
	}
	current := d.entry.Attributes[a.name]
	if d.old != nil && a.single && (kind == ldap.ReplaceAttribute && len(values) > 1 || kind == ldap.AddAttribute && len(current)+len(values) > 1) {
		return refuse(ldap.LDAPResultAttributeOrValueExists, "00002083", a.name+" has one value at most")
	}
	switch kind {
	case ldap.ReplaceAttribute:
		d.set(a.name, values...)
	case ldap.AddAttribute:
		next := slices.Clone(current)
		for i, value := range values {
			there := a.index(next, normal[i]) >= 0
			if there && d.permissive {
				continue
			}
			if there {
				return refuse(ldap.LDAPResultAttributeOrValueExists, "00002083", a.name+" has this value already")
			}
			next = append(next, value)
		}
		d.set(a.name, next...)
	case ldap.DeleteAttribute:
		if len(current) == 0 && !d.permissive {
			return refuse(ldap.LDAPResultNoSuchAttribute, "00002085", "the entry has no "+a.name)
		}
		next := slices.Clone(current)
		for i := range values {
			at := a.index(next, normal[i])
			if at < 0 && d.permissive {
				continue
			}
			if at < 0 {
				return refuse(ldap.LDAPResultNoSuchAttribute, "00002085", a.name+" does not have this value")
			}
			next = slices.Delete(next, at, at+1)
		}
		if len(values) == 0 {
			next = nil
		}
		d.set(a.name, next...)
	default:
		return refuse(ldap.LDAPResultUnwillingToPerform, "", "this kind of modification is not supported")
	}
	return nil
}

func (a *attribute) index(values []string, normal string) int {
	return slices.IndexFunc(values, func(value string) bool {
		other, err := a.normalize(value)
		return err == nil && other == normal
	})
}

func (s *Session) writable(d *draft, a *attribute) error {
	switch {
	case d.old != nil && (a.name == "cn" || a.name == "ou" || a.name == "dc" || a.name == "name"):
		return refuse(ldap.LDAPResultNotAllowedOnRDN, "00002016", "an entry is renamed by ModifyDN")
	case d.old != nil && a.name == "objectSid", a.virtual && a.syntax == dn:
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000209A", a.name+" is written by the directory only")
	case a.unkept:
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", "this directory does not keep "+a.name)
	case a.name == "objectClass" && d.old != nil:
	case a.virtual, a.system && !s.making:
		return refuse(ldap.LDAPResultConstraintViolation, "0000209A", a.name+" is written by the directory only")
	}
	return nil
}

func (d *draft) changeLinks(a *attribute, kind uint, values []string) error {
	t := d.tree
	t.mu.RLock()
	defer t.mu.RUnlock()
	targets := make([]store.GUID, len(values))
	for i, value := range values {
		target, err := t.find(value)
		if err != nil {
			return err
		}
		targets[i] = target.guid
	}
	all := kind == ldap.ReplaceAttribute || kind == ldap.DeleteAttribute && len(values) == 0
	var current []*node // those of a group of a hundred thousand, to which one is added, are not asked for
	if all || a.single {
		current = t.linked(t.forward, a.name, d.entry.GUID)
	}
	if all {
		for _, n := range current {
			if !slices.Contains(targets, n.guid) {
				d.unlinks = append(d.unlinks, store.Link{Attribute: a.name, Source: d.entry.GUID, Target: n.guid})
			}
		}
	}
	for i, target := range targets {
		link := store.Link{Attribute: a.name, Source: d.entry.GUID, Target: target}
		there := t.hasLink(a.name, link.Source, link.Target) || slices.Contains(d.links, link)
		switch {
		case d.permissive && there == (kind == ldap.AddAttribute) && kind != ldap.ReplaceAttribute:
		case kind == ldap.DeleteAttribute && !there:
			return refuse(ldap.LDAPResultNoSuchAttribute, "00000561", a.name+" does not have the value "+values[i])
		case kind == ldap.DeleteAttribute:
			d.unlinks = append(d.unlinks, link)
		case kind == ldap.AddAttribute && there:
			return refuse(ldap.LDAPResultEntryAlreadyExists, "00000562", a.name+" has the value "+values[i]+" already")
		case !there:
			d.links = append(d.links, link)
		}
	}
	if left := len(current) + len(d.links) - len(d.unlinks); a.single && left > 1 {
		return refuse(ldap.LDAPResultConstraintViolation, "00002081", a.name+" has one value at most")
	}
	return nil
}

func (s *Session) add(ctx context.Context, request *ldap.AddRequest) error {
	t := s.tree
	d, password, err := s.draftEntry(request)
	if err != nil {
		return err
	}
	defer password.wipe()
	for _, given := range request.Attributes {
		if strings.EqualFold(given.Type, "unicodePwd") || strings.EqualFold(given.Type, "objectClass") {
			continue
		}
		a := t.schema.attribute(given.Type)
		if kind, value := splitRDN(d.entry.RDN); a != nil && (strings.EqualFold(a.name, kind) || a.name == "name") && slices.Equal(given.Vals, []string{value}) {
			continue
		}
		if err := s.change(d, ldap.AddAttribute, given.Type, given.Vals); err != nil {
			return err
		}
	}
	if d.class.account {
		if err := s.newAccount(ctx, d); err != nil {
			return err
		}
	}
	if password != nil {
		if password.nextKeys, err = s.engine.derive(ctx, reset, password.next, t.salt(d.node())); err != nil {
			return err
		}
		if err := s.setPassword(d, password); err != nil {
			return err
		}
	}
	now := s.engine.now()
	if err := d.finish(s, now); err != nil {
		return err
	}
	d.set("whenCreated", directory.GeneralizedTime(now))
	return d.commit(ctx, s.engine.store, now)
}

// draftEntry begins a new entry: its place, its class and its password.
func (s *Session) draftEntry(request *ldap.AddRequest) (*draft, *passwordChange, error) {
	t := s.tree
	parsed, err := ldap.ParseDN(request.DN)
	if err != nil || len(parsed.RDNs) == 0 || len(parsed.RDNs[0].Attributes) != 1 {
		return nil, nil, refuse(ldap.LDAPResultInvalidDNSyntax, "0000208F", "the DN can't be read")
	}
	rdn := parsed.RDNs[0].Attributes[0]
	d := &draft{tree: t, batch: store.NewBatch(t.domain.ID), entry: store.Entry{Attributes: map[string][]string{}}}
	_, _ = rand.Read(d.entry.GUID[:]) // never fails
	var password *passwordChange
	for _, given := range request.Attributes {
		switch {
		case strings.EqualFold(given.Type, "objectClass"):
			if err := d.classify(given.Vals); err != nil {
				return nil, nil, err
			}
		case strings.EqualFold(given.Type, "unicodePwd") && len(given.Vals) == 1:
			if !s.secure {
				return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", "unicodePwd can be written over a protected connection only")
			}
			next, err := directory.DecodePassword(given.Vals[0])
			if err != nil {
				return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", err.Error())
			}
			password = &passwordChange{next: next}
		}
	}
	switch {
	case d.class == nil:
		return nil, nil, refuse(ldap.LDAPResultObjectClassViolation, "0000207C", "an entry has an objectClass")
	case d.class.system && !s.making:
		return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "000020B5", "entries of class "+d.class.name+" are made by the directory only")
	case !strings.EqualFold(d.class.rdn, rdn.Type):
		return nil, nil, refuse(ldap.LDAPResultNamingViolation, "00002099", "an entry of class "+d.class.name+" is named by "+d.class.rdn)
	case strings.TrimSpace(rdn.Value) == "" || len(rdn.Value) > 255 || strings.ContainsRune(rdn.Value, 0):
		return nil, nil, refuse(ldap.LDAPResultNamingViolation, "00002099", "the entry's name is empty, too long or has a NUL")
	}
	d.entry.RDN = strings.ToUpper(rdn.Type) + "=" + rdn.Value
	if s.making && strings.EqualFold(request.DN, t.domain.BaseDN()) {
		if t.node(t.rootGUID()) != nil {
			return nil, nil, refuse(ldap.LDAPResultEntryAlreadyExists, "00002071", "the entry exists: "+request.DN)
		}
		d.batch.Place(store.GUID{}, rdnKey(rdn.Type, rdn.Value), d.entry.GUID)
		return d, password, nil
	}
	return d, password, t.place(d, parsed, rdnKey(rdn.Type, rdn.Value))
}

// place puts a new entry below its parent, if the name is free there.
func (t *tree) place(d *draft, dn *ldap.DN, key string) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	above := &ldap.DN{RDNs: dn.RDNs[1:]}
	parent, err := t.find(above.String())
	if err != nil {
		return err
	}
	if t.child(parent.guid, key) != nil {
		return refuse(ldap.LDAPResultEntryAlreadyExists, "00002071", "the entry exists: "+dn.String())
	}
	if err := parent.mayHold(d.class); err != nil {
		return err
	}
	d.entry.Parent = parent.guid
	d.batch.Exists(parent.guid)
	d.batch.Place(parent.guid, key, d.entry.GUID)
	return nil
}

// mayHold says whether an entry of that class may be below n.
func (n *node) mayHold(c *class) error {
	if !c.mayBeBelow(n.class) {
		return refuse(ldap.LDAPResultNamingViolation, "00002099", "an entry of class "+c.name+" can't be there")
	}
	return nil
}
