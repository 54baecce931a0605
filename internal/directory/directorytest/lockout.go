package directorytest

import (
	"strconv"
	"time"

	"latchkey/internal/directory"
)

// locked adds a user and locks the account by wrong passwords; the threshold holds for the scenario.
func (c *check) locked(name string) string {
	dn := c.user(name)
	c.threshold(2, 30*time.Minute)
	c.refused(name, "wrong", "52e")
	c.refused(name, "wrong", "52e")
	c.refused(name, oldPassword, "775")
	return dn
}

func (c *check) threshold(failures int, duration time.Duration) {
	c.policy("lockOutObservationWindow", directory.Interval(duration))
	c.policy("lockoutDuration", directory.Interval(duration))
	c.policy("lockoutThreshold", strconv.Itoa(failures))
}

// lockouts: too many wrong passwords.
func lockouts() []Scenario {
	return []Scenario{
		{Rule: "at the threshold the account is locked, and the right password refused: 775", run: func(c *check) {
			dn := c.locked("locked")
			if since := time.Since(directory.ParseFileTime(c.get(dn, "lockoutTime"))); since < -time.Minute || since > time.Minute {
				c.Errorf("lockoutTime is %v ago", since)
			}
			c.refused("locked", "wrong", "775")
		}},
		{Rule: "below the threshold it is not", run: func(c *check) {
			dn := c.user("unlocked")
			c.threshold(3, 30*time.Minute)
			c.refused("unlocked", "wrong", "52e")
			c.refused("unlocked", "wrong", "52e")
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "2")
			c.accepted("unlocked", oldPassword)
		}},
		{Rule: "a login ends the count", run: func(c *check) {
			dn := c.user("recounted")
			c.threshold(2, 30*time.Minute)
			for range 3 {
				c.refused("recounted", "wrong", "52e")
				c.accepted("recounted", oldPassword)
			}
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "0")
		}},
		{Rule: "badPasswordTime is the time of the last wrong password", run: func(c *check) {
			dn := c.user("mistaken")
			c.threshold(3, 30*time.Minute)
			c.refused("mistaken", "wrong", "52e")
			if since := time.Since(directory.ParseFileTime(c.get(dn, "badPasswordTime"))); since < -time.Minute || since > time.Minute {
				c.Errorf("badPasswordTime is %v ago", since)
			}
		}},
		{Rule: "without a threshold nobody is locked", run: func(c *check) {
			c.user("endless")
			for range 12 {
				c.refused("endless", "wrong", "52e")
			}
			c.accepted("endless", oldPassword)
		}},
		{Rule: "without a threshold wrong passwords are not counted", run: func(c *check) {
			dn := c.user("tallied")
			c.refused("tallied", "wrong", "52e")
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "0")
		}},
		{Rule: "a reset unlocks", run: func(c *check) {
			dn := c.locked("released")
			c.must(c.reset("released", newPassword))
			c.accepted("released", newPassword)
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "0")
			c.equal("lockoutTime", c.get(dn, "lockoutTime"), "0")
		}},
		{Rule: "a reset that is asked not to unlock does not", run: func(c *check) {
			dn := c.locked("held")
			before := c.get(dn, "lockoutTime")
			c.must(c.resetWith("held", newPassword, directory.ResetOptions{}))
			c.refused("held", newPassword, "775")
			c.equal("lockoutTime", c.get(dn, "lockoutTime"), before)
		}},
		{Rule: "lockoutTime of 0 unlocks", run: func(c *check) {
			dn := c.locked("by-hand")
			c.set(dn, "lockoutTime", "0")
			c.accepted("by-hand", oldPassword)
		}},
		{Rule: "after lockoutDuration the account is free", run: func(c *check) {
			c.user("patient")
			c.threshold(2, 30*time.Minute)
			c.refused("patient", "wrong", "52e")
			c.set(c.Domain.BaseDN(), "lockoutDuration", directory.Interval(time.Second))
			c.refused("patient", "wrong", "52e")
			c.eventually("free", func() bool { return c.data("patient", oldPassword) == "" })
		}},
		{Rule: "with a lockoutDuration of 0 the account stays locked until it is unlocked", run: func(c *check) {
			dn := c.locked("forever")
			c.set(c.Domain.BaseDN(), "lockoutDuration", "0")
			c.refused("forever", oldPassword, "775")
			c.must(c.reset("forever", newPassword))
			c.accepted("forever", newPassword)
			c.equal("lockoutTime", c.get(dn, "lockoutTime"), "0")
		}},
		{Rule: "wrong passwords at once are all counted", run: func(c *check) {
			dn := c.user("stormed")
			c.threshold(9, 30*time.Minute)
			c.all(4, func(int) { c.refused("stormed", "wrong", "52e") })
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "4")
		}},
		{Rule: "after the observation window the count begins anew", run: func(c *check) {
			dn := c.user("observed")
			c.threshold(3, time.Second)
			c.refused("observed", "wrong", "52e")
			last := directory.ParseFileTime(c.get(dn, "badPasswordTime"))
			c.eventually("out of the window", func() bool { return time.Since(last) > 1200*time.Millisecond })
			c.refused("observed", "wrong", "52e")
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "1")
		}},
		{Rule: "a locked account is disabled and enabled and stays locked", run: func(c *check) {
			dn := c.locked("toggled")
			c.set(dn, "userAccountControl", "514")
			c.set(dn, "userAccountControl", "512")
			c.refused("toggled", oldPassword, "775")
		}},
		{Rule: "the built-in Administrator is never locked", Kind: directory.SimpleAD, run: func(c *check) {
			c.must(c.reset("Administrator", oldPassword))
			c.threshold(2, 30*time.Minute)
			for range 4 {
				c.refused("Administrator", "wrong", "52e")
			}
			c.accepted("Administrator", oldPassword)
		}},
		{Rule: "the Admin of a managed directory is locked like everybody, and a reset unlocks", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.must(c.reset("Admin", oldPassword))
			c.threshold(2, 30*time.Minute)
			c.refused("Admin", "wrong", "52e")
			c.refused("Admin", "wrong", "52e")
			c.refused("Admin", oldPassword, "775")
			c.must(c.reset("Admin", newPassword))
			c.accepted("Admin", newPassword)
		}},
	}
}
