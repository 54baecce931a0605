package directorytest

import (
	"fmt"
	"slices"
	"strings"

	"latchkey/internal/directory"
)

// Difference is a rule that an engine does not keep, and why that is so. It is checked like the rule itself: the
// scenario must find exactly this, so that no entry outlives its reason or hides another.
type Difference struct {
	Scenario string // topic/rule
	Engines  []string
	Kind     directory.Kind // "": both
	Reason   string         // for who reads the matrix
	// Finding is a part of everything that the scenario finds. "" keeps the scenario from running on the engine at all.
	Finding string
}

// onSamba are the engines that a Samba domain controller answers for.
var onSamba = []string{Samba, Remote}

// justSamba: of a domain that somebody else runs, Kerberos is not asked.
var justSamba = []string{Samba}

func differences() []Difference {
	return []Difference{
		{
			"Who is no person/an account of a trust is no person",
			[]string{Remote},
			"",
			"over LDAP nobody may make such an account", "Insufficient Access Rights",
		},
		{
			`Finding a user/the common name "a=b" is kept, found and reset`, onSamba, "",
			"Samba reads an equals sign in a name only when it is escaped, which RFC 4514 does not demand", "Invalid DN Syntax",
		},
		{
			"A reset/asked to, a reset keeps to the history", onSamba, "",
			"Samba does not know the policy hints control, and the reset is refused rather than done without", "policy hints",
		},
		{
			"Password settings/the password may not contain the account's name", onSamba, "",
			"Samba looks at length and kinds of characters only; a `check password script` can do more", "<nil>, want",
		},
		{
			"Password settings/the password may not contain a part of the display name", onSamba, "",
			"Samba looks at length and kinds of characters only; a `check password script` can do more", "<nil>, want",
		},
		{
			"Fine-grained password settings/settings of a universal or a domain local group hold for nobody", onSamba, "",
			"Samba applies settings to groups of every scope; AD to global ones only", "too short",
		},
		{
			"Lockout/a locked account is disabled and enabled and stays locked", onSamba, "",
			"Samba takes userAccountControl without the bit LOCKOUT for an unlock", "<nil>, want data 775",
		},
		{
			"Logging in/an account that does not exist is refused: 525", onSamba, "",
			"Samba does not tell that there is no such account", "data 52e",
		},
		{
			"Adding/an account without a password can't be enabled", onSamba, "",
			"Samba enables it; nobody can log in to it until a password is set", "result 0, want 53",
		},
		{
			"Modifying/what every domain needs can't be deleted", onSamba, "",
			"Samba refuses with 80 (other) instead of 53", "result 80, want 53",
		},
		{
			"Renaming and moving/no entry is moved below one that does not exist", onSamba, "",
			"Samba refuses with 80 (other) instead of 32", "result 80, want 32",
		},
		{
			"Searching/types only: names without values", onSamba, "",
			"Samba gives the values too", "Values:[typesonly]",
		},
		{
			"Searching/a size limit cuts the search off and says so, with what was found", onSamba, "",
			"Samba does not look at the size limit; who wants few asks for pages", "4",
		},
		{
			"Fine-grained password settings/settings that contradict each other are refused", onSamba, "",
			"Samba takes them", "result 0, want 53",
		},
		{
			"Constructed attributes/msDS-PrincipalName is the name with the domain's", onSamba, "",
			"Samba does not make it", `msDS-PrincipalName is ""`,
		},
		{
			"Controls/entries come sorted the other way", onSamba, "",
			"Samba sorts forwards, whatever is asked", `"reversed-1 reversed-2 reversed-0"`,
		},
		{
			"Controls/an order by an attribute that does not exist is refused to who insists on it", onSamba, "",
			"Samba takes it for no order", "result 0, want 12",
		},
		{
			"Controls/a group goes with the account whose primary one it is", onSamba, "",
			"Samba deletes a tree's entries in an order of its own, and refuses the group when it comes first", "",
		},
		{
			"Controls/permissively, who is a member may be added, and who is none be taken out", onSamba, "",
			"Samba heeds the control for values that are no links", "already exists",
		},
		{
			"The schema/attributes may be named by their OIDs", onSamba, "",
			"Samba knows attributes by their names alone", "No Such Attribute",
		},
		{
			"The schema/a value that is longer than the schema allows is refused", onSamba, "",
			"Samba refuses with 21 (invalid syntax) instead of 19", "result 21, want 19",
		},
		{
			"The schema/a number beyond the schema's range is refused", onSamba, "",
			"Samba refuses with 21 (invalid syntax) instead of 19", "result 21, want 19",
		},
		{
			"Controls/with the control a tree is deleted as a whole, and its names are free again",
			[]string{Remote},
			"",
			"by AD's own access lists members of Administrators may not delete trees (MS-ADTS section 5.1.3.2, DELETE_TREE), only those of Domain Admins", "insufficient access rights",
		},
		{
			"Constructed attributes/an administrator may write what the class allows",
			[]string{Samba},
			"",
			"over its privileged socket everything may be written", "objectGUID",
		},
		{
			"Filters/approximate is equal", onSamba, "",
			"Samba has no approximate match", "Operations Error",
		},
		{
			"Filters/text for a number matches nothing", onSamba, "",
			"Samba takes text for 0", `"ann host"`,
		},
		{
			"Filters/an attribute that does not exist is neither there nor not there", onSamba, "",
			"Samba takes an assertion on an attribute that it does not know for false, not for undefined", `"ann"`,
		},
		{
			"Kerberos: logging on/RC4 alone is refused", justSamba, "",
			"Samba keeps RC4 keys, and takes them", "PREAUTH_REQUIRED",
		},
		{
			"Kerberos: logging on/who is locked out is told so: 18", justSamba, "",
			"Samba refuses without saying why", "status 0;",
		},
		{
			"Kerberos: logging on/tickets are not postdated", justSamba, "",
			"Samba gives a ticket that is good at once", "KDC_ERR_NONE",
		},
		{
			"Kerberos: logging on/nor do they end before they begin: 11", justSamba, "",
			"Samba gives a ticket that has ended", "KDC_ERR_NONE",
		},
		{
			"Kerberos: logging on/who may not be delegated gets no forwardable ticket", justSamba, "",
			"Samba refuses to give such an account a forwardable ticket instead of giving one that is not", "KDC_ERR_POLICY",
		},
		{
			"Kerberos: tickets for services/a service that does not say what it supports gets a ticket under aes256", justSamba, "",
			"Samba gives one under RC4", `"23"`,
		},
		{
			"Kerberos: tickets for services/a user without one is for user-to-user alone: 27", justSamba, "",
			"to Samba such a user is no service at all", "S_PRINCIPAL_UNKNOWN",
		},
		{
			"Kerberos: tickets for services/a disabled service is unknown: 7", justSamba, "",
			"Samba gives tickets for disabled services", "KDC_ERR_NONE",
		},
		{
			"Kerberos: tickets for services/a disabled account's tickets are good for nothing: 18", justSamba, "",
			"Samba refuses with 12 (policy), without saying why", "KDC_ERR_POLICY",
		},
		{
			"Kerberos: tickets for services/a ticket for a service is no ticket for others", justSamba, "",
			"Samba refuses with 12 (policy) instead of 35", "KDC_ERR_POLICY",
		},
	}
}

