package embedded

import (
	"strconv"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// finishGroup holds a group's type against the rules, and derives the account's type from it (MS-SAMR section 3.1.1.8.3).
func (d *draft) finishGroup() error {
	kind, err := strconv.ParseInt(d.first("groupType"), 10, 64)
	if err != nil {
		return refuse(ldap.LDAPResultConstraintViolation, "000020A1", "groupType is not valid")
	}
	bits := uint32(kind)
	const kinds = directory.GroupGlobal | directory.GroupDomainLocal | directory.GroupUniversal
	if d.old != nil && d.old.groupType()&kinds != bits&kinds && (d.old.groupType()|bits)&directory.GroupUniversal == 0 {
		return refuse(ldap.LDAPResultUnwillingToPerform, "00002141", "a group becomes domain local from global, or the other way, by universal only")
	}
	account := directory.AccountTypeGroup
	if bits&directory.GroupDomainLocal != 0 {
		account = directory.AccountTypeAlias
	}
	if bits&directory.GroupSecurity == 0 {
		account++ // the distribution group's type follows the security group's
	}
	d.set("sAMAccountType", strconv.Itoa(account))
	return nil
}

func (n *node) groupType() uint32 {
	kind, _ := strconv.ParseInt(n.first("groupType"), 10, 64)
	return uint32(kind)
}

func isSecurityGroup(n *node) bool { return n.groupType()&directory.GroupSecurity != 0 }

// finishPrimary: only a group that an account is in becomes its primary one; the account then leaves its members and
// joins those of the former primary group (MS-SAMR section 3.1.1.8.2).
func (d *draft) finishPrimary() error {
	if d.old == nil || d.old.first("primaryGroupID") == d.first("primaryGroupID") {
		return nil
	}
	t := d.tree
	t.mu.RLock()
	defer t.mu.RUnlock()
	next := t.primary(d.first("primaryGroupID"))
	if next == nil || !t.hasLink("member", next.guid, d.entry.GUID) {
		return refuse(ldap.LDAPResultUnwillingToPerform, "00000529", "only a group that the account is a member of becomes its primary group")
	}
	d.unlinks = append(d.unlinks, store.Link{Attribute: "member", Source: next.guid, Target: d.entry.GUID})
	if former := t.primary(d.old.first("primaryGroupID")); former != nil && !t.hasLink("member", former.guid, d.entry.GUID) {
		d.batch.Exists(former.guid)
		d.links = append(d.links, store.Link{Attribute: "member", Source: former.guid, Target: d.entry.GUID})
	}
	return nil
}

// primary is the group that a primaryGroupID means, or nil. The caller holds mu.
func (t *tree) primary(id string) *node {
	rid, err := parseRID(id)
	if err != nil {
		return nil
	}
	found := t.lookup("objectSid", string(t.domain.SID.Child(rid)))
	if len(found) != 1 || !found[0].class.is("group") {
		return nil
	}
	return found[0]
}

// isPrimary says whether a group is some account's primary one. The caller holds mu.
func (t *tree) isPrimary(group *node) bool {
	rid := strconv.FormatUint(uint64(group.sid().RID()), 10)
	for _, n := range t.nodes {
		if n.first("primaryGroupID") == rid {
			return true
		}
	}
	return false
}
