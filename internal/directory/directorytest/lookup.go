package directorytest

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"latchkey/internal/directory"
)

func lookups() []Scenario {
	return []Scenario{
		{Rule: "what is found has the account's DN, name, SID, flags and primary group", run: func(c *check) {
			dn := c.user("found")
			user, err := c.find("FOUND")
			c.must(err)
			want := directory.User{DN: dn, Name: "found", SID: directory.SID(c.get(dn, "objectSid")), Control: directory.NormalAccount, Primary: directory.RIDDomainUsers}
			if user != want {
				c.Errorf("%+v, want %+v", user, want)
			}
		}},
		{Rule: "an account is found in whatever container it lies", run: func(c *check) {
			deep := c.unit("OU=Deeper," + c.unit("OU=Deep,"+c.Domain.CustomerDN()))
			dn := c.userAt("CN=Somebody,"+deep, "in-the-deep")
			user, err := c.find("in-the-deep")
			c.must(err)
			c.equal("the DN", user.DN, dn)
		}},
		{Rule: "only sAMAccountName counts, not another name that the person has", run: func(c *check) {
			c.add(c.at("Known Otherwise"), map[string][]string{
				"objectClass": {"user"}, "sAMAccountName": {"known"}, "displayName": {"shown"}, "mail": {"mailed@example.com"},
				"userPrincipalName": {"principal@" + c.Domain.Name},
			})
			for _, name := range []string{"Known Otherwise", "shown", "mailed@example.com", "principal", "principal@" + c.Domain.Name, "known@" + c.Domain.Name, c.Domain.NetBIOS + `\known`, c.at("Known Otherwise")} {
				c.nobody(name)
			}
		}},
		{Rule: "an inetOrgPerson is a person", run: func(c *check) {
			c.add(c.at("inet"), map[string][]string{"objectClass": {"inetOrgPerson"}, "sAMAccountName": {"inet"}})
			c.must(c.reset("inet", newPassword))
			c.accepted("inet", newPassword)
		}},
		{Rule: "a name that nobody has, or that nobody can have, is nobody", run: func(c *check) {
			for _, name := range []string{"nobody-at-all", "", " ", "*", "\x00", "(", ")", `\`, `\2a`, "(objectClass=*)", strings.Repeat("n", 2000), "a\nb"} {
				c.nobody(name)
			}
		}},
		{Rule: "a name that is not UTF-8 is nobody", run: func(c *check) { c.nobody("\xff\xfe") }},
		{Rule: "a deleted account is nobody", run: func(c *check) {
			c.must(c.delete(c.user("deleted")))
			c.nobody("deleted")
		}},
		{Rule: "an account is found by its new name only once it is renamed", run: func(c *check) {
			dn := c.user("maiden")
			c.set(dn, "sAMAccountName", "married")
			_, err := c.find("married")
			c.wraps(err, nil)
			c.nobody("maiden")
		}},
		{Rule: "Guest is a person", Kind: directory.SimpleAD, run: func(c *check) {
			_, err := c.find("Guest")
			c.wraps(err, nil)
		}},
	}
}

// nobody holds that a name is no person's, to who asks and to who resets.
func (c *check) nobody(name string) {
	if _, err := c.find(name); err == nil {
		c.Errorf("%q was found", name)
	} else {
		c.wraps(err, directory.ErrNoSuchUser)
	}
	c.wraps(c.reset(name, newPassword), directory.ErrNoSuchUser)
}

// oddNames: every character that an account name may have, in filters and in DNs; letters of either case; nothing that
// only looks like the name.
func oddNames() (scenarios []Scenario) {
	for _, name := range []string{
		"jane", "jane.doe", "o'brien", "a (b)", "x)(cn~y", "hash#tag", "#lead", "A&B", "cash$box", "two  spaces", "ÄÖÜ é", "漢字", "-dash-", "100%", "tilde~",
		"(", "back`tick", "!bang", strings.Repeat("n", 20), "twenty-and-some-more-characters", "{brace}", "^caret", "under_score", "Straße", "ελληνικά", "русский", "עברית", "emoji😀", "12345", "e\u0301-combined",
	} {
		scenarios = append(scenarios, Scenario{Rule: "the account name " + strconv.Quote(name) + " can be reset, and only by itself", run: func(c *check) { c.odd(name) }})
	}
	return scenarios
}

func (c *check) odd(name string) {
	dn := c.user(name)
	c.must(c.reset(name, newPassword))
	c.accepted(name, newPassword)
	c.refused(name, oldPassword, "52e")
	for _, other := range []string{strings.ToUpper(name), strings.ToLower(name)} {
		if !strings.EqualFold(other, name) {
			continue // ß has no capital of its own
		}
		user, err := c.find(other)
		if err != nil || !strings.EqualFold(user.Name, name) || !sameDN(user.DN, dn) {
			c.Errorf("as %q: %+v, %v", other, user, err)
		}
	}
	for _, other := range []string{" " + name, name + " ", name + "x", name[:len(name)-1], "*", name + "*", name + "\x00", `\` + name} {
		if _, err := c.find(other); err == nil {
			c.Errorf("as %q it was found", other)
		} else {
			c.wraps(err, directory.ErrNoSuchUser)
		}
	}
}

// strangers: what is no person can't be reset, and stays as it is.
func strangers() []Scenario {
	stranger := func(rule string, make func(c *check) (dn string, names []string)) Scenario {
		return Scenario{Rule: rule, run: func(c *check) {
			dn, names := make(c)
			c.unchanged(dn, func() {
				for _, name := range names {
					c.nobody(name)
				}
			})
		}}
	}
	account := func(class, name, control string) func(c *check) (string, []string) {
		return func(c *check) (string, []string) {
			dn := c.add(c.at(name), map[string][]string{"objectClass": {class}, "sAMAccountName": {name + "$"}, "userAccountControl": {control}})
			return dn, []string{name + "$", strings.ToLower(name) + "$", name}
		}
	}
	return []Scenario{
		stranger("a computer is no person", account("computer", "PC1", "4096")),
		stranger("a computer that was made without flags is no person", func(c *check) (string, []string) {
			return c.add(c.at("PC3"), map[string][]string{"objectClass": {"computer"}, "sAMAccountName": {"PC3$"}}), []string{"PC3$", "PC3"}
		}),
		stranger("a group managed service account is no person", func(c *check) (string, []string) {
			return c.service("msDS-GroupManagedServiceAccount", "gmsa", map[string][]string{"msDS-ManagedPasswordInterval": {"30"}}), []string{"gmsa$", "gmsa"}
		}),
		stranger("a managed service account is no person", func(c *check) (string, []string) {
			return c.service("msDS-ManagedServiceAccount", "msa", nil), []string{"msa$", "msa"}
		}),
		stranger("an account of a trust is no person", func(c *check) (string, []string) {
			dn := c.user("TRUSTED")
			c.set(dn, "userAccountControl", "2080")
			return dn, []string{"TRUSTED"}
		}),
		stranger("krbtgt is no person", func(c *check) (string, []string) { return c.builtin("krbtgt"), []string{"krbtgt", "KRBTGT"} }),
		stranger("a group is no person", func(c *check) (string, []string) {
			return c.group("staff-of-strangers", globalGroup), []string{"staff-of-strangers"}
		}),
		stranger("a group that every domain has is no person", func(c *check) (string, []string) {
			return c.builtin("Domain Admins"), []string{"Domain Admins", "domain admins", "Administrators", "Users"}
		}),
		stranger("a contact is no person", func(c *check) (string, []string) {
			return c.add(c.at("contacted"), map[string][]string{"objectClass": {"contact"}}), []string{"contacted"}
		}),
		stranger("an OU is no person", func(c *check) (string, []string) {
			return c.unit("OU=strange," + c.Domain.CustomerDN()), []string{"strange"}
		}),
		stranger("the domain itself is no person", func(c *check) (string, []string) {
			return c.Domain.BaseDN(), []string{c.Domain.NetBIOS, c.Domain.NetBIOS + "$", c.Domain.Name}
		}),
	}
}

func (c *check) service(class, name string, more map[string][]string) string {
	attributes := map[string][]string{"objectClass": {class}, "sAMAccountName": {name + "$"}, "userAccountControl": {"4096"}, "dNSHostName": {fmt.Sprintf("%s.%s", name, c.Domain.Name)}}
	maps.Copy(attributes, more)
	return c.add(c.at(name), attributes)
}
