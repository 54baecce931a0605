package directorytest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

const (
	oldPassword = "Winter-Sun-2025"
	newPassword = "Summer-Rain-2026"
)

// Group types, as groupType has them.
const (
	globalGroup      = "-2147483646"
	domainLocalGroup = "-2147483644"
	universalGroup   = "-2147483640"
)

// check is a scenario at work: the directory that it is held against, what the scenarios have in common, and what was
// found. Findings are kept rather than reported, since a known difference is no failure.
type check struct {
	testing.TB
	Fixture

	mu       sync.Mutex
	findings []string
}

// Errorf notes that the directory breaks the rule.
func (c *check) Errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = append(c.findings, caller()+": "+fmt.Sprintf(format, args...))
}

// Fatalf notes the same, and ends the scenario.
func (c *check) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	runtime.Goexit()
}

// caller is the line of the scenario that found something.
func caller() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if !more || !strings.Contains(frame.Function, "(*check)") {
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
	}
}

// must ends the scenario at an error.
func (c *check) must(err error) {
	if err != nil {
		c.Fatalf("%v", err)
	}
}

// result holds that a request was answered with one LDAP result; ldap.LDAPResultSuccess is no error.
func (c *check) result(err error, code uint16) {
	var refusal *ldap.Error
	got := uint16(ldap.LDAPResultSuccess)
	if err != nil {
		if !errors.As(err, &refusal) {
			c.Errorf("%v, want result %d", err, code)
			return
		}
		got = refusal.ResultCode
	}
	if got != code {
		c.Errorf("result %d, want %d: %v", got, code, err)
	}
}

// equal holds that something has the value that the rule demands.
func (c *check) equal(what, got, want string) {
	if got != want {
		c.Errorf("%s is %q, want %q", what, got, want)
	}
}

// wraps holds that an error is of a kind; nil: that there is none.
func (c *check) wraps(err, want error) {
	if !errors.Is(err, want) {
		c.Errorf("%v, want %v", err, want)
	}
}

func (c *check) tryAdd(dn string, attributes map[string][]string) error {
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	return c.Conn.Add(c.Context(), request)
}

func (c *check) add(dn string, attributes map[string][]string) string {
	if err := c.tryAdd(dn, attributes); err != nil {
		c.Fatalf("add %s: %v", dn, err)
	}
	return dn
}

// at is the DN of that name where new users go.
func (c *check) at(name string) string { return "CN=" + ldap.EscapeDN(name) + "," + c.Domain.UsersDN() }

// builtin is the DN of that name where AD has its own users and groups.
func (c *check) builtin(name string) string { return "CN=" + name + ",CN=Users," + c.Domain.BaseDN() }

// user adds a person with the old password, enabled, and gives the DN.
func (c *check) user(name string) string { return c.userAt(c.at(name), name) }

func (c *check) userAt(dn, name string) string {
	return c.add(dn, map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {name}, "unicodePwd": {encoded(oldPassword)}, "userAccountControl": {"512"},
	})
}

// account adds a person as a bare Add leaves him: disabled and without a password.
func (c *check) account(name string) string {
	return c.add(c.at(name), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}})
}

func (c *check) group(name, groupType string, members ...string) string {
	dn := c.add(c.at(name), map[string][]string{"objectClass": {"group"}, "sAMAccountName": {name}, "groupType": {groupType}})
	for _, member := range members {
		c.join(dn, member)
	}
	return dn
}

func (c *check) unit(dn string) string {
	return c.add(dn, map[string][]string{"objectClass": {"organizationalUnit"}})
}

func (c *check) tryModify(dn string, change func(*ldap.ModifyRequest)) error {
	request := ldap.NewModifyRequest(dn, nil)
	change(request)
	return c.Conn.Modify(c.Context(), request)
}

func (c *check) trySet(dn, attribute string, values ...string) error {
	return c.tryModify(dn, func(m *ldap.ModifyRequest) { m.Replace(attribute, values) })
}

func (c *check) set(dn, attribute string, values ...string) {
	if err := c.trySet(dn, attribute, values...); err != nil {
		c.Fatalf("set %s of %s: %v", attribute, dn, err)
	}
}

// during sets an attribute for as long as the scenario runs.
func (c *check) during(dn, attribute, value string) {
	before := c.values(dn, attribute)
	c.set(dn, attribute, value)
	c.Cleanup(func() {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, before)
		if err := c.Conn.Modify(context.WithoutCancel(c.Context()), request); err != nil {
			c.TB.Errorf("%s of %s is not what it was: %v", attribute, dn, err)
		}
	})
}

