package directorytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// asked is a search below base with controls: the common names in the order in which they come, and the answer.
func (c *check) asked(base, filter string, controls ...ldap.Control) (string, *ldap.SearchResult, error) {
	request := ldap.NewSearchRequest(base, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"name"}, controls)
	result, err := c.Conn.Search(c.Context(), request)
	var names []string
	if result != nil {
		for _, entry := range result.Entries {
			names = append(names, entry.GetAttributeValue("name"))
		}
	}
	return strings.Join(names, " "), result, err
}

// row is an OU with users of these names and display names, made in that order.
func (c *check) row(name string, users ...string) string {
	unit := c.unit("OU=" + name + "," + c.Domain.CustomerDN())
	for i, display := range users {
		account := fmt.Sprintf("%s-%d", name, i)
		given := attributes{"objectClass": {"user"}, "sAMAccountName": {account}, "countryCode": {fmt.Sprint(len(users) * 7 % (i + 2))}}
		if display != "" {
			given["displayName"] = []string{display}
		}
		c.add("CN="+account+","+unit, given)
	}
	return unit
}

func by(attribute string, reverse bool) *directory.Sort {
	return &directory.Sort{Keys: []ldap.SortKey{{AttributeType: attribute, Reverse: reverse}}, Critical: true}
}

// orders: entries in the order that a client asks for (RFC 2891), in windows of it, and in pages.
func orders() []Scenario {
	return []Scenario{
		{Rule: "entries come sorted, whatever the case of letters", run: func(c *check) {
			unit := c.row("sorted", "delta", "Alpha", "charlie", "BRAVO")
			got, _, err := c.asked(unit, "(objectClass=user)", by("displayName", false))
			c.must(err)
			c.equal("order", got, "sorted-1 sorted-3 sorted-2 sorted-0")
		}},
		{Rule: "entries come sorted the other way", run: func(c *check) {
			unit := c.row("reversed", "delta", "Alpha", "charlie")
			got, _, err := c.asked(unit, "(objectClass=user)", by("displayName", true))
			c.must(err)
			c.equal("order", got, "reversed-0 reversed-2 reversed-1")
		}},
		{Rule: "who lacks the attribute comes last", run: func(c *check) {
			unit := c.row("lacking", "zulu", "", "alpha")
			got, _, err := c.asked(unit, "(objectClass=user)", by("displayName", false))
			c.must(err)
			c.equal("order", got, "lacking-2 lacking-0 lacking-1")
		}},
		{Rule: "an order by an attribute that does not exist is refused to who insists on it", run: func(c *check) {
			unit := c.row("unordered", "one")
			_, _, err := c.asked(unit, "(objectClass=user)", by("noSuchAttribute", false))
			c.result(err, ldap.LDAPResultUnavailableCriticalExtension)
		}},
		{Rule: "a sorted search comes in pages, each entry once", run: func(c *check) {
			unit := c.row("paged-order", "e", "c", "a", "d", "b")
			paging := ldap.NewControlPaging(2)
			var all []string
			for range 5 {
				got, result, err := c.asked(unit, "(objectClass=user)", by("displayName", false), paging)
				c.must(err)
				all = append(all, strings.Fields(got)...)
				answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
				if !ok || len(answer.Cookie) == 0 {
					break
				}
				paging.SetCookie(answer.Cookie)
			}
			c.equal("order", strings.Join(all, " "), "paged-order-2 paged-order-4 paged-order-1 paged-order-3 paged-order-0")
		}},
		{Rule: "a window of a list is around the entry of that number", run: func(c *check) {
			unit := c.row("window", "e", "c", "a", "d", "b")
			got, _, err := c.asked(unit, "(objectClass=user)", by("displayName", false), &directory.VirtualList{Before: 1, After: 1, Offset: 3, Critical: true})
			c.must(err)
			c.equal("window", got, "window-4 window-1 window-3")
		}},
		{Rule: "a window of a list is around the first entry that is not less than a value", run: func(c *check) {
			unit := c.row("valued", "e", "c", "a", "d", "b")
			got, _, err := c.asked(unit, "(objectClass=user)", by("displayName", false), &directory.VirtualList{After: 1, ByValue: true, Value: "bb", Critical: true})
			c.must(err)
			c.equal("window", got, "valued-1 valued-3")
		}},
		{Rule: "a window needs an order", run: func(c *check) {
			unit := c.row("orderless", "one")
			_, _, err := c.asked(unit, "(objectClass=user)", &directory.VirtualList{After: 1, Offset: 1, Critical: true})
			if err == nil {
				c.Errorf("there is a window")
			}
		}},
	}
}