// Differences are those of an engine from a scenario's rule, for either kind of directory.
func Differences(engine, scenario string) []Difference {
	return slices.DeleteFunc(differences(), func(d Difference) bool {
		return d.Scenario != scenario || !slices.Contains(d.Engines, engine)
	})
}

func difference(engine string, kind directory.Kind, scenario string) (Difference, bool) {
	for _, d := range Differences(engine, scenario) {
		if d.Kind == "" || d.Kind == kind {
			return d, true
		}
	}
	return Difference{}, false
}

// unexplained is what is wrong although the difference is known: that there is none any more, or findings of another kind.
func (d Difference) unexplained(findings []string) (wrong []string) {
	if len(findings) == 0 {
		return []string{"this engine no longer differs: take the entry out of the table of differences"}
	}
	for _, finding := range findings {
		if !strings.Contains(finding, d.Finding) {
			wrong = append(wrong, fmt.Sprintf("differs otherwise than by %q: %s", d.Finding, finding))
		}
	}
	return wrong
}

// problems is what is wrong with the tables themselves.
func problems(topics []Topic, table []Difference) (found []string) {
	rules := map[string]bool{}
	for _, topic := range topics {
		for _, s := range topic.Scenarios {
			name := topic.Name + "/" + s.Rule
			if rules[name] {
				found = append(found, fmt.Sprintf("two scenarios are named %q", name))
			}
			rules[name] = true
		}
	}
	for i, d := range table {
		if !rules[d.Scenario] {
			found = append(found, fmt.Sprintf("a difference is of the scenario %q, which does not exist", d.Scenario))
		}
		known := func(engine string) bool { return slices.Contains(Engines(), engine) }
		if len(d.Engines) == 0 || !slices.ContainsFunc(d.Engines, known) {
			found = append(found, fmt.Sprintf("the difference of %q names no engine", d.Scenario))
		}
		if d.Reason == "" {
			found = append(found, fmt.Sprintf("the difference of %q names no reason", d.Scenario))
		}
		for _, other := range table[:i] {
			sameKind := d.Kind == "" || other.Kind == "" || d.Kind == other.Kind
			if d.Scenario == other.Scenario && sameKind && slices.ContainsFunc(d.Engines, func(e string) bool { return slices.Contains(other.Engines, e) }) {
				found = append(found, fmt.Sprintf("%q has two differences of one engine", d.Scenario))
			}
		}
	}
	return found
}
