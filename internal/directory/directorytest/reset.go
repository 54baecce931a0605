package directorytest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

func resets() []Scenario {
	return []Scenario{
		{Rule: "the new password works and the old one does not", run: func(c *check) {
			c.user("renewed")
			c.must(c.reset("renewed", newPassword))
			c.accepted("renewed", newPassword)
			c.refused("renewed", oldPassword, "52e")
		}},
		{Rule: "the same password can be set again: no history", run: func(c *check) {
			c.user("again")
			for range 3 {
				c.must(c.reset("again", newPassword))
			}
			c.accepted("again", newPassword)
		}},
		{Rule: "a password can be set back at once: no minimum age", run: func(c *check) {
			c.user("back")
			c.must(c.reset("back", newPassword))
			c.must(c.reset("back", oldPassword))
			c.accepted("back", oldPassword)
			c.refused("back", newPassword, "52e")
		}},
		{Rule: "an account that never had a password is enabled with its first", run: func(c *check) {
			c.account("newborn")
			c.must(c.reset("newborn", newPassword))
			c.accepted("newborn", newPassword)
		}},
		{Rule: "who must change the password no longer must", run: func(c *check) {
			dn := c.user("mustchange")
			c.set(dn, "pwdLastSet", "0")
			c.refused("mustchange", oldPassword, "773")
			c.must(c.reset("mustchange", newPassword))
			if c.get(dn, "pwdLastSet") == "0" {
				c.Errorf("the password must still be changed")
			}
			c.accepted("mustchange", newPassword)
		}},
	}
}

// effects: what a reset leaves behind on the entry, and what it does not touch.
func effects() []Scenario {
	return []Scenario{
		{Rule: "pwdLastSet is the time of the reset", run: func(c *check) {
			dn := c.user("timed")
			before := c.get(dn, "pwdLastSet")
			c.must(c.reset("timed", newPassword))
			after := c.get(dn, "pwdLastSet")
			if age := time.Since(directory.ParseFileTime(after)); after == before || age < -time.Minute || age > time.Minute {
				c.Errorf("pwdLastSet went from %s to %s, %v ago", before, after, age)
			}
		}},
		{Rule: "nothing changes but the password's own attributes", run: func(c *check) {
			dn := c.add(c.at("kept"), map[string][]string{
				"objectClass": {"user"}, "sAMAccountName": {"kept"}, "unicodePwd": {encoded(oldPassword)}, "userAccountControl": {"512"}, "description": {"of note"},
				"displayName": {"Kept As Is"}, "mail": {"kept@example.com"}, "userPrincipalName": {"kept@" + c.Domain.Name}, "telephoneNumber": {"+49 1"},
			})
			c.group("keepers", globalGroup, dn)
			before := strings.Split(c.whole(dn), "\n")
			c.must(c.reset("kept", newPassword))
			for line := range strings.SplitSeq(c.whole(dn), "\n") {
				name, _, _ := strings.Cut(line, "=")
				switch name {
				case "pwdLastSet", "whenChanged", "uSNChanged", "lockoutTime", "badPwdCount":
					continue
				}
				if !slices.Contains(before, line) {
					c.Errorf("the reset made %s", line)
				}
			}
		}},
		{Rule: "lockoutTime is 0 afterwards", run: func(c *check) {
			dn := c.user("unlocking")
			c.must(c.reset("unlocking", newPassword))
			if got := c.get(dn, "lockoutTime"); got != "0" && got != "" {
				c.Errorf("lockoutTime is %s", got)
			}
		}},
		{Rule: "wrong passwords are forgotten, but not when the last one was", run: func(c *check) {
			dn := c.user("forgiven")
			c.threshold(5, 30*time.Minute)
			c.refused("forgiven", "wrong", "52e")
			last := c.get(dn, "badPasswordTime")
			c.must(c.reset("forgiven", newPassword))
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "0")
			c.equal("badPasswordTime", c.get(dn, "badPasswordTime"), last)
		}},
		{Rule: "groups stay as they are", run: func(c *check) {
			dn := c.user("grouped")
			one, two := c.group("grouping-one", globalGroup, dn), c.group("grouping-two", domainLocalGroup, dn)
			c.must(c.reset("grouped", newPassword))
			if !c.has(dn, "memberOf", one) || !c.has(dn, "memberOf", two) {
				c.Errorf("%q", c.values(dn, "memberOf"))
			}
		}},
		{Rule: "a user in another OU than the others can be reset", run: func(c *check) {
			c.userAt("CN=remote,"+c.unit("OU=Off, "+c.Domain.CustomerDN()), "off-side")
			c.must(c.reset("off-side", newPassword))
			c.accepted("off-side", newPassword)
		}},
		{Rule: "uSNChanged grows", run: func(c *check) {
			dn := c.user("counted")
			before, _ := strconv.ParseInt(c.get(dn, "uSNChanged"), 10, 64)
			c.must(c.reset("counted", newPassword))
			if after, _ := strconv.ParseInt(c.get(dn, "uSNChanged"), 10, 64); after <= before {
				c.Errorf("uSNChanged went from %d to %d", before, after)
			}
		}},
		{Rule: "msDS-KeyVersionNumber grows", run: func(c *check) {
			dn := c.user("versioned")
			before, _ := strconv.Atoi(c.get(dn, "msDS-KeyVersionNumber"))
			c.must(c.reset("versioned", newPassword))
			if after, _ := strconv.Atoi(c.get(dn, "msDS-KeyVersionNumber")); after <= before {
				c.Errorf("msDS-KeyVersionNumber went from %d to %d", before, after)
			}
		}},
		{Rule: "the new password can't be read", run: func(c *check) {
			dn := c.user("secretive")
			c.must(c.reset("secretive", newPassword))
			for _, attributes := range [][]string{nil, {"*"}, {"unicodePwd"}, {"*", "unicodePwd", "ntPwdHistory", "supplementalCredentials"}} {
				for _, attribute := range c.seen(c.accepted("secretive", newPassword), dn, attributes...).Attributes {
					if strings.Contains(strings.ToLower(attribute.Name), "pwd") && attribute.Name != "pwdLastSet" && attribute.Name != "badPwdCount" || attribute.Name == "supplementalCredentials" {
						c.Errorf("%s is shown", attribute.Name)
					}
				}
			}
		}},
	}
}

