package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// passwordChange is what a request does to unicodePwd: a reset (replace), or a change by somebody who knows the old
// password (delete it and add the new one).
type passwordChange struct {
	old, next []byte
	oldKeys   keys
	nextKeys  keys
	history   bool // a reset, too, keeps to the history
	proved    bool // a change whose old password was proved otherwise
}

func (p *passwordChange) reset() bool { return p.old == nil && !p.proved }

func (p *passwordChange) wipe() {
	if p == nil {
		return
	}
	clear(p.old)
	clear(p.next)
	p.oldKeys.wipe()
	p.nextKeys.wipe()
}

// takePassword separates what concerns unicodePwd from the other changes (MS-ADTS section 3.1.1.3.1.5).
func takePassword(changes []ldap.Change) (*passwordChange, []ldap.Change, error) {
	var password passwordChange
	var rest []ldap.Change
	var kinds []uint
	for _, change := range changes {
		if !strings.EqualFold(change.Modification.Type, "unicodePwd") {
			rest = append(rest, change)
			continue
		}
		kinds = append(kinds, change.Operation)
		if len(change.Modification.Vals) != 1 {
			return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", "unicodePwd takes exactly one value")
		}
		value, err := directory.DecodePassword(change.Modification.Vals[0])
		if err != nil {
			return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", err.Error())
		}
		if change.Operation == ldap.DeleteAttribute {
			password.old = value
		} else {
			password.next = value
		}
	}
	switch {
	case len(kinds) == 0:
		return nil, rest, nil
	case slices.Equal(kinds, []uint{ldap.ReplaceAttribute}), slices.Equal(kinds, []uint{ldap.DeleteAttribute, ldap.AddAttribute}):
		return &password, rest, nil
	}
	password.wipe()
	return nil, nil, refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", "unicodePwd is replaced, or its old value deleted and a new one added")
}

// derive makes the keys that the change needs, before the entry is locked: it takes a core for a while.
func (s *Session) derive(ctx context.Context, dn string, p *passwordChange) error {
	s.tree.mu.RLock()
	n, err := s.tree.find(dn)
	var salt string
	if err == nil {
		salt = s.tree.salt(n)
	}
	s.tree.mu.RUnlock()
	if err != nil {
		return err
	}
	if p.nextKeys.Salt != salt {
		if p.reset() && n.isKrbtgt(s.tree) {
			// Whoever sets krbtgt's password asks for new keys: AD makes them up, so that nobody knows them.
			clear(p.next)
			p.next = randomPassword()
		}
		if p.nextKeys, err = s.engine.derive(ctx, reset, p.next, salt); err != nil {
			return err
		}
	}
	if p.old == nil || p.oldKeys.Salt != "" {
		return nil
	}
	held, err := s.engine.keyring.openSecret(n.secret, s.tree.domain.ID, n.guid)
	if err != nil {
		return err
	}
	defer held.wipe()
	p.oldKeys, err = s.engine.derive(ctx, reset, p.old, held.Keys.Salt)
	return err
}

func (d *draft) node() *node { return &node{class: d.class, attributes: newRecord(d.entry.Attributes)} }

// derive makes a password's keys when it is this caller's turn.
func (e *Engine) derive(ctx context.Context, u urgency, password []byte, salt string) (keys, error) {
	if err := e.gate.enter(ctx, u); err != nil {
		if errors.Is(err, errBusy) {
			e.turnedAway(u)
			return keys{}, refuse(ldap.LDAPResultBusy, "", err.Error())
		}
		return keys{}, fmt.Errorf("%w: %w", directory.ErrUnavailable, err)
	}
	defer e.gate.leave()
	return deriveKeys(password, salt)
}

