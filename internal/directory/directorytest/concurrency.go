package directorytest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// meetings: what holds when several work on one directory at once.
func meetings() []Scenario {
	return []Scenario{
		{Rule: "of several resets at once one password holds", run: func(c *check) {
			c.set(c.user("busy"), "userAccountControl", "514")
			passwords := []string{"First-of-two-1", "Second-of-two-2", "Third-of-two-3", "Fourth-of-two-4"}
			c.all(len(passwords), func(i int) { c.wraps(c.reset("busy", passwords[i]), nil) })
			working := 0
			for _, password := range passwords {
				if c.data("busy", password) == "" {
					working++
				}
			}
			if working != 1 {
				c.Errorf("%d passwords work", working)
			}
			c.equal("userAccountControl", c.get(c.at("busy"), "userAccountControl"), "512")
		}},
		{Rule: "a reset and another's change of another attribute are both kept", run: func(c *check) {
			dn := c.user("described")
			c.set(dn, "userAccountControl", "514")
			c.all(2, func(i int) {
				if i == 0 {
					c.wraps(c.reset("described", newPassword), nil)
				} else {
					c.wraps(c.trySet(dn, "description", "written meanwhile"), nil)
				}
			})
			c.equal("description", c.get(dn, "description"), "written meanwhile")
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), "512")
			c.accepted("described", newPassword)
		}},
		{Rule: "a reset does not undo a flag that somebody sets meanwhile", run: func(c *check) {
			dn := c.user("flagged")
			c.all(2, func(i int) {
				if i == 0 {
					for range 5 {
						c.wraps(c.reset("flagged", newPassword), nil)
					}
				} else {
					c.wraps(c.trySet(dn, "userAccountControl", "66048"), nil)
				}
			})
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), "66048")
		}},
		{Rule: "a reset and a change of the user's groups are both kept", run: func(c *check) {
			dn := c.user("regrouped")
			group := c.group("regrouping", globalGroup)
			c.all(2, func(i int) {
				if i == 0 {
					c.wraps(c.reset("regrouped", newPassword), nil)
				} else {
					c.wraps(directory.Join(c.Context(), c.Conn, group, dn), nil)
				}
			})
			if !c.has(dn, "memberOf", group) {
				c.Errorf("%q", c.values(dn, "memberOf"))
			}
			c.accepted("regrouped", newPassword)
		}},
		{Rule: "of several moves to one place one succeeds", run: func(c *check) {
			unit := c.unit("OU=Rush," + c.Domain.CustomerDN())
			for i := range 4 {
				c.account(fmt.Sprintf("rushing%d", i))
			}
			c.one(func(i int) error { return c.rename(c.at(fmt.Sprintf("rushing%d", i)), "CN=first", unit) })
		}},
		{Rule: "many users are reset at once, each to an own password", run: func(c *check) {
			const users = 8
			for i := range users {
				c.user(fmt.Sprintf("crowd%d", i))
			}
			c.all(users, func(i int) { c.wraps(c.reset(fmt.Sprintf("crowd%d", i), fmt.Sprintf("Own-Pass-%d", i)), nil) })
			for i := range users {
				c.accepted(fmt.Sprintf("crowd%d", i), fmt.Sprintf("Own-Pass-%d", i))
				c.refused(fmt.Sprintf("crowd%d", i), fmt.Sprintf("Own-Pass-%d", i+1), "52e")
			}
		}},
		{Rule: "a reset while the user is renamed holds, or says that the user was not found", run: func(c *check) {
			dn := c.user("fleeting")
			var holds atomic.Value
			holds.Store(oldPassword)
			c.all(2, func(i int) {
				if i == 1 {
					c.wraps(c.rename(dn, "CN=fleeting elsewhere", ""), nil)
					return
				}
				for round := range 4 {
					password := fmt.Sprintf("Round-%d-Pass", round)
					switch err := c.reset("fleeting", password); {
					case err == nil:
						holds.Store(password)
					case !errors.Is(err, directory.ErrNoSuchUser):
						c.Errorf("%v", err)
					}
				}
			})
			c.accepted("fleeting", holds.Load().(string))
		}},
		{Rule: "a reset while the user is deleted makes nobody", run: func(c *check) {
			dn := c.user("doomed")
			c.all(2, func(i int) {
				if i == 1 {
					c.wraps(c.delete(dn), nil)
				} else if err := c.reset("doomed", newPassword); err != nil {
					c.wraps(err, directory.ErrNoSuchUser)
				}
			})
			c.nobody("doomed")
		}},
	}
}

