package directorytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// groups: member and memberOf are two sides of one thing.
func groups() []Scenario {
	return []Scenario{
		{Rule: "a link has two sides", run: func(c *check) {
			dn := c.user("linked")
			group := c.group("linking", globalGroup, dn)
			if !c.has(dn, "memberOf", group) || !c.has(group, "member", dn) {
				c.Errorf("it has one")
			}
		}},
		{Rule: "nobody is a member twice", run: func(c *check) {
			dn := c.user("once")
			group := c.group("once-only", globalGroup, dn)
			c.result(c.tryModify(group, func(m *ldap.ModifyRequest) { m.Add("member", []string{dn}) }), ldap.LDAPResultEntryAlreadyExists)
			c.equal("members", fmt.Sprint(len(c.values(group, "member"))), "1")
		}},
		{Rule: "who is no member can't be taken out", run: func(c *check) {
			group, dn := c.group("without-him", globalGroup), c.user("outsider")
			c.result(c.tryModify(group, func(m *ldap.ModifyRequest) { m.Delete("member", []string{dn}) }), ldap.LDAPResultNoSuchAttribute)
		}},
		{Rule: "who does not exist can't be a member", run: func(c *check) {
			group := c.group("ghosts", globalGroup)
			c.result(c.tryModify(group, func(m *ldap.ModifyRequest) { m.Add("member", []string{c.at("ghost")}) }), ldap.LDAPResultNoSuchObject)
		}},
		{Rule: "a deleted member is no member", run: func(c *check) {
			dn := c.user("leaving")
			group := c.group("left", globalGroup, dn)
			c.must(c.delete(dn))
			if c.has(group, "member", dn) {
				c.Errorf("the group has a member that is deleted")
			}
		}},
		{Rule: "of a deleted group nobody is a member", run: func(c *check) {
			dn := c.user("remaining")
			group := c.group("dissolved", globalGroup, dn)
			c.must(c.delete(group))
			c.equal("groups", strings.Join(c.values(dn, "memberOf"), " "), "")
			c.accepted("remaining", oldPassword)
		}},
		{Rule: "all members are replaced at once", run: func(c *check) {
			one, two, three := c.user("member-one"), c.user("member-two"), c.user("member-three")
			group := c.group("replaced", globalGroup, one, two)
			c.set(group, "member", two, three)
			if c.has(group, "member", one) || !c.has(group, "member", two) || !c.has(group, "member", three) || c.has(one, "memberOf", group) {
				c.Errorf("%q", c.values(group, "member"))
			}
			c.set(group, "member")
			c.equal("members", strings.Join(c.values(group, "member"), " "), "")
		}},
		{Rule: "members come with the Add", run: func(c *check) {
			dn := c.user("founder")
			group := c.add(c.at("founded"), attributes{"objectClass": {"group"}, "sAMAccountName": {"founded"}, "member": {dn}})
			if !c.has(dn, "memberOf", group) {
				c.Errorf("it has none")
			}
		}},
		{Rule: "memberOf is of direct groups only", run: func(c *check) {
			dn := c.user("directly")
			inner := c.group("inner-direct", globalGroup, dn)
			outer := c.group("outer-direct", globalGroup, inner)
			if c.has(dn, "memberOf", outer) || !c.has(inner, "memberOf", outer) {
				c.Errorf("%q", c.values(dn, "memberOf"))
			}
		}},
		{Rule: "members whose DNs have escapes are kept", run: func(c *check) {
			dn := c.userAt(c.at(`Roe, "R" + 1`), "escaped-member")
			group := c.group("escaping", globalGroup, dn)
			if !c.has(group, "member", dn) {
				c.Errorf("%q", c.values(group, "member"))
			}
		}},
		{Rule: "a member may be named by GUID", run: func(c *check) {
			dn := c.user("by-guid")
			group := c.group("of-guids", globalGroup)
			c.join(group, fmt.Sprintf("<GUID=%x>", c.read(dn, "objectGUID").GetRawAttributeValue("objectGUID")))
			if !c.has(group, "member", dn) {
				c.Errorf("%q", c.values(group, "member"))
			}
		}},
		{Rule: "a group that is a member of itself is read to its end", run: func(c *check) {
			dn := c.user("in-a-loop")
			group := c.group("loop", universalGroup, dn)
			c.join(group, group)
			c.tokens(dn, []string{group}, nil)
			c.must(c.reset("in-a-loop", newPassword))
		}},
		{Rule: "many members are all there", run: func(c *check) {
			const members = 40
			var dns []string
			for i := range members {
				dns = append(dns, c.account(fmt.Sprintf("many%02d", i)))
			}
			group := c.add(c.at("many"), attributes{"objectClass": {"group"}, "sAMAccountName": {"many"}, "member": dns})
			c.equal("members", fmt.Sprint(len(c.values(group, "member"))), fmt.Sprint(members))
		}},
	}
}

