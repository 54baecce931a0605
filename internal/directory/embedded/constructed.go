package embedded

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// construct is the values of the attributes that AD makes when it is asked for them (MS-ADTS section 3.1.1.4.5), but for those
// that compute knows. Others are never there. The caller holds mu.
func (t *tree) construct(n *node, a *attribute) []string {
	if a.front != "" {
		return t.dns(t.linked(t.backward, a.front, n.guid))
	}
	switch a.name {
	case "subSchemaSubEntry":
		return []string{t.aggregateDN()}
	case "fromEntry":
		return []string{"TRUE"}
	case "parentGUID":
		if n.guid != t.root {
			return []string{guidBytes(n.parent)}
		}
	case "msDS-parentdistname":
		if parent := t.nodes[n.parent]; parent != nil {
			return []string{t.dn(parent)}
		}
	case "msDS-Approx-Immed-Subordinates":
		children, _ := t.childrenOf(n, math.MaxInt)
		return []string{strconv.Itoa(len(children))}
	case "msDS-Auxiliary-Classes":
		return slices.DeleteFunc(n.attributes.of("objectClass"), n.class.is)
	case "attributeTypes", "objectClasses", "dITContentRules", "possibleInferiors":
		return t.describe(n, a.name)
	case "wellKnownObjects":
		if n.guid == t.root {
			return t.wellKnownContainers()
		}
	case "allowedAttributes":
		return t.allowedAttributes(n)
	case "allowedChildClasses":
		return t.allowedChildren(n)
	}
	if n.sid() == "" {
		return nil
	}
	return t.constructAccount(n, a.name)
}

// wellKnownContainers is where a domain keeps what, for programs that know the places by their GUIDs (MS-ADTS section 6.1.1.4).
// New computers go where CreateComputer puts them, so that machines join without being told of the place.
func (t *tree) wellKnownContainers() []string {
	base := t.domain.BaseDN()
	var values []string
	for _, each := range []struct{ guid, dn string }{
		{"A9D1CA15768811D1ADED00C04FD8D5CD", "CN=Users," + base},
		{"AA312825768811D1ADED00C04FD8D5CD", t.domain.ComputersDN()},
		{"AB1D30F3768811D1ADED00C04FD8D5CD", "CN=System," + base},
		{"A361B2FFFFD211D1AA4B00C04FD7D83A", "OU=Domain Controllers," + base},
		{"AB8153B7768811D1ADED00C04FD8D5CD", "CN=LostAndFound," + base},
		{"22B70C67D56E4EFB91E9300FCA3DC1AA", "CN=ForeignSecurityPrincipals," + base},
		{"09460C08AE1E4A4EA0F64AEE7DAA1E5A", "CN=Program Data," + base},
	} {
		values = append(values, "B:32:"+each.guid+":"+each.dn)
	}
	return values
}

// constructAccount is construct for what security principals have.
func (t *tree) constructAccount(n *node, attributeName string) []string {
	switch attributeName {
	case "msDS-PrincipalName":
		return []string{t.domain.NetBIOS + `\` + n.first("sAMAccountName")}
	case "primaryGroupToken":
		if n.class.is("group") {
			return []string{strconv.FormatUint(uint64(n.sid().RID()), 10)}
		}
	case "tokenGroupsNoGCAcceptable":
		return sids(t.groups(n))
	case "tokenGroupsGlobalAndUniversal":
		return sids(slices.DeleteFunc(t.groups(n), func(group *node) bool { return group.groupType()&directory.GroupDomainLocal != 0 }))
	case "msds-memberOfTransitive":
		return t.dns(inOrder(t.closure(t.backward, "member", n)))
	case "msds-memberTransitive":
		return t.dns(inOrder(t.closure(t.forward, "member", n)))
	case "msDS-User-Account-Control-Computed":
		if n.class.is("user") {
			return []string{signed(uint32(t.computedControl(n)))}
		}
	case "msDS-UserPasswordExpiryTimeComputed":
		if n.class.is("user") {
			return []string{t.passwordExpiry(n)}
		}
	}
	return nil
}

func sids(groups []*node) (values []string) {
	for _, group := range groups {
		values = append(values, string(group.sid()))
	}
	return values
}

func inOrder(set map[store.GUID]*node) []*node {
	return slices.SortedFunc(maps.Values(set), func(a, b *node) int { return a.position().compare(b.position()) })
}

// neverExpires are the flags of accounts whose password stays good (MS-ADTS section 3.1.1.4.5.17).
const neverExpires = directory.DontExpirePassword | directory.SmartcardRequired | directory.WorkstationTrust | directory.ServerTrust | directory.InterdomainTrust

// computedControl is the flags that time brings: locked out, and password expired.
func (t *tree) computedControl(n *node) (control directory.UserAccountControl) {
	now := t.now()
	if locked(n, t.settingsFor(n), now) {
		control |= directory.LockedOut
	}
	expiry := t.passwordExpiry(n)
	if end := directory.ParseFileTime(expiry); expiry == "0" || !end.IsZero() && now.After(end) {
		control |= directory.PasswordExpired
	}
	return control
}

// passwordExpiry is when an account's password ends: 0 where it must be changed, never where it stays good (MS-ADTS section
// 3.1.1.4.5.36).
func (t *tree) passwordExpiry(n *node) string {
	never := strconv.FormatInt(directory.Never, 10)
	if n.control()&neverExpires != 0 {
		return never
	}
	last := directory.ParseFileTime(n.first("pwdLastSet"))
	switch age := t.settingsFor(n).MaxAge; {
	case last.IsZero():
		return "0"
	case age == 0:
		return never
	default:
		return directory.FileTime(last.Add(age))
	}
}

// allowedAttributes is what entries of the class must and may have.
func (t *tree) allowedAttributes(n *node) []string {
	names := map[string]bool{}
	n.class.each(func(c *class) bool {
		for _, a := range slices.Concat(c.must, c.may) {
			names[a.name] = true
		}
		return true
	})
	return slices.Sorted(maps.Keys(names))
}

// allowedChildren is the classes whose entries may be below the entry.
func (t *tree) allowedChildren(n *node) (names []string) {
	for key, c := range t.schema.classes {
		if key != c.oid && !c.system && c.kind != abstractClass && c.kind != auxiliaryClass && c.mayBeBelow(n.class) {
			names = append(names, c.name)
		}
	}
	slices.Sort(names)
	return names
}