// races: of several who want one thing one gets it, and what does not collide is all kept.
func races() []Scenario {
	return []Scenario{
		{Rule: "of several Adds of one DN one succeeds", run: func(c *check) {
			c.one(func(i int) error {
				return c.tryAdd(c.at("contested"), attributes{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("contested%d", i)}})
			})
		}},
		{Rule: "of several Adds of one account name one succeeds", run: func(c *check) {
			c.one(func(i int) error {
				return c.tryAdd(c.at(fmt.Sprintf("claim%d", i)), attributes{"objectClass": {"user"}, "sAMAccountName": {"claimed"}})
			})
		}},
		{Rule: "members that several add at once are all there", run: func(c *check) {
			const members = 6
			group := c.group("gathering", globalGroup)
			for i := range members {
				c.account(fmt.Sprintf("gathered%d", i))
			}
			c.all(members, func(i int) {
				c.wraps(directory.Join(c.Context(), c.Conn, group, c.at(fmt.Sprintf("gathered%d", i))), nil)
			})
			c.equal("members", fmt.Sprint(len(c.values(group, "member"))), fmt.Sprint(members))
		}},
		{Rule: "values that several add at once are all there", run: func(c *check) {
			const writers = 6
			dn := c.account("collected")
			c.all(writers, func(i int) {
				c.wraps(c.tryModify(dn, func(m *ldap.ModifyRequest) { m.Add("otherTelephone", []string{fmt.Sprint(i)}) }), nil)
			})
			c.equal("values", fmt.Sprint(len(c.values(dn, "otherTelephone"))), fmt.Sprint(writers))
		}},
		{Rule: "who is exchanged by several at once is exchanged by one", run: func(c *check) {
			dn := c.account("swapped")
			c.set(dn, "employeeID", "before")
			c.one(func(i int) error {
				return c.tryModify(dn, func(m *ldap.ModifyRequest) {
					m.Delete("employeeID", []string{"before"})
					m.Add("employeeID", []string{fmt.Sprintf("after%d", i)})
				})
			})
		}},
		{Rule: "a user is found all the time while others write to the entry", run: func(c *check) {
			dn := c.account("steady")
			c.all(2, func(i int) {
				for round := range 20 {
					if i == 0 {
						c.wraps(c.trySet(dn, "description", fmt.Sprint(round)), nil)
					} else if _, err := c.find("steady"); err != nil {
						c.Errorf("%v", err)
					}
				}
			})
		}},
		{Rule: "SIDs of accounts that are made at once differ", run: func(c *check) {
			const users = 8
			c.all(users, func(i int) {
				name := fmt.Sprintf("numbered%d", i)
				c.wraps(c.tryAdd(c.at(name), attributes{"objectClass": {"user"}, "sAMAccountName": {name}}), nil)
			})
			seen := map[directory.SID]bool{}
			for i := range users {
				seen[c.sid(c.at(fmt.Sprintf("numbered%d", i)))] = true
			}
			if len(seen) != users {
				c.Errorf("%d SIDs of %d accounts", len(seen), users)
			}
		}},
	}
}

// all does something several times at once, and waits.
func (c *check) all(times int, do func(i int)) {
	var group sync.WaitGroup
	for i := range times {
		group.Go(func() { do(i) })
	}
	group.Wait()
}

// one holds that of several attempts at once one succeeds.
func (c *check) one(attempt func(i int) error) {
	const attempts = 4
	results := make([]error, attempts)
	c.all(attempts, func(i int) { results[i] = attempt(i) })
	succeeded := 0
	var texts []string
	for _, err := range results {
		if err == nil {
			succeeded++
		} else {
			texts = append(texts, err.Error())
		}
	}
	if succeeded != 1 {
		c.Errorf("%d succeeded: %s", succeeded, strings.Join(texts, "; "))
	}
}
