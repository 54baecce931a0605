package directorytest

import (
	"strconv"
	"time"

	"latchkey/internal/directory"
)

// ages: what becomes of a password with time. By default it lives 42 days.
func ages() []Scenario {
	const day = 24 * time.Hour
	aged := func(rule, name string, age time.Duration, run func(c *check, dn string)) Scenario {
		return Scenario{Rule: rule, run: func(c *check) {
			dn := c.user(name)
			c.Backdate(c, dn, age)
			run(c, dn)
		}}
	}
	return []Scenario{
		aged("a password older than maxPwdAge has expired: 532", "aged", 43*day, func(c *check, _ string) {
			c.refused("aged", oldPassword, "532")
			c.refused("aged", newPassword, "52e")
		}),
		aged("a password not yet as old has not", "aging", 41*day, func(c *check, _ string) { c.accepted("aging", oldPassword) }),
		aged("a reset begins a new life", "refreshed", 43*day, func(c *check, _ string) {
			c.must(c.reset("refreshed", newPassword))
			c.accepted("refreshed", newPassword)
		}),
		aged("a refused reset does not", "still-aged", 43*day, func(c *check, dn string) {
			c.unchanged(dn, func() { c.wraps(c.reset("still-aged", "short"), directory.ErrPassword) })
			c.refused("still-aged", oldPassword, "532")
		}),
		aged("with DONT_EXPIRE_PASSWORD a password does not expire", "ageless", 1000*day, func(c *check, dn string) {
			c.set(dn, "userAccountControl", "66048")
			c.accepted("ageless", oldPassword)
		}),
		aged("a shorter maxPwdAge counts at once", "short-lived", 5*day, func(c *check, _ string) {
			c.accepted("short-lived", oldPassword)
			c.policy("maxPwdAge", directory.Interval(4*day))
			c.refused("short-lived", oldPassword, "532")
		}),
		aged("with a maxPwdAge of 0 no password expires", "eternal", 1000*day, func(c *check, _ string) {
			c.policy("maxPwdAge", "0")
			c.accepted("eternal", oldPassword)
		}),
		aged("with the smallest maxPwdAge no password expires", "eternal-too", 1000*day, func(c *check, _ string) {
			c.policy("maxPwdAge", strconv.FormatInt(-directory.Never-1, 10))
			c.accepted("eternal-too", oldPassword)
		}),
		aged("a password older than minPwdAge can be changed by its owner", "ripe", 25*time.Hour, func(c *check, dn string) {
			c.must(c.changeOwn(c.accepted("ripe", oldPassword), dn, oldPassword, newPassword))
			c.accepted("ripe", newPassword)
		}),
		aged("a disabled account with an expired password is refused as disabled: 533", "aged-off", 43*day, func(c *check, dn string) {
			c.set(dn, "userAccountControl", "514")
			c.refused("aged-off", oldPassword, "533")
		}),
	}
}