// choices: what AWS leaves open and the operator chooses.
func choices() []Scenario {
	return []Scenario{
		{Rule: "asked to, the user must choose another password at the next logon", run: func(c *check) {
			dn := c.user("chooses")
			c.must(c.resetWith("chooses", newPassword, directory.ResetOptions{MustChange: true}))
			c.equal("pwdLastSet", c.get(dn, "pwdLastSet"), "0")
			c.refused("chooses", newPassword, "773")
			c.refused("chooses", oldPassword, "52e")
		}},
		{Rule: "what the operator has the reset leave out stays as it is", run: func(c *check) {
			dn := c.user("left-out")
			c.set(dn, "userAccountControl", "514")
			c.must(c.resetWith("left-out", newPassword, directory.ResetOptions{LeaveOut: []string{"UserAccountControl", "lockoutTime"}, Unlock: true}))
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), "514")
			c.refused("left-out", newPassword, "533")
		}},
		{Rule: "below the operator's bases a user is reset, and outside nobody", run: func(c *check) {
			base := c.unit("OU=Bounded," + c.Domain.CustomerDN())
			c.userAt("CN=within,"+base, "within")
			outside := c.user("without")
			options := directory.ResetOptions{Bases: []string{strings.ToUpper(base)}}
			c.must(c.resetWith("within", newPassword, options))
			c.accepted("within", newPassword)
			c.unchanged(outside, func() { c.wraps(c.resetWith("without", newPassword, options), directory.ErrProtected) })
		}},
		{Rule: "asked to, a reset keeps to the history", run: func(c *check) {
			c.user("historic")
			c.must(c.reset("historic", newPassword))
			c.wraps(c.resetWith("historic", newPassword, directory.ResetOptions{History: true}), directory.ErrPassword)
			c.must(c.resetWith("historic", "Autumn-Wind-2027", directory.ResetOptions{History: true}))
			c.accepted("historic", "Autumn-Wind-2027")
		}},
		{Rule: "the administrator of the directory can be reset", run: func(c *check) {
			c.must(c.reset(c.Domain.Administrator(), newPassword))
			c.accepted(c.Domain.Administrator(), newPassword)
		}},
	}
}