// setPassword holds the new password against the directory's settings and puts its keys into the draft. An
// administrator's reset passes history and minimum age (MS-SAMR section 3.1.1.7.1).
func (s *Session) setPassword(d *draft, p *passwordChange) error {
	if d.class == nil || !slices.Contains(d.class.chain, "user") {
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000001F", "only users and computers have a password")
	}
	if p.nextKeys.Salt != s.tree.salt(d.node()) {
		return store.ErrConflict // the account was renamed meanwhile: its salt is another
	}
	settings := s.tree.settingsOf(d.old)
	e := s.engine
	held, err := e.keyring.openSecret(d.entry.Secret, s.tree.domain.ID, d.entry.GUID)
	if err != nil {
		return err
	}
	defer held.wipe()
	now := e.now()
	switch {
	case !p.reset():
		if err := mayChange(d, held, p, settings, now); err != nil {
			return err
		}
	case p.history:
		if err := held.forbid(p.nextKeys, settings); err != nil {
			return err
		}
	}
	// The policy is for people (MS-SAMR section 3.1.1.7.2).
	if err := settings.Check(p.next, d.first("sAMAccountName"), d.first("displayName")); err != nil && !d.class.is("computer") {
		return refuse(ldap.LDAPResultConstraintViolation, "0000052D", "Constraint violation - "+strings.TrimPrefix(err.Error(), directory.ErrPassword.Error()+": "))
	}
	// A copy: held is wiped here, and another try may need the derived keys again.
	history := settings.History
	if d.node().isKrbtgt(s.tree) {
		history = max(history, 2) // the former key opens tickets that are still good
	}
	held.replace(p.nextKeys.clone(), history)
	if d.entry.Secret, err = e.keyring.sealSecret(held, s.tree.domain.ID, d.entry.GUID); err != nil {
		return err
	}
	d.set("pwdLastSet", directory.FileTime(now))
	d.set("msDS-KeyVersionNumber", strconv.Itoa(held.Version))
	d.set("badPwdCount", "0")
	d.passwordSet = true
	return nil
}

// mayChange holds a user's own change against the old password, the minimum age and the history.
func mayChange(d *draft, held *secret, p *passwordChange, settings directory.PasswordSettings, now time.Time) error {
	control := d.control()
	switch {
	case !p.proved && !held.Keys.same(p.oldKeys):
		return refuse(ldap.LDAPResultConstraintViolation, "00000056", "AtrErr: the old password is not right")
	case control&directory.PasswordCantChange != 0:
		return refuse(ldap.LDAPResultInsufficientAccessRights, "00002098", "this user may not change the password")
	}
	if last := directory.ParseFileTime(d.first("pwdLastSet")); !last.IsZero() && now.Before(last.Add(settings.MinAge)) {
		return refuse(ldap.LDAPResultConstraintViolation, "0000052D", fmt.Sprintf("Constraint violation - the password was changed less than %s ago (minPwdAge)", settings.MinAge))
	}
	return held.forbid(p.nextKeys, settings)
}

// forbid refuses a password that the history remembers.
func (s *secret) forbid(next keys, settings directory.PasswordSettings) error {
	if settings.History == 0 {
		return nil
	}
	for _, former := range append([]keys{s.Keys}, s.History...) {
		if former.same(next) {
			return refuse(ldap.LDAPResultConstraintViolation, "0000052D", fmt.Sprintf("Constraint violation - the password is one of the last %d (pwdHistoryLength)", settings.History))
		}
	}
	return nil
}

func (d *draft) control() directory.UserAccountControl { return d.node().control() }

func (n *node) control() directory.UserAccountControl {
	flags, _ := strconv.ParseInt(n.first("userAccountControl"), 10, 64)
	return directory.UserAccountControl(uint32(flags))
}

// newAccount gives a new security principal what every one has (MS-SAMR section 3.1.1.8).
func (s *Session) newAccount(ctx context.Context, d *draft) error {
	otherwise := func(attributeName, value string) {
		if len(d.entry.Attributes[attributeName]) == 0 {
			d.set(attributeName, value)
		}
	}
	if d.first("objectSid") == "" {
		rid, err := s.tree.rids.next(ctx, s.engine, s.tree.domain.ID)
		if err != nil {
			return err
		}
		d.set("objectSid", string(s.tree.domain.SID.Child(rid)))
	}
	if d.class.name == "group" {
		_, name := splitRDN(d.entry.RDN)
		otherwise("sAMAccountName", name)
		otherwise("groupType", signed(directory.GroupSecurity|directory.GroupGlobal))
		return nil
	}
	control := directory.NormalAccount | directory.AccountDisable | directory.PasswordNotRequired
	primary := directory.RIDDomainUsers
	if d.control()&directory.WorkstationTrust != 0 {
		primary = directory.RIDDomainComputers
	}
	otherwise("sAMAccountName", fmt.Sprintf("$%X", d.entry.GUID[:8]))
	otherwise("userAccountControl", signed(uint32(control)))
	otherwise("primaryGroupID", strconv.Itoa(primary))
	otherwise("accountExpires", strconv.FormatInt(directory.Never, 10))
	for _, attributeName := range []string{"pwdLastSet", "badPwdCount", "badPasswordTime", "lastLogon", "lastLogoff", "logonCount", "codePage", "countryCode"} {
		otherwise(attributeName, "0")
	}
	return nil
}

func signed(bits uint32) string { return strconv.FormatInt(int64(int32(bits)), 10) }

