package embedded

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// settingsNames are the attributes that hold password settings: those of the domain's head, or of a password settings
// object (MS-ADTS sections 3.1.1.3.2 and 3.1.1.4.5.36).
type settingsNames struct {
	minLength, complexity, history, minAge, maxAge, threshold, duration, window string
}

var (
	ofDomain = settingsNames{"minPwdLength", "pwdProperties", "pwdHistoryLength", "minPwdAge", "maxPwdAge", "lockoutThreshold", "lockoutDuration", "lockOutObservationWindow"}
	ofObject = settingsNames{
		"msDS-MinimumPasswordLength", "msDS-PasswordComplexityEnabled", "msDS-PasswordHistoryLength", "msDS-MinimumPasswordAge", "msDS-MaximumPasswordAge",
		"msDS-LockoutThreshold", "msDS-LockoutDuration", "msDS-LockoutObservationWindow",
	}
)

// settingsOf is the password settings that hold for an account: those of its password settings object, or the domain's.
// n is nil for an account that is being made.
func (t *tree) settingsOf(n *node) directory.PasswordSettings {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.settingsFor(n)
}

// settingsFor is settingsOf for a caller that holds mu.
func (t *tree) settingsFor(n *node) directory.PasswordSettings {
	if n != nil {
		if object := t.resultant(n); object != nil {
			return readSettings(object, ofObject)
		}
	}
	head := t.nodes[t.root]
	if head == nil {
		return directory.DefaultPasswordSettings()
	}
	return readSettings(head, ofDomain)
}

func readSettings(n *node, names settingsNames) directory.PasswordSettings {
	number := func(attributeName string) int {
		n, _ := strconv.Atoi(n.first(attributeName))
		return n
	}
	return directory.PasswordSettings{
		MinLength: number(names.minLength), History: number(names.history),
		Complexity: number(names.complexity)&directory.PasswordComplexity != 0 || strings.EqualFold(n.first(names.complexity), "TRUE"),
		MinAge:     directory.ParseInterval(n.first(names.minAge)), MaxAge: directory.ParseInterval(n.first(names.maxAge)),
		LockoutThreshold: number(names.threshold), LockoutDuration: directory.ParseInterval(n.first(names.duration)),
		ObservationWindow: directory.ParseInterval(n.first(names.window)),
	}
}

// resultant is the password settings object that holds for an account, or nil: of its own, else of the global security
// groups that it is in, the one of the lowest precedence (MS-ADTS section 3.1.1.4.5.36). The caller holds mu.
func (t *tree) resultant(n *node) *node {
	if n.class == nil || !n.class.is("user") || n.class.is("computer") {
		return nil
	}
	objects := t.linked(t.backward, "msDS-PSOAppliesTo", n.guid)
	if len(objects) == 0 && t.anyLink("msDS-PSOAppliesTo") {
		for _, group := range t.groups(n) {
			if group.groupType()&directory.GroupGlobal != 0 {
				objects = append(objects, t.linked(t.backward, "msDS-PSOAppliesTo", group.guid)...)
			}
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return slices.MinFunc(objects, func(a, b *node) int {
		precedence := func(n *node) int {
			p, _ := strconv.Atoi(n.first("msDS-PasswordSettingsPrecedence"))
			return p
		}
		if order := precedence(a) - precedence(b); order != 0 {
			return order
		}
		return slices.Compare(a.guid[:], b.guid[:])
	})
}

// anyLink says whether the tree has a link of that attribute. The caller holds mu.
func (t *tree) anyLink(attributeName string) bool {
	found := false
	t.forward.AscendGreaterOrEqual(linkItem{attribute: attributeName}, func(item linkItem) bool {
		found = item.attribute == attributeName
		return false
	})
	return found
}

func (n settingsNames) list() []string {
	return []string{n.minLength, n.complexity, n.history, n.minAge, n.maxAge, n.threshold, n.duration, n.window}
}

// finishSettings holds what a password settings object demands against itself (MS-SAMR section 3.1.1.6.1 has the same of a
// domain's): passwords can be changed before they end, and an account that is locked out stays so for as long as wrong
// passwords are counted.
func (d *draft) finishSettings() error {
	settings := readSettings(d.node(), ofObject)
	const refusal = "the settings contradict each other: "
	switch {
	case settings.MaxAge > 0 && settings.MinAge >= settings.MaxAge:
		return refuse(ldap.LDAPResultUnwillingToPerform, "000020E7", refusal+"msDS-MinimumPasswordAge is not below msDS-MaximumPasswordAge")
	case settings.LockoutDuration > 0 && settings.LockoutDuration < settings.ObservationWindow:
		return refuse(ldap.LDAPResultUnwillingToPerform, "000020E7", refusal+"msDS-LockoutDuration is below msDS-LockoutObservationWindow")
	}
	return nil
}
