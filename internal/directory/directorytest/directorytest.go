// Package directorytest is the suite that every engine passes: what AD and AWS's rules demand of a directory, in LDAP's
// terms and through package directory. A real domain controller is the judge of what it asks: where an engine answers
// otherwise, the table in difference.go says so, and why.
package directorytest

import (
	"slices"
	"testing"
	"time"

	"latchkey/internal/directory"
)

//go:generate go run ./gen ../../../docs/engines.md

// The engines that the suite judges.
const (
	Embedded = "embedded" // our own tree
	Samba    = "samba"    // a domain controller that we run, over its privileged socket
	Remote   = "remote"   // somebody else's domain controller, over LDAPS
)

// Engines are all of them.
func Engines() []string { return []string{Embedded, Samba, Remote} }

// Fixture is a fresh directory of an engine, as AWS hands it over, and a way to log in to it.
type Fixture struct {
	Engine string
	Conn   directory.Conn // may do everything
	Domain directory.Domain
	// Login gives the session of who logs in over a protected connection, until the test ends. Its error is nil when the
	// password is right and the account may be used, and otherwise an *ldap.Error whose text has AD's data code.
	Login func(t testing.TB, name, password string) (directory.Conn, error)
	// Backdate makes an account's password older than it is: no LDAP client can, and nobody wants to wait.
	Backdate func(t testing.TB, dn string, age time.Duration)
	// KDC is the address of its key distribution center, over TCP. It is for RunKerberos.
	KDC string
}

// Topic is a group of rules.
type Topic struct {
	Name      string
	Scenarios []Scenario
	// Kerberos says that the rules are about the directory's key distribution center.
	Kerberos bool
}

// Scenario is one rule, and how a directory is held against it. A rule of one kind of directory names it.
type Scenario struct {
	Rule string
	Kind directory.Kind

	run func(c *check)
}

// Engines are those that are held against the topic's rules.
func (t Topic) Engines() []string {
	if t.Kerberos {
		return []string{Embedded, Samba}
	}
	return Engines()
}

// Topics is the whole suite.
func Topics() []Topic {
	return []Topic{
		{Name: "A new directory", Scenarios: layouts()},
		{Name: "Finding a user", Scenarios: slices.Concat(lookups(), oddNames(), oddCommonNames())},
		{Name: "Who is no person", Scenarios: strangers()},
		{Name: "A reset", Scenarios: slices.Concat(resets(), effects(), choices())},
		{Name: "Flags", Scenarios: flags()},
		{Name: "A refused reset", Scenarios: refusals()},
		{Name: "Who is protected on Simple AD", Scenarios: administrators()},
		{Name: "Who is protected on Managed Microsoft AD", Scenarios: units()},
		{Name: "Password settings", Scenarios: passwords()},
		{Name: "Fine-grained password settings", Scenarios: fineGrained()},
		{Name: "The age of a password", Scenarios: ages()},
		{Name: "A user's own change", Scenarios: changes()},
		{Name: "Lockout", Scenarios: lockouts()},
		{Name: "Logging in", Scenarios: slices.Concat(logins(), reasons())},
		{Name: "Adding", Scenarios: additions()},
		{Name: "Modifying", Scenarios: modifications()},
		{Name: "What stays and what grows", Scenarios: identities()},
		{Name: "Renaming and moving", Scenarios: renames()},
		{Name: "Groups", Scenarios: slices.Concat(groups(), kinds(), tokens())},
		{Name: "Searching", Scenarios: slices.Concat(searches(), selections())},
		{Name: "Filters", Scenarios: slices.Concat(filters(), ambiguities())},
		{Name: "Paging", Scenarios: pagings()},
		{Name: "Controls", Scenarios: slices.Concat(orders(), treeDeletions(), permissions(), parts())},
		{Name: "The schema", Scenarios: schemas()},
		{Name: "Constructed attributes", Scenarios: constructions()},
		{Name: "Several at once", Scenarios: slices.Concat(meetings(), races())},
		{Name: "Kerberos: logging on", Scenarios: authentications(), Kerberos: true},
		{Name: "Kerberos: tickets for services", Scenarios: grants(), Kerberos: true},
	}
}

// Run holds an engine against the suite, but for its rules of Kerberos. open makes a fresh directory of a kind.
func Run(t *testing.T, open func(t *testing.T, kind directory.Kind) Fixture) {
	run(t, open, false, directory.SimpleAD, directory.MicrosoftAD)
}

// RunKerberos holds an engine against the suite's rules of Kerberos, which are the same for both kinds of directory: the fixture
// must have a KDC.
func RunKerberos(t *testing.T, open func(t *testing.T, kind directory.Kind) Fixture) {
	run(t, open, true, directory.SimpleAD)
}

func run(t *testing.T, open func(t *testing.T, kind directory.Kind) Fixture, kerberos bool, kinds ...directory.Kind) {
	for _, problem := range problems(Topics(), differences()) {
		t.Error(problem)
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			f := open(t, kind)
			for _, topic := range Topics() {
				if topic.Kerberos != kerberos {
					continue
				}
				t.Run(topic.Name, func(t *testing.T) {
					for _, s := range topic.Scenarios {
						if s.Kind == "" || s.Kind == kind {
							t.Run(s.Rule, func(t *testing.T) { judge(t, f, topic.Name, s) })
						}
					}
				})
			}
		})
	}
}

// judge runs a scenario, and reports what it finds that no known difference explains.
func judge(t *testing.T, f Fixture, topic string, s Scenario) {
	known, differs := difference(f.Engine, f.Domain.Kind, topic+"/"+s.Rule)
	if differs && known.Finding == "" {
		t.Skipf("%s does not take part: %s", f.Engine, known.Reason)
	}
	found := s.findings(t, f)
	if differs {
		found = known.unexplained(found)
	}
	for _, finding := range found {
		t.Error(finding)
	}
	if differs && len(found) == 0 {
		t.Skipf("%s differs: %s", f.Engine, known.Reason)
	}
}

// findings is in what the directory breaks the rule.
func (s Scenario) findings(t *testing.T, f Fixture) []string {
	c := &check{TB: t, Fixture: f}
	done := make(chan struct{})
	go func() { // so that Fatalf ends the scenario and not the test
		defer close(done)
		s.run(c)
	}()
	<-done
	return c.findings
}
