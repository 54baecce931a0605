package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// Status is what a check came to.
type Status string

// The statuses. A warning names what works now and will trip somebody later.
const (
	StatusOK      Status = "ok"
	StatusWarning Status = "warning"
	StatusFailed  Status = "failed"
	StatusSkipped Status = "skipped"
)

// Finding is the outcome of one check. Detail says what was seen, and Fix what to do about it; neither has a secret in it.
type Finding struct {
	Name   string
	Status Status
	Detail string
	Fix    string
}

// Report is what Check has found, in the order of the checks.
type Report struct {
	Findings []Finding
	// SID is the domain's, as the domain controllers say; empty if none could be asked.
	SID directory.SID
	// Host is the name of a domain controller that could be asked; empty if none could.
	Host string
}

// Failed says whether any check failed.
func (r Report) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Status == StatusFailed })
}

// CheckOptions are what resets in the domain are to be like.
type CheckOptions struct {
	// ResetBases, LeaveOut and History are those of directory.ResetOptions.
	ResetBases, LeaveOut []string
	History              bool
	// Limit is how long the whole check may take (25 s).
	Limit time.Duration
	Now   func() time.Time
}

const (
	checkLimit = 25 * time.Second
	// stepLimit is for one connection, one login or one search.
	stepLimit = 4 * time.Second
)

// doctor holds what the checks have learned.
type doctor struct {
	CheckOptions
	domain      directory.Domain
	settings    Settings
	controllers []*controller
	findings    []Finding

	// conn is one of the controllers'; nil, with the reason, where the domain can't be asked.
	conn         directory.Conn
	reason       string
	withPassword bool

	host    string
	sid     directory.SID
	config  string // configurationNamingContext
	trustee directory.Trustee
	tokens  []directory.SID
	samples []string // DNs of users
}

// Check finds out whether Latchkey can reset passwords in the domain with these settings, and what will get in its way. It
// changes nothing there. A domain without a SID is one that is not known yet; otherwise the SID has to be the one found. What
// can't be checked because of an earlier failure is skipped and says so.
func Check(ctx context.Context, domain directory.Domain, s Settings, options CheckOptions) Report {
	if options.Limit <= 0 {
		options.Limit = checkLimit
	}
	ctx, cancel := context.WithTimeout(ctx, options.Limit)
	defer cancel()
	d := &doctor{CheckOptions: options, domain: domain, settings: s, reason: "no domain controller could be asked"}
	defer d.close()
	if d.given() {
		d.discover(ctx)
		d.visit(ctx)
	}
	d.examine(ctx)
	return Report{Findings: d.findings, SID: d.sid, Host: d.host}
}

func (d *doctor) add(name string, status Status, detail, fix string) {
	d.findings = append(d.findings, Finding{name, status, clean(detail), fix})
}

