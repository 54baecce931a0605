package directorytest

import (
	"strings"

	"latchkey/internal/directory"
)

// passwords: what the domain's settings demand of a new password.
func passwords() []Scenario {
	scenarios := []Scenario{
		{Rule: "a new domain has AD's settings", run: func(c *check) {
			for attribute, want := range directory.DefaultPasswordSettings().Attributes() {
				if attribute == "lockoutDuration" || attribute == "lockOutObservationWindow" {
					continue // these mean nothing without a threshold
				}
				c.equal(attribute, c.get(c.Domain.BaseDN(), attribute), want)
			}
		}},
		{Rule: "minPwdLength counts", run: func(c *check) {
			c.user("longer")
			c.policy("minPwdLength", "14")
			c.wraps(c.reset("longer", "T00-short-now"), directory.ErrPassword)
			c.must(c.reset("longer", "L0ng-enough-now"))
		}},
		{Rule: "without minPwdLength and complexity everything goes", run: func(c *check) {
			c.user("freely")
			c.policy("minPwdLength", "0")
			c.policy("pwdProperties", "0")
			c.must(c.reset("freely", "a"))
			c.accepted("freely", "a")
		}},
		{Rule: "complexity is demanded by the first bit of pwdProperties", run: func(c *check) {
			c.user("complex")
			c.policy("pwdProperties", "0")
			c.must(c.reset("complex", "alllowercase"))
			c.set(c.Domain.BaseDN(), "pwdProperties", "1")
			c.wraps(c.reset("complex", "alllowercase"), directory.ErrPassword)
		}},
		{Rule: "settings that are made stricter leave the passwords there are", run: func(c *check) {
			c.user("grandfathered")
			c.policy("minPwdLength", "60")
			c.accepted("grandfathered", oldPassword)
		}},
		{Rule: "the password may not contain the account's name", run: func(c *check) {
			c.user("contained")
			c.wraps(c.reset("contained", "xx-CONTAINED-1"), directory.ErrPassword)
		}},
		{Rule: "the password may not contain a part of the display name", run: func(c *check) {
			c.set(c.user("shown-as"), "displayName", "Jane Doe-Miller")
			c.wraps(c.reset("shown-as", "My-miller-1234"), directory.ErrPassword)
		}},
		{Rule: "a space is no symbol", run: func(c *check) {
			c.user("spaced")
			c.wraps(c.reset("spaced", "lower and 123"), directory.ErrPassword)
		}},
	}
	for _, s := range []struct{ what, name, password string }{
		{"upper, lower and digits", "kinds1", "G00denough"},
		{"lower, digits and symbols", "kinds2", "g00d-enough"},
		{"letters that are neither upper nor lower", "kinds3", "漢字漢字 aB3"},
		{"quotes and backslashes", "kinds4", "Quote\"s-and-\\1"},
		{"characters beyond the BMP", "kinds5", "😀😀😀😀-aB3"},
		{"letters with accents", "kinds6", "Ünïcödé-123"},
		{"spaces around it", "kinds7", "  Around-1t  "},
		{"control characters", "kinds8", "Tab\tand\x01-1"},
		{"exactly seven characters", "kinds9", "Seven-7"},
		{"127 characters", "kinds10", strings.Repeat("aB3-", 31) + "xyz"},
		{"what looks like a filter or a DN", "kinds11", "(CN=*)\\2a,;<1>"},
	} {
		scenarios = append(scenarios, Scenario{Rule: "a password of " + s.what + " is good", run: func(c *check) {
			c.user(s.name)
			c.must(c.reset(s.name, s.password))
			c.accepted(s.name, s.password)
			c.refused(s.name, s.password+"x", "52e")
		}})
	}
	return scenarios
}
