package directorytest

import (
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// changeOwn is a user's own change of the password, which names the old one (MS-ADTS section 3.1.1.3.1.5).
func (c *check) changeOwn(session directory.Conn, dn, from, to string) error {
	request := ldap.NewModifyRequest(dn, nil)
	request.Delete("unicodePwd", []string{encoded(from)})
	request.Add("unicodePwd", []string{encoded(to)})
	return session.Modify(c.Context(), request)
}

// changes: a user's own change of the password keeps to what a reset passes.
func changes() []Scenario {
	own := func(rule, name string, run func(c *check, dn string, session directory.Conn)) Scenario {
		return Scenario{Rule: rule, run: func(c *check) {
			dn := c.user(name)
			c.policy("minPwdAge", "0")
			run(c, dn, c.accepted(name, oldPassword))
		}}
	}
	restricted := func(c *check, err error) {
		c.result(err, ldap.LDAPResultConstraintViolation)
		if err != nil && !strings.Contains(err.Error(), "0000052D") {
			c.Errorf("%v, want 0000052D", err)
		}
	}
	return []Scenario{
		own("who knows the old password changes it", "own-good", func(c *check, dn string, session directory.Conn) {
			c.must(c.changeOwn(session, dn, oldPassword, newPassword))
			c.accepted("own-good", newPassword)
			c.refused("own-good", oldPassword, "52e")
		}),
		own("a wrong old password changes nothing", "own-wrong", func(c *check, dn string, session directory.Conn) {
			err := c.changeOwn(session, dn, "Wrong-0ld-one", newPassword)
			c.result(err, ldap.LDAPResultConstraintViolation)
			if err != nil && !strings.Contains(err.Error(), "00000056") {
				c.Errorf("%v, want 00000056", err)
			}
			c.accepted("own-wrong", oldPassword)
		}),
		own("a new password that is too short is refused", "own-short", func(c *check, dn string, session directory.Conn) {
			restricted(c, c.changeOwn(session, dn, oldPassword, "Sh0rt!"))
			c.accepted("own-short", oldPassword)
		}),
		own("the same password is in the history", "own-same", func(c *check, dn string, session directory.Conn) {
			restricted(c, c.changeOwn(session, dn, oldPassword, oldPassword))
		}),
		own("an earlier password is in the history", "own-earlier", func(c *check, dn string, session directory.Conn) {
			c.must(c.changeOwn(session, dn, oldPassword, newPassword))
			restricted(c, c.changeOwn(session, dn, newPassword, oldPassword))
			c.accepted("own-earlier", newPassword)
		}),
		own("what an administrator's reset replaced is in the history", "own-replaced", func(c *check, dn string, session directory.Conn) {
			c.must(c.reset("own-replaced", newPassword))
			restricted(c, c.changeOwn(c.accepted("own-replaced", newPassword), dn, newPassword, oldPassword))
		}),
		own("with a pwdHistoryLength of 0 there is no history", "own-forgotten", func(c *check, dn string, session directory.Conn) {
			c.policy("pwdHistoryLength", "0")
			c.must(c.changeOwn(session, dn, oldPassword, newPassword))
			c.must(c.changeOwn(session, dn, newPassword, oldPassword))
		}),
		own("a password younger than minPwdAge can't be changed", "own-young", func(c *check, dn string, session directory.Conn) {
			c.set(c.Domain.BaseDN(), "minPwdAge", "-864000000000")
			restricted(c, c.changeOwn(session, dn, oldPassword, newPassword))
			c.accepted("own-young", oldPassword)
		}),
		own("pwdLastSet is the time of the change", "own-timed", func(c *check, dn string, session directory.Conn) {
			before := c.get(dn, "pwdLastSet")
			c.must(c.changeOwn(session, dn, oldPassword, newPassword))
			if c.get(dn, "pwdLastSet") == before {
				c.Errorf("pwdLastSet stays")
			}
		}),
		own("a user can't reset his own password without the old one", "own-reset", func(c *check, dn string, session directory.Conn) {
			request := ldap.NewModifyRequest(dn, nil)
			request.Replace("unicodePwd", []string{encoded(newPassword)})
			c.result(session.Modify(c.Context(), request), ldap.LDAPResultInsufficientAccessRights)
			c.accepted("own-reset", oldPassword)
		}),
		own("a user can't reset somebody else's password", "own-other", func(c *check, dn string, session directory.Conn) {
			other := c.user("own-victim")
			request := ldap.NewModifyRequest(other, nil)
			request.Replace("unicodePwd", []string{encoded(newPassword)})
			c.result(session.Modify(c.Context(), request), ldap.LDAPResultInsufficientAccessRights)
			c.accepted("own-victim", oldPassword)
		}),
		own("a user can't change his own flags", "own-flags", func(c *check, dn string, session directory.Conn) {
			request := ldap.NewModifyRequest(dn, nil)
			request.Replace("userAccountControl", []string{"66048"})
			c.result(session.Modify(c.Context(), request), ldap.LDAPResultInsufficientAccessRights)
		}),
	}
}