// clean makes one line of what a domain controller or the system wrote.
func clean(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// given looks at what the operator wrote, and says whether that is enough to connect.
func (d *doctor) given() bool {
	if err := d.settings.Validate(); err != nil {
		fix := "Correct the settings."
		if slices.ContainsFunc(d.settings.URLs, func(url string) bool { return strings.HasPrefix(strings.ToLower(url), "ldap:") }) {
			fix = "Give ldaps:// without a port, or with the port of LDAP over TLS, 636: Active Directory takes passwords over TLS only."
		}
		d.add("settings", StatusFailed, strings.Join(strings.Split(err.Error(), "\n"), "; "), fix)
		return false
	}
	d.add("settings", StatusOK, "bind as "+d.settings.BindDN, "")
	if password, err := d.settings.password(); err != nil {
		d.add("password file", StatusFailed, err.Error(), "Write the account's password into "+d.settings.BindPasswordFile+", readable by the user that Latchkey runs as and by nobody else (chmod 600).")
		d.reason = "there is no password to bind with"
	} else {
		clear(password)
		d.withPassword = true
		d.add("password file", StatusOK, d.settings.BindPasswordFile, "")
	}
	switch _, err := d.settings.roots(); {
	case err != nil:
		d.add("CA file", StatusFailed, err.Error(), caFix)
		d.reason = "the CA file can't be used"
		return false
	case d.settings.CAFile == "":
		d.add("CA file", StatusOK, "none: the authorities that this system trusts", "")
	default:
		d.add("CA file", StatusOK, d.settings.CAFile, "")
	}
	return true
}

func (d *doctor) discover(ctx context.Context) {
	urls, err := d.settings.Controllers(ctx, d.domain.Name)
	if d.settings.Discover || d.settings.PreferPDC {
		if err != nil {
			d.add("discovery", StatusFailed, err.Error(), "Let the resolver be a DNS server of the domain, or name the domain controllers by their URLs alone.")
		} else {
			d.add("discovery", StatusOK, strings.Join(urls, ", "), "")
		}
	}
	for _, url := range urls {
		d.controllers = append(d.controllers, &controller{url: url, given: slices.Contains(d.settings.URLs, url)})
	}
}

// examine asks the domain, by any of its controllers that answers.
func (d *doctor) examine(ctx context.Context) {
	for _, check := range []struct {
		name string
		run  func(context.Context, string)
	}{
		{"domain", d.identity},
		{"short name", d.shortName},
		{"account", d.account},
		{"reset bases", d.bases},
		{"password policy", d.policy},
		{"password history", d.history},
		{"domain controllers", d.list},
		{"PDC emulator", d.emulator},
		{"replication", d.replication},
	} {
		for again := true; again; {
			again = d.try(ctx, check.name, check.run)
		}
	}
}

// try runs a check, and says whether to run it again: the domain controller stopped answering, and there is another one.
func (d *doctor) try(ctx context.Context, name string, run func(context.Context, string)) (again bool) {
	asked := d.choose()
	switch {
	case asked == nil:
		d.add(name, StatusSkipped, d.reason, "")
		return false
	case ctx.Err() != nil:
		d.add(name, StatusSkipped, fmt.Sprintf("the %v for the whole check are over", d.Limit), "")
		return false
	}
	before := len(d.findings)
	run(ctx, name)
	if asked.alive() || ctx.Err() != nil {
		return false
	}
	d.findings = append(d.findings[:before], Finding{"answers " + asked.url, StatusFailed, "it has stopped answering", "Look whether the domain controller hangs."})
	return true
}

func (d *doctor) close() {
	for _, c := range d.controllers {
		c.close()
	}
}

// session is a connection that only reads. It implements directory.Conn.
type session struct {
	*ldap.Conn
	dead atomic.Bool // it did not answer in time
}

var errReadsOnly = errors.New("a check changes nothing")

// Search implements directory.Conn. No search takes longer than a step may; one that does costs the connection.
func (s *session) Search(ctx context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	type answer struct {
		result *ldap.SearchResult
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		result, err := s.Conn.Search(request)
		done <- answer{result, err}
	}()
	select {
	case a := <-done:
		return a.result, a.err
	case <-ctx.Done():
		s.dead.Store(true)
		go func() { _ = s.Conn.Close() }()
		return nil, fmt.Errorf("%w: no answer in time: %w", ErrUnreachable, ctx.Err())
	}
}

// Add implements directory.Conn, by refusing.
func (*session) Add(context.Context, *ldap.AddRequest) error { return errReadsOnly }

// Modify implements directory.Conn, by refusing.
func (*session) Modify(context.Context, *ldap.ModifyRequest) error { return errReadsOnly }

// ModifyDN implements directory.Conn, by refusing.
func (*session) ModifyDN(context.Context, *ldap.ModifyDNRequest) error { return errReadsOnly }

// Delete implements directory.Conn, by refusing.
func (*session) Delete(context.Context, *ldap.DelRequest) error { return errReadsOnly }

// find searches for at most limit entries (0: no limit), and says whether there are more. The limit is a page's (RFC 2696):
// Samba takes no notice of a request's own.
func find(ctx context.Context, conn directory.Conn, base string, scope int, filter string, limit uint32, attributes ...string) (entries []*ldap.Entry, more bool, err error) {
	var controls []ldap.Control
	if limit > 0 {
		controls = append(controls, ldap.NewControlPaging(limit))
	}
	result, err := conn.Search(ctx, ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, int(stepLimit/time.Second), false, filter, attributes, controls))
	if err != nil {
		return nil, false, err
	}
	if page, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
		more = len(page.Cookie) > 0
	}
	return result.Entries, more, nil
}

// read is one entry.
func read(ctx context.Context, conn directory.Conn, dn string, attributes ...string) (*ldap.Entry, error) {
	entries, _, err := find(ctx, conn, dn, ldap.ScopeBaseObject, "(objectClass=*)", 0, attributes...)
	if err == nil && len(entries) != 1 {
		err = fmt.Errorf("%s: %d entries", dn, len(entries))
	}
	if err != nil {
		return nil, err
	}
	return entries[0], nil
}
