package directorytest

import (
	"regexp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

var dataCode = regexp.MustCompile(`data ([0-9a-f]+)`)

// data is the code in the refusal of a login, and "" when it is taken.
func (c *check) data(name, password string) string {
	_, err := c.Login(c, c.qualified(name), password)
	if err == nil {
		return ""
	}
	if code := dataCode.FindStringSubmatch(err.Error()); code != nil {
		return code[1]
	}
	return err.Error()
}

// person is a rule about a user with the old password.
func person(rule, name string, run func(c *check, dn string)) Scenario {
	return Scenario{Rule: rule, run: func(c *check) { run(c, c.user(name)) }}
}

// takes holds that the name with the old password is good for a login.
func (c *check) takes(login string) {
	if _, err := c.Login(c, login, oldPassword); err != nil {
		c.Errorf("as %s: %v", login, err)
	}
}

func (c *check) refuses(login string) {
	_, err := c.Login(c, login, oldPassword)
	c.result(err, ldap.LDAPResultInvalidCredentials)
}

// logins: by which names one logs in.
func logins() []Scenario {
	return []Scenario{
		person("by the domain's short name and the account's", "by-short", func(c *check, _ string) { c.takes(c.Domain.NetBIOS + `\by-short`) }),
		person("by names in any case of letters", "by-case", func(c *check, _ string) { c.takes(strings.ToLower(c.Domain.NetBIOS) + `\BY-CASE`) }),
		person("by the account's name and the domain's DNS name", "by-implicit", func(c *check, _ string) { c.takes("by-implicit@" + c.Domain.Name) }),
		person("by userPrincipalName", "by-upn", func(c *check, dn string) {
			c.set(dn, "userPrincipalName", "quite.other@"+c.Domain.Name)
			c.takes("Quite.Other@" + c.Domain.Name)
		}),
		person("by a userPrincipalName of another suffix", "by-suffix", func(c *check, dn string) {
			c.set(dn, "userPrincipalName", "mail.name@elsewhere.example")
			c.takes("mail.name@elsewhere.example")
		}),
		person("by DN", "by-dn", func(c *check, dn string) { c.takes(dn) }),
		person("by DN in any case of letters", "by-dn-case", func(c *check, dn string) { c.takes(strings.ToLower(dn)) }),
		{Rule: "by a DN with escapes", run: func(c *check) {
			c.takes(c.userAt(c.at(`Doe, Jane "JD" #1+2;3<4>\5`), "by-dn-escaped"))
		}},
		person("not by the short name of another domain", "by-foreign", func(c *check, _ string) { c.refuses(`ELSEWHERE\by-foreign`) }),
		{Rule: "not by common name", run: func(c *check) {
			c.userAt(c.at("Common Name"), "by-common")
			c.refuses(c.qualified("Common Name"))
		}},
		person("not by the name before a rename of the account", "by-former", func(c *check, dn string) {
			c.set(dn, "sAMAccountName", "by-latter")
			c.refuses(c.qualified("by-former"))
			c.takes(c.qualified("by-latter"))
		}),
		{Rule: "not by a DN that does not exist", run: func(c *check) { c.refuses(c.at("does not exist")) }},
		{Rule: "not as a group", run: func(c *check) {
			c.group("by-group", globalGroup)
			c.refuses(c.qualified("by-group"))
		}},
	}
}

// reasons: why one may not log in, in AD's data codes (MS-ADTS section 5.1.1.1).
func reasons() []Scenario {
	return []Scenario{
		{Rule: "an account that does not exist is refused: 525", run: func(c *check) { c.refused("nobody-here", oldPassword, "525") }},
		person("a wrong password is refused: 52e", "wrong", func(c *check, _ string) { c.refused("wrong", newPassword, "52e") }),
		person("passwords differ by the case of letters", "cased", func(c *check, _ string) { c.refused("cased", strings.ToUpper(oldPassword), "52e") }),
		{Rule: "an account without a password takes none", run: func(c *check) {
			c.account("bare")
			c.refused("bare", oldPassword, "52e")
		}},
		person("a disabled account is refused: 533", "off", func(c *check, dn string) {
			c.set(dn, "userAccountControl", "514")
			c.refused("off", oldPassword, "533")
		}),
		person("a disabled account with a wrong password is refused: 52e", "off-wrong", func(c *check, dn string) {
			c.set(dn, "userAccountControl", "514")
			c.refused("off-wrong", newPassword, "52e")
		}),
		person("an expired account is refused: 701", "over", func(c *check, dn string) {
			c.set(dn, "accountExpires", directory.FileTime(time.Now().Add(-time.Hour)))
			c.refused("over", oldPassword, "701")
			c.refused("over", newPassword, "52e")
		}),
		person("a reset does not prolong an expired account", "still-over", func(c *check, dn string) {
			past := directory.FileTime(time.Now().Add(-time.Hour))
			c.set(dn, "accountExpires", past)
			c.must(c.reset("still-over", newPassword))
			c.equal("accountExpires", c.get(dn, "accountExpires"), past)
			c.refused("still-over", newPassword, "701")
		}),
		person("an account that expires later is not refused", "not-yet", func(c *check, dn string) {
			c.set(dn, "accountExpires", directory.FileTime(time.Now().Add(time.Hour)))
			c.accepted("not-yet", oldPassword)
		}),
		person("accountExpires of 0 and of the largest integer mean never", "never", func(c *check, dn string) {
			c.set(dn, "accountExpires", "0")
			c.accepted("never", oldPassword)
			c.set(dn, "accountExpires", "9223372036854775807")
			c.accepted("never", oldPassword)
		}),
		person("who must change the password is refused: 773", "must", func(c *check, dn string) {
			c.set(dn, "pwdLastSet", "0")
			c.refused("must", oldPassword, "773")
			c.refused("must", newPassword, "52e")
		}),
		person("pwdLastSet of -1 ends that the password must be changed", "must-no-more", func(c *check, dn string) {
			c.set(dn, "pwdLastSet", "0")
			c.set(dn, "pwdLastSet", "-1")
			c.accepted("must-no-more", oldPassword)
		}),
		person("disabled comes before expired and must change", "all-at-once", func(c *check, dn string) {
			c.set(dn, "pwdLastSet", "0")
			c.set(dn, "accountExpires", directory.FileTime(time.Now().Add(-time.Hour)))
			c.set(dn, "userAccountControl", "514")
			c.refused("all-at-once", oldPassword, "533")
			c.set(dn, "userAccountControl", "512")
			c.refused("all-at-once", oldPassword, "701")
		}),
		person("a computer logs in with its password", "host-owner", func(c *check, _ string) {
			c.add(c.at("HOST1"), map[string][]string{"objectClass": {"computer"}, "sAMAccountName": {"HOST1$"}, "userAccountControl": {"4096"}, "unicodePwd": {encoded(oldPassword)}})
			c.takes(c.qualified("HOST1$"))
		}),
		person("a computer's password need not keep to the policy", "host-keeper", func(c *check, _ string) {
			c.add(c.at("HOST2"), map[string][]string{"objectClass": {"computer"}, "sAMAccountName": {"HOST2$"}, "userAccountControl": {"4096"}, "unicodePwd": {encoded("weak")}})
		}),
	}
}
