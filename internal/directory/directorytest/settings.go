package directorytest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// longPassword is what the suite's password settings objects demand.
const longPassword = "L0ng-L0ng-L0ng-L0ng-L0ng"

// fineGrained: password settings of a group or a user (MS-ADTS section 3.1.1.4.5.36).
func fineGrained() []Scenario {
	return []Scenario{
		{Rule: "settings of a global group hold for its members, and for nobody else", run: func(c *check) {
			group := c.group("strict-ones", globalGroup, c.user("strict"))
			c.user("not-strict")
			c.settings("group-pso", 10, nil, group)
			c.wraps(c.reset("strict", "T00-short-for-pso"), directory.ErrPassword)
			c.must(c.reset("not-strict", "T00-short-for-pso"))
			c.must(c.reset("strict", longPassword))
			c.accepted("strict", longPassword)
		}},
		{Rule: "settings of a group hold for members of its members", run: func(c *check) {
			inner := c.group("pso-inner", globalGroup, c.user("strict-nested"))
			c.settings("nested-pso", 10, nil, c.group("pso-outer", globalGroup, inner))
			c.wraps(c.reset("strict-nested", "T00-short-for-pso"), directory.ErrPassword)
		}},
		{Rule: "settings of a universal or a domain local group hold for nobody", run: func(c *check) {
			dn := c.user("not-global")
			c.settings("not-global-pso", 10, nil, c.group("pso-universal", universalGroup, dn), c.group("pso-local", domainLocalGroup, dn))
			c.must(c.reset("not-global", "T00-short-for-pso"))
			c.equal("msDS-ResultantPSO", c.get(dn, "msDS-ResultantPSO"), "")
		}},
		{Rule: "of two groups' settings the one of the lower precedence holds, and a user's own before all", run: func(c *check) {
			dn := c.user("ranked")
			group := c.group("ranked-ones", globalGroup, dn)
			c.settings("low-pso", 30, nil, group)
			c.resultant(dn, c.settings("high-pso", 20, nil, group))
			c.resultant(dn, c.settings("own-pso", 40, nil, dn))
		}},
		{Rule: "who has settings of others shows them", run: func(c *check) {
			group := c.group("shows-pso", globalGroup)
			if object := c.settings("shown-pso", 10, nil, group); !c.has(group, "msDS-PSOApplied", object) || !c.has(object, "msDS-PSOAppliesTo", group) {
				c.Errorf("msDS-PSOApplied is %q", c.values(group, "msDS-PSOApplied"))
			}
		}},
		{Rule: "without the settings the domain's hold again", run: func(c *check) {
			object := c.settings("passing-pso", 10, nil, c.user("passing"))
			c.wraps(c.reset("passing", "T00-short-for-pso"), directory.ErrPassword)
			c.must(c.delete(object))
			c.must(c.reset("passing", "T00-short-for-pso"))
		}},
		{Rule: "the settings' lockout threshold counts, and a reset unlocks", run: func(c *check) {
			dn := c.user("pso-locked")
			half := directory.Interval(30 * time.Minute)
			c.settings("lockout-pso", 10, attributes{"msDS-LockoutThreshold": {"2"}, "msDS-LockoutObservationWindow": {half}, "msDS-LockoutDuration": {half}}, dn)
			c.refused("pso-locked", "wrong", "52e")
			c.refused("pso-locked", "wrong", "52e")
			c.refused("pso-locked", oldPassword, "775")
			c.must(c.reset("pso-locked", longPassword))
			c.accepted("pso-locked", longPassword)
		}},
		{Rule: "the settings' maxPwdAge counts", run: func(c *check) {
			dn := c.user("pso-aged")
			c.Backdate(c, dn, 5*24*time.Hour)
			c.accepted("pso-aged", oldPassword)
			c.settings("aging-pso", 10, attributes{"msDS-MaximumPasswordAge": {directory.Interval(4 * 24 * time.Hour)}}, dn)
			c.refused("pso-aged", oldPassword, "532")
		}},
		{Rule: "the settings' history counts for a user's own change", run: func(c *check) {
			dn := c.user("pso-history")
			c.settings("history-pso", 10, attributes{"msDS-PasswordHistoryLength": {"3"}}, dn)
			session := c.accepted("pso-history", oldPassword)
			c.must(c.changeOwn(session, dn, oldPassword, longPassword))
			c.result(c.changeOwn(session, dn, longPassword, longPassword), ldap.LDAPResultConstraintViolation)
		}},
		{Rule: "AWS's five settings objects are there, and hold for nobody", Kind: directory.MicrosoftAD, run: func(c *check) {
			entries, err := c.trySearch(c.settingsDN(), ldap.ScopeSingleLevel, "(cn=CustomerPSO-*)", "msDS-PasswordSettingsPrecedence", "msDS-PSOAppliesTo", "msDS-MinimumPasswordLength", "name")
			c.must(err)
			var got []string
			for _, entry := range entries {
				got = append(got, entry.GetAttributeValue("name")+" "+entry.GetAttributeValue("msDS-PasswordSettingsPrecedence")+" "+entry.GetAttributeValue("msDS-MinimumPasswordLength"))
				if len(entry.GetAttributeValues("msDS-PSOAppliesTo")) > 0 {
					c.Errorf("%s holds for somebody", entry.DN)
				}
			}
			slices.Sort(got)
			c.equal("settings", strings.Join(got, ", "), "CustomerPSO-01 10 7, CustomerPSO-02 20 7, CustomerPSO-03 30 7, CustomerPSO-04 40 7, CustomerPSO-05 50 7")
		}},
		{Rule: "settings that contradict each other are refused", run: func(c *check) {
			half, hour := directory.Interval(30*time.Minute), directory.Interval(time.Hour)
			dn := c.settings("contradicting-pso", 10, attributes{"msDS-MaximumPasswordAge": {hour}})
			c.result(c.trySet(dn, "msDS-MinimumPasswordAge", hour), ldap.LDAPResultUnwillingToPerform)
			c.set(dn, "msDS-LockoutDuration", half)
			c.result(c.trySet(dn, "msDS-LockoutObservationWindow", hour), ldap.LDAPResultUnwillingToPerform)
			c.must(c.delete(dn))
		}},
		{Rule: "settings keep to what the schema allows", run: func(c *check) {
			dn := c.settings("ranged-pso", 10, nil)
			for attribute, value := range map[string]string{
				"msDS-PasswordSettingsPrecedence": "0", "msDS-MinimumPasswordLength": "256", "msDS-MinimumPasswordAge": "1", "msDS-LockoutThreshold": "65536",
			} {
				if err := c.trySet(dn, attribute, value); err == nil {
					c.Errorf("%s: %s is taken", attribute, value)
				}
			}
			c.result(c.trySet(dn, "msDS-PasswordComplexityEnabled"), ldap.LDAPResultObjectClassViolation)
			c.must(c.delete(dn))
		}},
		{Rule: "the password policy administrators set what the settings demand, and not their precedence", Kind: directory.MicrosoftAD, run: func(c *check) {
			c.join("CN="+directory.PasswordPolicyAdministrators+",OU=AWS Delegated Groups,"+c.Domain.BaseDN(), c.user("policy-admin"))
			session := c.accepted("policy-admin", oldPassword)
			dn := "CN=CustomerPSO-05," + c.settingsDN()
			set := func(attribute, value string) error {
				request := ldap.NewModifyRequest(dn, nil)
				request.Replace(attribute, []string{value})
				return session.Modify(c.Context(), request)
			}
			c.must(set("msDS-MinimumPasswordLength", "9"))
			c.result(set("msDS-PasswordSettingsPrecedence", "1"), ldap.LDAPResultInsufficientAccessRights)
			c.must(set("msDS-PSOAppliesTo", c.group("policy-for", globalGroup, c.user("policy-of"))))
			c.wraps(c.reset("policy-of", "Sh0rt-pw"), directory.ErrPassword)
			c.set(dn, "msDS-PSOAppliesTo")
			c.set(dn, "msDS-MinimumPasswordLength", "7")
			c.result(session.Delete(c.Context(), ldap.NewDelRequest(dn, nil)), ldap.LDAPResultInsufficientAccessRights)
		}},
		{Rule: "settings must say everything", run: func(c *check) {
			err := c.tryAdd("CN=partial,"+c.settingsDN(), attributes{"objectClass": {"msDS-PasswordSettings"}, "msDS-PasswordSettingsPrecedence": {"1"}})
			c.result(err, ldap.LDAPResultObjectClassViolation)
		}},
	}
}