// seen is an entry as a session sees it.
func (c *check) seen(session directory.Conn, dn string, attributes ...string) *ldap.Entry {
	result, err := session.Search(c.Context(), ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attributes, nil))
	if err != nil || len(result.Entries) != 1 {
		c.Fatalf("read %s: %v", dn, err)
	}
	return result.Entries[0]
}

// flags: a reset enables, demands a password again, and leaves the other flags.
func flags() (scenarios []Scenario) {
	for _, s := range []struct{ name, what, before, after string }{
		{"enabled", "of an enabled account", "512", "512"},
		{"disabled", "of a disabled account: it is enabled", "514", "512"},
		{"notreqd", "with PASSWD_NOTREQD: a password is demanded again", "544", "512"},
		{"fresh", "of an account as an Add leaves it", "546", "512"},
		{"noexpire", "with DONT_EXPIRE_PASSWORD", "66050", "66048"},
		{"cantchange", "with DONT_EXPIRE_PASSWORD and PASSWD_NOTREQD", "66082", "66048"},
		{"notdelegated", "with NOT_DELEGATED", "1049088", "1049088"},
		{"desonly", "with USE_DES_KEY_ONLY, disabled", "2097666", "2097664"},
		{"nopreauth", "with DONT_REQ_PREAUTH, disabled", "4194818", "4194816"},
		{"delegating", "with TRUSTED_FOR_DELEGATION, disabled", "524802", "524800"},
		{"transition", "with TRUSTED_TO_AUTH_FOR_DELEGATION, disabled", "16777730", "16777728"},
		{"reversible", "with ENCRYPTED_TEXT_PWD_ALLOWED, disabled", "642", "640"},
	} {
		scenarios = append(scenarios, Scenario{Rule: "the flags after a reset " + s.what, run: func(c *check) {
			dn := c.user(s.name)
			c.set(dn, "userAccountControl", s.before)
			c.must(c.reset(s.name, newPassword))
			c.equal("userAccountControl", c.get(dn, "userAccountControl"), s.after)
			c.accepted(s.name, newPassword)
			c.refused(s.name, oldPassword, "52e")
		}})
	}
	return scenarios
}

// refusals: a reset that is refused changes nothing at all.
func refusals() []Scenario {
	refused := func(rule, name, password string, want error, prepare func(c *check, dn string), data string) Scenario {
		return Scenario{Rule: rule, run: func(c *check) {
			dn := c.user(name)
			prepare(c, dn)
			c.unchanged(dn, func() { c.wraps(c.reset(name, password), want) })
			if data == "" {
				c.accepted(name, oldPassword)
			} else {
				c.refused(name, oldPassword, data)
			}
		}}
	}
	nothing := func(*check, string) {}
	return []Scenario{
		refused("a password that is too short changes nothing", "stays-short", "Sh0rt!", directory.ErrPassword, nothing, ""),
		refused("a password without complexity changes nothing", "stays-plain", "alllowercase", directory.ErrPassword, nothing, ""),
		refused("a password of two kinds of characters changes nothing", "stays-two", "lower123only", directory.ErrPassword, nothing, ""),
		refused("an empty password changes nothing", "stays-empty", "", directory.ErrPassword, nothing, ""),
		refused("a password with U+0000 changes nothing", "stays-nul", "Nul-\x00-1234", directory.ErrUnstorable, nothing, ""),
		refused("a disabled account stays disabled", "stays-disabled", "short", directory.ErrPassword, func(c *check, dn string) {
			c.set(dn, "userAccountControl", "514")
		}, "533"),
		refused("who must change the password still must", "stays-must", "short", directory.ErrPassword, func(c *check, dn string) {
			c.set(dn, "pwdLastSet", "0")
		}, "773"),
		{Rule: "a locked account stays locked", run: func(c *check) {
			dn := c.locked("stays-locked")
			c.unchanged(dn, func() { c.wraps(c.reset("stays-locked", "short"), directory.ErrPassword) })
			c.refused("stays-locked", oldPassword, "775")
		}},
		{Rule: "the refusal does not show the password", run: func(c *check) {
			c.user("discreet")
			const password = "tellnobodythis"
			if err := c.reset("discreet", password); err == nil || strings.Contains(err.Error(), password) {
				c.Errorf("%v", err)
			}
		}},
	}
}
