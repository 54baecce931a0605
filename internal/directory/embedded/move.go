package embedded

import (
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/store"
)

func (s *Session) rename(ctx context.Context, request *ldap.ModifyDNRequest) error {
	t := s.tree
	parsed, err := ldap.ParseDN(request.NewRDN)
	if err != nil || len(parsed.RDNs) != 1 || len(parsed.RDNs[0].Attributes) != 1 {
		return refuse(ldap.LDAPResultInvalidDNSyntax, "0000208F", "the new RDN can't be read")
	}
	rdn := parsed.RDNs[0].Attributes[0]
	n, lock, err := t.lockEntry(request.DN)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if n.class == nil || !strings.EqualFold(n.class.rdn, rdn.Type) || !request.DeleteOldRDN {
		return refuse(ldap.LDAPResultUnwillingToPerform, "00002035", "the new RDN does not fit the entry's class, or the old one is to stay")
	}
	if strings.TrimSpace(rdn.Value) == "" {
		return refuse(ldap.LDAPResultNamingViolation, "00002099", "the new RDN is empty")
	}
	if t.needed(n) {
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000209A", "the directory needs this entry where it is")
	}
	d := t.edit(n)
	key := rdnKey(rdn.Type, rdn.Value)
	d.entry.RDN = strings.ToUpper(rdn.Type) + "=" + rdn.Value
	if err := t.move(d, n, request.NewSuperior, key); err != nil {
		return err
	}
	return d.commit(ctx, s.engine.store, s.engine.now())
}

// move gives the draft its new place. Every entry above it must still be as it is now when the store makes the change,
// so that two moves at once can't make a circle.
func (t *tree) move(d *draft, n *node, superior, key string) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	parent := t.nodes[n.parent]
	if superior != "" {
		var err error
		if parent, err = t.find(superior); err != nil {
			return err
		}
	}
	if parent == nil || t.below(parent, n) {
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000207D", "an entry can't be moved below itself")
	}
	if other := t.child(parent.guid, key); other != nil && other.guid != n.guid {
		return refuse(ldap.LDAPResultEntryAlreadyExists, "00002071", "an entry of this name exists there")
	}
	if parent.guid != n.parent {
		if err := parent.mayHold(n.class); err != nil {
			return err
		}
	}
	if parent.guid != n.parent || key != n.key {
		d.batch.Displace(n.parent, n.key)
		d.batch.Place(parent.guid, key, n.guid)
	}
	if parent.guid != n.parent {
		for above := parent; above != nil; above = t.nodes[above.parent] {
			d.batch.Unchanged(above.guid, above.revision)
		}
	}
	d.entry.Parent = parent.guid
	return nil
}

func (s *Session) remove(ctx context.Context, dn string) error {
	t := s.tree
	n, lock, err := t.lockEntry(dn)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if t.needed(n) {
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000209A", "the directory needs this entry")
	}
	batch := store.NewBatch(t.domain.ID)
	batch.Delete(&store.Entry{GUID: n.guid, Revision: n.revision})
	batch.Displace(n.parent, n.key)
	batch.Childless(n.guid)
	for _, attributeName := range []string{"sAMAccountName", "userPrincipalName"} {
		if normal, err := t.schema.attribute(attributeName).normalize(n.first(attributeName)); err == nil && normal != "" {
			batch.Release(attributeName, normal)
		}
	}
	t.mu.RLock()
	occupied, primary := t.hasChildren(n.guid), n.class.is("group") && t.isPrimary(n)
	links := t.linksOf(n)
	t.mu.RUnlock()
	if occupied {
		return refuse(ldap.LDAPResultNotAllowedOnNonLeaf, "00002015", "the entry has children")
	}
	if primary {
		return refuse(ldap.LDAPResultEntryAlreadyExists, "00002071", "the group is somebody's primary one")
	}
	for _, link := range links {
		batch.Unlink(link)
	}
	revision, err := s.engine.store.Commit(ctx, batch)
	if err != nil {
		return err
	}
	t.forget(n, links, revision)
	return nil
}

// linksOf is every link from and to n. The caller holds mu.
func (t *tree) linksOf(n *node) []store.Link {
	var links []store.Link
	for _, a := range t.linksInUse() {
		if !a.link {
			continue
		}
		for _, target := range t.linked(t.forward, a.name, n.guid) {
			links = append(links, store.Link{Attribute: a.name, Source: n.guid, Target: target.guid})
		}
		for _, source := range t.linked(t.backward, a.name, n.guid) {
			if source.guid != n.guid {
				links = append(links, store.Link{Attribute: a.name, Source: source.guid, Target: n.guid})
			}
		}
	}
	return links
}
