package directorytest

import (
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// pagings: no entry is lost or comes twice.
func pagings() []Scenario {
	crowd := func(c *check, name string, users int) string {
		unit := c.unit("OU=" + name + "," + c.Domain.CustomerDN())
		for i := range users {
			c.add(fmt.Sprintf("CN=%s%02d,%s", name, i, unit), attributes{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("%s%02d", name, i)}})
		}
		return unit
	}
	var scenarios []Scenario
	for _, s := range []struct {
		rule        string
		users, size int
		sizes       string
	}{
		{"pages of one", 3, 1, "1 1 1"},
		{"a last page that is not full", 7, 3, "3 3 1"},
		{"a last page that is just full", 6, 3, "3 3"},
		{"a page larger than the result", 4, 100, "4"},
		{"nothing found is one empty page", 0, 5, "0"},
	} {
		scenarios = append(scenarios, Scenario{Rule: s.rule, run: func(c *check) {
			unit := crowd(c, fmt.Sprintf("crowd%d-%d-", s.users, s.size), s.users)
			var sizes []string
			seen := map[string]bool{}
			c.pages(unit, "(objectClass=user)", uint32(s.size), func(names []string) {
				sizes = append(sizes, fmt.Sprint(len(names)))
				for _, name := range names {
					seen[name] = true
				}
			})
			if last := len(sizes) - 1; s.users > 0 && sizes[last] == "0" {
				sizes = sizes[:last] // a server may learn only then that there is no more
			}
			c.equal("the pages", strings.Join(sizes, " "), s.sizes)
			if len(seen) != s.users {
				c.Errorf("%d of %d came", len(seen), s.users)
			}
		}})
	}
	return append(scenarios, []Scenario{
		{Rule: "none is lost or comes twice while others write", run: func(c *check) {
			unit := crowd(c, "page", 25)
			seen := map[string]int{}
			page := 0
			c.pages(unit, "(sAMAccountName=page*)", 4, func(names []string) {
				for _, name := range names {
					seen[name]++
				}
				switch page++; page {
				case 2:
					c.add("CN=page99,"+unit, attributes{"objectClass": {"user"}, "sAMAccountName": {"page99"}})
				case 3:
					c.must(c.delete("CN=page00," + unit))
				}
			})
			for i := range 25 {
				// page00 may have been on a page that came after its end.
				if name := fmt.Sprintf("page%02d", i); seen[name] != 1 && i > 0 {
					c.Errorf("%s came %d times", name, seen[name])
				}
			}
		}},
		{Rule: "two paged searches at once do not disturb each other", run: func(c *check) {
			unit := crowd(c, "twin", 8)
			outer, inner := 0, 0
			c.pages(unit, "(objectClass=user)", 4, func(names []string) {
				outer += len(names)
				c.pages(unit, "(objectClass=user)", 3, func(names []string) { inner += len(names) })
			})
			if outer != 8 || inner%8 != 0 || inner == 0 {
				c.Errorf("%d and %d", outer, inner)
			}
		}},
		{Rule: "a search within a search of other attributes", run: func(c *check) {
			unit := crowd(c, "within", 5)
			c.pages(unit, "(objectClass=user)", 2, func(names []string) {
				for _, name := range names {
					c.equal("sAMAccountName", c.get("CN="+name+","+unit, "sAMAccountName"), name)
				}
			})
		}},
		{Rule: "a cookie that the server did not give is refused", run: func(c *check) {
			control := ldap.NewControlPaging(2)
			control.SetCookie([]byte("made up"))
			request := ldap.NewSearchRequest(c.Domain.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=user)", []string{"cn"}, []ldap.Control{control})
			_, err := c.Conn.Search(c.Context(), request)
			c.result(err, ldap.LDAPResultUnwillingToPerform)
		}},
	}...)
}

// pages walks a paged search (RFC 2696).
func (c *check) pages(base, filter string, size uint32, visit func(names []string)) {
	control := ldap.NewControlPaging(size)
	for range 100 {
		request := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"cn"}, []ldap.Control{control})
		result, err := c.Conn.Search(c.Context(), request)
		c.must(err)
		var names []string
		for _, entry := range result.Entries {
			names = append(names, entry.GetAttributeValue("cn"))
		}
		visit(names)
		next, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return
		}
		control = ldap.NewControlPaging(size)
		control.SetCookie(next.Cookie)
	}
	c.Fatalf("no end after 100 pages")
}