// kinds: other links, primary groups and group types.
func kinds() []Scenario {
	scenarios := []Scenario{
		{Rule: "a manager has direct reports", run: func(c *check) {
			boss, dn := c.user("boss"), c.user("report")
			c.set(dn, "manager", boss)
			if !c.has(boss, "directReports", dn) {
				c.Errorf("%q", c.values(boss, "directReports"))
			}
		}},
		{Rule: "the primary group is in neither member nor memberOf", run: func(c *check) {
			dn := c.user("primarily")
			if users := c.builtin("Domain Users"); c.has(dn, "memberOf", users) || c.has(users, "member", dn) {
				c.Errorf("it is")
			}
		}},
		{Rule: "another primary group: the user leaves its members and joins the former's", run: func(c *check) {
			dn := c.user("promoted")
			group := c.group("promoting", globalGroup, dn)
			c.set(dn, "primaryGroupID", fmt.Sprint(c.sid(group).RID()))
			if c.has(dn, "memberOf", group) || !c.has(dn, "memberOf", c.builtin("Domain Users")) {
				c.Errorf("%q", c.values(dn, "memberOf"))
			}
		}},
		{Rule: "a group that is somebody's primary one can't be deleted", run: func(c *check) {
			dn := c.user("dependent")
			group := c.group("depended-on", globalGroup, dn)
			c.set(dn, "primaryGroupID", fmt.Sprint(c.sid(group).RID()))
			c.result(c.delete(group), ldap.LDAPResultEntryAlreadyExists)
		}},
		{Rule: "a global group does not become a domain local one at once, but by universal", run: func(c *check) {
			group := c.group("shifting", globalGroup)
			c.result(c.trySet(group, "groupType", domainLocalGroup), ldap.LDAPResultUnwillingToPerform)
			c.set(group, "groupType", universalGroup)
			c.set(group, "groupType", domainLocalGroup)
			c.equal("sAMAccountType", c.get(group, "sAMAccountType"), "536870912")
		}},
		{Rule: "a group is for security or for distribution, and can change", run: func(c *check) {
			group := c.group("mailing", "2")
			c.equal("sAMAccountType", c.get(group, "sAMAccountType"), "268435457")
			c.set(group, "groupType", globalGroup)
			c.equal("sAMAccountType", c.get(group, "sAMAccountType"), "268435456")
		}},
	}
	for _, s := range []struct{ what, groupType, accountType string }{
		{"security group, global", globalGroup, "268435456"},
		{"security group, domain local", domainLocalGroup, "536870912"},
		{"security group, universal", universalGroup, "268435456"},
		{"distribution group, global", "2", "268435457"},
		{"distribution group, domain local", "4", "536870913"},
		{"distribution group, universal", "8", "268435457"},
	} {
		scenarios = append(scenarios, Scenario{Rule: "the account type of a " + s.what, run: func(c *check) {
			c.equal("sAMAccountType", c.get(c.group("typed"+s.groupType, s.groupType), "sAMAccountType"), s.accountType)
		}})
	}
	return scenarios
}

// tokens: tokenGroups is every security group that an account is in, however (MS-ADTS section 3.1.1.4.5.19).
func tokens() []Scenario {
	return []Scenario{
		{Rule: "tokenGroups has nested groups and the primary one", run: func(c *check) {
			dn := c.user("tokened")
			inner := c.group("token-inner", globalGroup, dn)
			outer := c.group("token-outer", universalGroup, inner)
			c.tokens(dn, []string{inner, outer, c.builtin("Domain Users"), "CN=Users,CN=Builtin," + c.Domain.BaseDN()}, nil)
		}},
		{Rule: "tokenGroups has no distribution groups, nor what is behind them", run: func(c *check) {
			dn := c.user("mailed")
			mail := c.group("token-mail", "8", dn)
			c.tokens(dn, nil, []string{mail, c.group("token-behind", universalGroup, mail)})
		}},
		{Rule: "tokenGroups ends in a circle", run: func(c *check) {
			dn := c.user("circled")
			one := c.group("token-one", universalGroup, dn)
			two := c.group("token-two", universalGroup, one)
			c.join(one, two)
			c.tokens(dn, []string{one, two}, nil)
		}},
		{Rule: "tokenGroups is given only to who asks for it at the entry itself", run: func(c *check) {
			dn := c.user("asked")
			if len(c.read(dn).GetAttributeValues("tokenGroups")) > 0 || len(c.read(dn, "*").GetAttributeValues("tokenGroups")) > 0 {
				c.Errorf("it is given unasked")
			}
			if len(c.read(dn, "tokenGroups").GetAttributeValues("tokenGroups")) == 0 {
				c.Errorf("it is not given")
			}
		}},
		{Rule: "a group without groups has only its own", run: func(c *check) {
			c.tokens(c.group("token-alone", globalGroup), nil, []string{c.builtin("Domain Users")})
		}},
	}
}

func (c *check) tokens(dn string, in, out []string) {
	values := c.read(dn, "tokenGroups").GetRawAttributeValues("tokenGroups")
	has := func(group string) bool {
		sid := c.sid(group)
		return slices.ContainsFunc(values, func(value []byte) bool { return directory.SID(value) == sid })
	}
	for _, group := range in {
		if !has(group) {
			c.Errorf("%s is missing", group)
		}
	}
	for _, group := range out {
		if has(group) {
			c.Errorf("%s should not be there", group)
		}
	}
}