// policy sets one of the domain's settings for as long as the scenario runs.
func (c *check) policy(attribute, value string) { c.during(c.Domain.BaseDN(), attribute, value) }

func (c *check) join(group, member string) {
	c.must(directory.Join(c.Context(), c.Conn, group, member))
}

func (c *check) leave(group, member string) {
	c.must(c.tryModify(group, func(m *ldap.ModifyRequest) { m.Delete("member", []string{member}) }))
}

func (c *check) delete(dn string) error {
	return c.Conn.Delete(c.Context(), ldap.NewDelRequest(dn, nil))
}

func (c *check) rename(dn, rdn, superior string) error {
	return c.Conn.ModifyDN(c.Context(), ldap.NewModifyDNRequest(dn, rdn, true, superior))
}

func (c *check) find(name string) (directory.User, error) {
	return directory.FindUser(c.Context(), c.Conn, c.Domain, name)
}

func (c *check) reset(name, password string) error {
	return c.resetWith(name, password, directory.ResetOptions{Unlock: true})
}

func (c *check) resetWith(name, password string, options directory.ResetOptions) error {
	_, err := directory.ResetPassword(c.Context(), c.Conn, c.Domain, name, []byte(password), options)
	return err
}

func (c *check) trySearch(base string, scope int, filter string, attributes ...string) ([]*ldap.Entry, error) {
	result, err := c.Conn.Search(c.Context(), ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	if result == nil {
		return nil, err
	}
	return result.Entries, err
}

// found is the common names of what a search below base gives, sorted.
func (c *check) found(base string, scope int, filter string) string {
	entries, err := c.trySearch(base, scope, filter, "name")
	if err != nil {
		c.Fatalf("search %s: %v", filter, err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.GetAttributeValue("name"))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (c *check) read(dn string, attributes ...string) *ldap.Entry {
	entries, err := c.trySearch(dn, ldap.ScopeBaseObject, "(objectClass=*)", attributes...)
	if err != nil || len(entries) != 1 {
		c.Fatalf("read %s: %d entries, %v", dn, len(entries), err)
	}
	return entries[0]
}

func (c *check) get(dn, attribute string) string {
	return c.read(dn, attribute).GetAttributeValue(attribute)
}

func (c *check) values(dn, attribute string) []string {
	return c.read(dn, attribute).GetAttributeValues(attribute)
}

func (c *check) sid(dn string) directory.SID {
	return directory.SID(c.read(dn, "objectSid").GetRawAttributeValue("objectSid"))
}

// has says whether a DN is among the values of an attribute.
func (c *check) has(dn, attribute, value string) bool {
	return slices.ContainsFunc(c.values(dn, attribute), func(each string) bool { return sameDN(each, value) })
}

// whole is an entry with all that a search gives unasked, but for what a login leaves.
func (c *check) whole(dn string) string {
	var lines []string
	for _, attribute := range c.read(dn).Attributes {
		if slices.Contains([]string{"lastLogon", "lastLogonTimestamp", "logonCount"}, attribute.Name) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s=%q", attribute.Name, attribute.Values))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unchanged holds that an entry stays as it is through something.
func (c *check) unchanged(dn string, through func()) {
	before := strings.Split(c.whole(dn), "\n")
	through()
	after := strings.Split(c.whole(dn), "\n")
	without := func(lines, others []string) []string {
		return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(others, line) })
	}
	if lost, won := without(before, after), without(after, before); len(lost)+len(won) > 0 {
		c.Errorf("%s changed: %q became %q", dn, lost, won)
	}
}

// refused holds that a login is refused with AD's data code.
func (c *check) refused(name, password, data string) {
	if _, err := c.Login(c, c.qualified(name), password); err == nil || !strings.Contains(err.Error(), "data "+data) {
		c.Errorf("login of %s: %v, want data %s", name, err, data)
	}
}

// accepted holds that a login is taken, and gives its session.
func (c *check) accepted(name, password string) directory.Conn {
	session, err := c.Login(c, c.qualified(name), password)
	if err != nil {
		c.Fatalf("login of %s: %v", name, err)
	}
	return session
}

// qualified is the name as a login gives it: an account's name with the domain's, all else as it is.
func (c *check) qualified(name string) string { return c.Domain.NetBIOS + `\` + name }

// eventually waits until something is so.
func (c *check) eventually(what string, so func() bool) {
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("not after a minute: %s", what)
		}
	}
}

func encoded(password string) string { return string(directory.EncodePassword([]byte(password))) }

func sameDN(a, b string) bool {
	left, err := ldap.ParseDN(a)
	if err != nil {
		return false
	}
	right, err := ldap.ParseDN(b)
	return err == nil && left.EqualFold(right)
}