func (c *check) settingsDN() string {
	return "CN=Password Settings Container,CN=System," + c.Domain.BaseDN()
}

// settings adds a password settings object that demands 20 characters and nothing else, but for what more says.
func (c *check) settings(name string, precedence int, more attributes, appliesTo ...string) string {
	all := attributes{
		"objectClass": {"msDS-PasswordSettings"}, "msDS-PasswordSettingsPrecedence": {strconv.Itoa(precedence)}, "msDS-PasswordReversibleEncryptionEnabled": {"FALSE"},
		"msDS-PasswordHistoryLength": {"0"}, "msDS-PasswordComplexityEnabled": {"TRUE"}, "msDS-MinimumPasswordLength": {strconv.Itoa(len(longPassword) - 4)},
		"msDS-MinimumPasswordAge": {"0"}, "msDS-MaximumPasswordAge": {strconv.FormatInt(-directory.Never-1, 10)}, "msDS-LockoutThreshold": {"0"},
		"msDS-LockoutObservationWindow": {"0"}, "msDS-LockoutDuration": {"0"}, "msDS-PSOAppliesTo": appliesTo,
	}
	if len(appliesTo) == 0 {
		delete(all, "msDS-PSOAppliesTo")
	}
	maps.Copy(all, more)
	return c.add("CN="+name+","+c.settingsDN(), all)
}

func (c *check) resultant(dn, want string) {
	if got := c.get(dn, "msDS-ResultantPSO"); !strings.EqualFold(got, want) {
		c.Errorf("%s holds, want %s", got, want)
	}
}