// finish holds the whole entry, as it would be, against the rules that span attributes.
func (d *draft) finish(s *Session, now time.Time) error {
	for attributeName, values := range d.entry.Attributes {
		a := d.tree.schema.attribute(attributeName)
		switch {
		case a == nil:
		case a.single && len(values) > 1:
			return refuse(ldap.LDAPResultConstraintViolation, "00002081", attributeName+" has one value at most")
		}
	}
	if err := d.finishClass(); err != nil {
		return err
	}
	if d.class.is("msDS-PasswordSettings") {
		return d.finishSettings()
	}
	if d.class == nil || !d.class.account {
		return nil
	}
	name := d.first("sAMAccountName")
	if name == "" {
		return refuse(ldap.LDAPResultUnwillingToPerform, "00002077", "an account has a sAMAccountName")
	}
	if strings.TrimSpace(name) == "" || len(name) > 256 || strings.ContainsAny(name, "\"/\\[]:;|=,+*?<>\x00\n\r") {
		return refuse(ldap.LDAPResultConstraintViolation, "00000523", "sAMAccountName is empty, too long, or has a character that an account name can't have")
	}
	if d.class.name == "group" {
		return d.finishGroup()
	}
	return d.finishUser(s, now)
}

func (d *draft) finishUser(s *Session, now time.Time) error {
	control := d.control()
	const kinds = directory.NormalAccount | directory.WorkstationTrust | directory.ServerTrust | directory.InterdomainTrust
	if control&kinds == 0 {
		control |= directory.NormalAccount
	}
	if control&(directory.WorkstationTrust|directory.ServerTrust) != 0 && !d.class.is("computer") {
		return refuse(ldap.LDAPResultObjectClassViolation, "0000217C", "a computer's flags take an entry of class computer")
	}
	d.set("userAccountControl", signed(uint32(control)))
	account := directory.AccountTypeUser
	switch {
	case control&directory.InterdomainTrust != 0:
		account = directory.AccountTypeTrust
	case control&(directory.WorkstationTrust|directory.ServerTrust) != 0:
		account = directory.AccountTypeComputer
	}
	d.set("sAMAccountType", strconv.Itoa(account))
	if control&(directory.AccountDisable|directory.PasswordNotRequired) == 0 && control&directory.NormalAccount != 0 && len(d.entry.Secret) == 0 && d.tree.settingsOf(d.old).MinLength > 0 {
		return refuse(ldap.LDAPResultUnwillingToPerform, "0000052D", "an account without a password can't be enabled")
	}
	if d.old != nil && d.first("lockoutTime") == "0" && d.old.first("lockoutTime") != "0" {
		d.set("badPwdCount", "0")
	}
	if err := d.finishPrimary(); err != nil {
		return err
	}
	return d.finishTimes(s, now)
}

// finishTimes: of the times that the directory keeps, others may only say "never" and, for pwdLastSet, "now".
func (d *draft) finishTimes(s *Session, now time.Time) error {
	before := func(attributeName string) string {
		if d.old == nil {
			return "0"
		}
		return d.old.first(attributeName)
	}
	if value := d.first("lockoutTime"); !s.system && value != before("lockoutTime") && value != "0" && value != "" {
		return refuse(ldap.LDAPResultUnwillingToPerform, "00000057", "lockoutTime can only be set to 0")
	}
	value := d.first("pwdLastSet")
	if value == "-1" {
		last := before("pwdLastSet")
		if last == "0" || last == "" {
			last = directory.FileTime(now)
		}
		d.set("pwdLastSet", last)
		return nil
	}
	if !s.making && !d.passwordSet && value != before("pwdLastSet") && value != "0" {
		return refuse(ldap.LDAPResultOther, "00000057", "pwdLastSet can only be set to 0 or -1")
	}
	return nil
}

func parseRID(s string) (uint32, error) {
	rid, err := strconv.ParseUint(s, 10, 32)
	return uint32(rid), err
}

// ridPool hands out relative identifiers from blocks that it takes from the store, as domain controllers do.
type ridPool struct {
	mu      sync.Mutex
	at, end uint32
}

const (
	firstRID = 1103 // below it AD keeps those that every domain has
	ridBlock = 500
)

func (p *ridPool) next(ctx context.Context, e *Engine, id string) (uint32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == p.end {
		start, err := e.store.Reserve(ctx, id, "rid", firstRID, ridBlock)
		if err != nil {
			return 0, fmt.Errorf("relative identifiers: %w", err)
		}
		p.at, p.end = start, start+ridBlock
	}
	p.at++
	return p.at - 1, nil
}