// treeDeletions: whole trees (MS-ADTS section 3.1.1.5.5.7.2).
func treeDeletions() []Scenario {
	deleteTree := func(c *check, dn string) error {
		return c.Conn.Delete(c.Context(), ldap.NewDelRequest(dn, []ldap.Control{ldap.NewControlString(ldap.ControlTypeMicrosoftTreeDelete, true, "")}))
	}
	return []Scenario{
		{Rule: "with the control a tree is deleted as a whole, and its names are free again", run: func(c *check) {
			unit := c.family("felled")
			c.must(deleteTree(c, unit))
			_, err := c.trySearch(unit, ldap.ScopeBaseObject, everything)
			c.result(err, ldap.LDAPResultNoSuchObject)
			c.user("felled-lower")
		}},
		{Rule: "a group goes with the account whose primary one it is", run: func(c *check) {
			unit := c.unit("OU=Primary tree," + c.Domain.CustomerDN())
			dn := c.userAt("CN=primary-one,"+unit, "primary-one")
			group := c.add("CN=primary-of,"+unit, attributes{"objectClass": {"group"}, "sAMAccountName": {"primary-of"}, "groupType": {globalGroup}})
			c.join(group, dn)
			c.set(dn, "primaryGroupID", fmt.Sprint(c.sid(group).RID()))
			c.must(deleteTree(c, unit))
		}},
		{Rule: "a tree with something that every domain needs stays", run: func(c *check) {
			if err := deleteTree(c, "CN=Users,"+c.Domain.BaseDN()); err == nil {
				c.Errorf("CN=Users is gone")
			}
			c.equal("krbtgt", c.get(c.builtin("krbtgt"), "sAMAccountName"), "krbtgt")
		}},
		{Rule: "without the control it takes a leaf", run: func(c *check) {
			c.result(c.delete(c.family("standing")), ldap.LDAPResultNotAllowedOnNonLeaf)
		}},
	}
}

// permissions: the permissive modify control (MS-ADTS section 3.1.1.3.4.1.8).
func permissions() []Scenario {
	permissive := func(c *check, dn string, change func(*ldap.ModifyRequest)) error {
		request := ldap.NewModifyRequest(dn, []ldap.Control{ldap.NewControlString(ldap.ControlTypeMicrosoftPermissiveModify, true, "")})
		change(request)
		return c.Conn.Modify(c.Context(), request)
	}
	return []Scenario{
		{Rule: "permissively, who is a member may be added, and who is none be taken out", run: func(c *check) {
			dn, other := c.user("permitted"), c.user("permitted-other")
			group := c.group("permitting", globalGroup, dn)
			c.must(permissive(c, group, func(m *ldap.ModifyRequest) { m.Add("member", []string{dn, other}) }))
			c.must(permissive(c, group, func(m *ldap.ModifyRequest) { m.Delete("member", []string{dn}) }))
			c.must(permissive(c, group, func(m *ldap.ModifyRequest) { m.Delete("member", []string{dn}) }))
			c.equal("members", strings.Join(c.values(group, "member"), " "), other)
		}},
		{Rule: "permissively, a value that is there may be added, and one that is not be deleted", run: func(c *check) {
			dn := c.user("permitted-values")
			c.set(dn, "otherTelephone", "1")
			c.must(permissive(c, dn, func(m *ldap.ModifyRequest) { m.Add("otherTelephone", []string{"1", "2"}) }))
			c.must(permissive(c, dn, func(m *ldap.ModifyRequest) { m.Delete("otherTelephone", []string{"3"}) }))
			values := c.values(dn, "otherTelephone")
			slices.Sort(values)
			c.equal("otherTelephone", strings.Join(values, " "), "1 2")
		}},
	}
}

// parts: some of an attribute's values, and DNs with more in them.
func parts() []Scenario {
	return []Scenario{
		{Rule: "of many values a part comes, and says whether it is the last", run: func(c *check) {
			var members []string
			for i := range 5 {
				members = append(members, c.account(fmt.Sprintf("ranged-%d", i)))
			}
			group := c.group("ranged", globalGroup, members...)
			first := c.read(group, "member;range=0-2")
			last := c.read(group, "member;range=3-9")
			if got := first.GetAttributeValues("member;range=0-2"); len(got) != 3 {
				c.Errorf("%d values in %v", len(got), first.Attributes)
			}
			if got := last.GetAttributeValues("member;range=3-*"); len(got) != 2 {
				c.Errorf("%d values in %v", len(got), last.Attributes)
			}
			all := slices.Concat(first.GetAttributeValues("member;range=0-2"), last.GetAttributeValues("member;range=3-*"))
			slices.Sort(all)
			slices.Sort(members)
			c.equal("members", strings.Join(all, "\n"), strings.Join(members, "\n"))
		}},
		{Rule: "a DN comes with GUID and SID to who asks", run: func(c *check) {
			dn := c.user("extended")
			for _, asText := range []bool{true, false} {
				request := ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, everything, []string{"objectGUID", "objectSid"}, []ldap.Control{&directory.ExtendedDN{Text: asText}})
				result, err := c.Conn.Search(c.Context(), request)
				c.must(err)
				entry := result.Entries[0]
				sid := directory.SID(entry.GetRawAttributeValue("objectSid"))
				want := fmt.Sprintf("<GUID=%x>;<SID=%x>;%s", entry.GetRawAttributeValue("objectGUID"), string(sid), dn)
				if asText {
					g := entry.GetRawAttributeValue("objectGUID")
					want = fmt.Sprintf("<GUID=%02x%02x%02x%02x-%02x%02x-%02x%02x-%x-%x>;<SID=%s>;%s", g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8:10], g[10:], sid, dn)
				}
				c.equal("the DN", entry.DN, want)
			}
		}},
	}
}
