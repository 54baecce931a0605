package directorytest

import (
	"fmt"

	"latchkey/internal/directory"
)

// identities: what stays with an entry for good, and what moves on with every change.
func identities() []Scenario {
	return []Scenario{
		{Rule: "every account has a SID of the domain that nobody else has", run: func(c *check) {
			seen := map[directory.SID]bool{}
			for i := range 5 {
				sid := c.sid(c.user(fmt.Sprintf("sid%d", i)))
				domain, err := sid.Domain()
				c.must(err)
				if domain != c.Domain.SID || seen[sid] || sid.RID() < 1000 {
					c.Errorf("%v", sid)
				}
				seen[sid] = true
			}
		}},
		{Rule: "a name that is given again comes with another SID and GUID", run: func(c *check) {
			dn := c.user("reborn")
			sid, guid := c.sid(dn), c.get(dn, "objectGUID")
			c.must(c.delete(dn))
			if dn = c.user("reborn"); c.sid(dn) == sid || c.get(dn, "objectGUID") == guid {
				c.Errorf("they are the same")
			}
		}},
		{Rule: "SID and GUID stay through a rename, a move, a new account name and a reset", run: func(c *check) {
			dn := c.user("lasting")
			sid, guid, created := c.sid(dn), c.get(dn, "objectGUID"), c.get(dn, "whenCreated")
			c.must(c.rename(dn, "CN=lasted", c.unit("OU=Lasting,"+c.Domain.CustomerDN())))
			dn = "CN=lasted,OU=Lasting," + c.Domain.CustomerDN()
			c.set(dn, "sAMAccountName", "lasted")
			c.must(c.reset("lasted", newPassword))
			if c.sid(dn) != sid || c.get(dn, "objectGUID") != guid || c.get(dn, "whenCreated") != created {
				c.Errorf("they changed")
			}
		}},
		{Rule: "objectGUID is 16 bytes", run: func(c *check) {
			if n := len(c.read(c.user("guided"), "objectGUID").GetRawAttributeValue("objectGUID")); n != 16 {
				c.Errorf("%d bytes", n)
			}
		}},
		{Rule: "uSNChanged grows with every change and uSNCreated stays", run: func(c *check) {
			dn := c.account("sequenced")
			created, last := c.get(dn, "uSNCreated"), ""
			for i := range 3 {
				c.set(dn, "description", fmt.Sprint(i))
				now := c.get(dn, "uSNChanged")
				if len(now) < len(last) || len(now) == len(last) && now <= last {
					c.Errorf("uSNChanged went from %s to %s", last, now)
				}
				last = now
			}
			c.equal("uSNCreated", c.get(dn, "uSNCreated"), created)
		}},
		{Rule: "whenChanged follows a change", run: func(c *check) {
			dn := c.account("dated")
			created := c.get(dn, "whenChanged")
			c.eventually("a second later", func() bool {
				c.set(dn, "description", created)
				c.set(dn, "description", "x")
				return c.get(dn, "whenChanged") > created
			})
		}},
		{Rule: "well-known accounts have their well-known SIDs", run: func(c *check) {
			for name, rid := range map[string]uint32{"Administrator": 500, "Guest": 501, "krbtgt": 502, "Domain Admins": 512, "Domain Users": 513, "Enterprise Admins": 519, "Schema Admins": 518} {
				if got := c.sid(c.builtin(name)); got != c.Domain.SID.Child(rid) {
					c.Errorf("%s: %v", name, got)
				}
			}
			if got := c.sid("CN=Administrators,CN=Builtin," + c.Domain.BaseDN()); got != directory.SIDAdministrators {
				c.Errorf("Administrators: %v", got)
			}
		}},
	}
}
