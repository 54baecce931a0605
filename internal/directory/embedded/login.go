package embedded

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// AD's reasons for a refused login, the data code in the text of invalidCredentials (MS-ADTS section 5.1.1.1).
const (
	dataNoSuchUser      = "525"
	dataWrongPassword   = "52e"
	dataRestricted      = "52f" // the password is not the way to log in
	dataDisabled        = "533"
	dataPasswordExpired = "532"
	dataAccountExpired  = "701"
	dataMustChange      = "773"
	dataLockedOut       = "775"
	maxCandidates       = 8
)

func refuseLogin(data string) *ldap.Error {
	return refuse(ldap.LDAPResultInvalidCredentials, "80090308", "LdapErr: DSID-0C090000, comment: AcceptSecurityContext error, data "+data+", v1db1")
}

type candidate struct {
	tree *tree
	node *node
}

// Bind proves a name and a password. The name is a DN, a user principal name, NETBIOS\account, or an account name that
// only one directory of this process has. secure says that nobody can read the connection. A refusal is an *ldap.Error
// 49 with AD's text.
func (e *Engine) Bind(ctx context.Context, secure bool, name string, password []byte) (*Session, error) {
	candidates := e.candidates(name)
	if len(candidates) == 0 {
		// Nobody is to learn from the time it takes whether there is such an account.
		k, err := e.derive(ctx, login, password, name)
		if err != nil {
			return nil, err
		}
		e.pretense.same(k)
		return nil, refuseLogin(dataNoSuchUser)
	}
	var refusal error
	for _, c := range candidates {
		if refusal = e.guess(c, func() error { return e.login(ctx, c, password) }); refusal == nil {
			return &Session{engine: e, tree: c.tree, user: c.node.guid, secure: secure}, nil
		}
	}
	return nil, refusal
}

// Login is Bind over a secure connection for an account of one directory, by its sAMAccountName. The error is ErrNotServed
// where this process does not serve the directory.
func (e *Engine) Login(ctx context.Context, id, account string, password []byte) (*Session, error) {
	t, err := e.tree(id)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	found := t.lookup("sAMAccountName", foldText(account))
	t.mu.RUnlock()
	if len(found) == 0 || !found[0].logsIn() {
		return nil, refuseLogin(dataNoSuchUser)
	}
	c := candidate{t, found[0]}
	if err := e.guess(c, func() error { return e.login(ctx, c, password) }); err != nil {
		return nil, err
	}
	return &Session{engine: e, tree: t, user: c.node.guid, secure: true}, nil
}

// guess is what a login comes to that somebody outside tries, unless too many of the account have failed: then it is not looked
// at.
func (e *Engine) guess(c candidate, login func() error) error {
	account := c.tree.domain.ID + " " + c.node.guid.String()
	if e.Failures.Spent(account, e.now()) {
		return refuse(ldap.LDAPResultBusy, "", "there were too many failed logins of this account; try again later")
	}
	err := login()
	if directory.DataCode(err) == dataWrongPassword {
		e.Failures.Take(account, e.now())
	}
	e.observeLogin(c, err)
	return err
}

// Served says whether the session is in the directory as it is served now: not in one that was deleted or restored since.
func (s *Session) Served() bool {
	if s.tree == nil {
		return false
	}
	t, err := s.engine.tree(s.tree.domain.ID)
	return err == nil && t == s.tree
}

var _ directory.Verifier = (*Session)(nil)

// Verify implements directory.Verifier, for a session of one directory.
func (s *Session) Verify(ctx context.Context, dn string, password []byte) []directory.Verified {
	return []directory.Verified{{Controller: s.tree.domain.Name, Err: s.Login(ctx, dn, password)}}
}

// Login implements directory.Verifier, for a session of one directory.
func (s *Session) Login(ctx context.Context, dn string, password []byte) error {
	s.tree.mu.RLock()
	n, err := s.tree.find(dn)
	s.tree.mu.RUnlock()
	switch {
	case err != nil:
		return err
	case !n.logsIn():
		return refuseLogin(dataNoSuchUser)
	}
	c := candidate{s.tree, n}
	err = s.engine.login(ctx, c, password)
	s.engine.observeLogin(c, err)
	return err
}

// candidates are the accounts that a bind's name can mean: one, but for directories of the same DNS or NetBIOS name,
// where the password decides. A bare account name in more than one directory means nobody.
func (e *Engine) candidates(bindName string) []candidate {
	var found []candidate
	add := func(t *tree, nodes ...*node) {
		for _, n := range nodes {
			if n.logsIn() && len(found) < maxCandidates {
				found = append(found, candidate{t, n})
			}
		}
	}
	e.each(func(t *tree) bool {
		t.mu.RLock()
		defer t.mu.RUnlock()
		add(t, t.accounts(bindName)...)
		return true
	})
	if len(found) > 1 && !strings.ContainsAny(bindName, `\@=`) {
		return nil
	}
	return found
}

// accounts are the entries that a bind's name can mean in one directory: one at most. The caller holds mu.
func (t *tree) accounts(bindName string) []*node {
	byAccount := func(name string) []*node { return t.lookup("sAMAccountName", foldText(name)) }
	if n, err := parseDN(bindName); err == nil && strings.Contains(bindName, "=") {
		if at, _ := t.resolve(n); at != nil {
			return []*node{at}
		}
		return nil
	}
	if netbios, account, qualified := strings.Cut(bindName, `\`); qualified {
		if strings.EqualFold(netbios, t.domain.NetBIOS) || strings.EqualFold(netbios, t.domain.Name) {
			return byAccount(account)
		}
		return nil
	}
	local, suffix, _ := cutLast(bindName, "@")
	if suffix == "" {
		return byAccount(bindName)
	}
	if explicit := t.lookup("userPrincipalName", foldText(bindName)); len(explicit) > 0 {
		return explicit
	}
	if strings.EqualFold(suffix, t.domain.Name) {
		return byAccount(local)
	}
	return nil
}

// logsIn says whether an entry is of a class that has a password.
func (n *node) logsIn() bool { return n.class != nil && n.class.account && n.class.name != "group" }

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// login holds a password against one account, as AD orders its checks: a locked account is refused whatever the
// password; the other reasons are told only to who knows the password.
func (e *Engine) login(ctx context.Context, c candidate, password []byte) error {
	before, err := e.keyring.openSecret(c.node.secret, c.tree.domain.ID, c.node.guid)
	if err != nil {
		return err
	}
	before.wipe()
	derived, err := e.derive(ctx, login, password, before.Keys.Salt)
	if err != nil {
		return err
	}
	defer derived.wipe()
	// While this login waited for its turn, others may have locked the account or changed its password.
	if c.node = c.tree.node(c.node.guid); c.node == nil {
		return refuseLogin(dataNoSuchUser)
	}
	held, err := e.keyring.openSecret(c.node.secret, c.tree.domain.ID, c.node.guid)
	if err != nil {
		return err
	}
	defer held.wipe()
	return e.settle(ctx, c, held.Keys.same(derived))
}

// settle is what comes of a login once it is known whether the password was right: nothing, or the refusal. It counts wrong
// passwords, and a right one ends the count.
func (e *Engine) settle(ctx context.Context, c candidate, right bool) error {
	now := e.now()
	settings := c.tree.settingsOf(c.node)
	if locked(c.node, settings, now) {
		return refuseLogin(dataLockedOut)
	}
	if !right {
		if settings.LockoutThreshold > 0 {
			if err := e.countFailure(ctx, c, settings, now); err != nil {
				return err
			}
		}
		return refuseLogin(dataWrongPassword)
	}
	if data := e.standing(c, settings, now); data != "" {
		return refuseLogin(data)
	}
	if zero(c.node.first("badPwdCount")) && zero(c.node.first("lockoutTime")) {
		return nil
	}
	return e.update(ctx, c, func(d *draft) {
		d.set("badPwdCount", "0")
		d.set("lockoutTime", "0")
	})
}

// standing is why an account that is not locked may not log in with its password; "" if it may.
func (e *Engine) standing(c candidate, settings directory.PasswordSettings, now time.Time) string {
	if data := barred(c.node, now); data != "" {
		return data
	}
	if _, only := e.authorities(c.tree); only {
		return dataRestricted
	}
	last := directory.ParseFileTime(c.node.first("pwdLastSet"))
	switch {
	case c.node.control()&directory.DontExpirePassword != 0:
	case last.IsZero():
		return dataMustChange
	case settings.MaxAge > 0 && now.After(last.Add(settings.MaxAge)):
		return dataPasswordExpired
	}
	return ""
}

// barred is why an account may not log in, whatever it proves; "" if it may.
func barred(n *node, now time.Time) string {
	expires := directory.ParseFileTime(n.first("accountExpires"))
	switch {
	case n.control()&directory.AccountDisable != 0:
		return dataDisabled
	case !expires.IsZero() && now.After(expires):
		return dataAccountExpired
	}
	return ""
}

// node is the newest state of an entry, or nil.
func (t *tree) node(guid store.GUID) *node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nodes[guid]
}

func zero(value string) bool { return value == "" || value == "0" }

// locked says whether an account is locked out at that moment (MS-SAMR section 3.1.1.8.10).
func locked(n *node, settings directory.PasswordSettings, now time.Time) bool {
	since := directory.ParseFileTime(n.first("lockoutTime"))
	return !since.IsZero() && (settings.LockoutDuration == 0 || now.Before(since.Add(settings.LockoutDuration)))
}

// countFailure notes a wrong password, and locks the account when there were too many within the window.
func (e *Engine) countFailure(ctx context.Context, c candidate, settings directory.PasswordSettings, now time.Time) error {
	return e.update(ctx, c, func(d *draft) {
		count := 0
		if last := directory.ParseFileTime(d.first("badPasswordTime")); now.Before(last.Add(settings.ObservationWindow)) {
			count, _ = strconv.Atoi(d.first("badPwdCount"))
		}
		count++
		d.set("badPwdCount", strconv.Itoa(count))
		d.set("badPasswordTime", directory.FileTime(now))
		// The domain's own Administrator can't be locked out (MS-SAMR section 3.1.1.7.2).
		if count >= settings.LockoutThreshold && c.node.sid() != c.tree.domain.SID.Child(directory.RIDAdministrator) {
			d.set("lockoutTime", directory.FileTime(now))
		}
	})
}

// update changes an account for the directory itself, against other writers.
func (e *Engine) update(ctx context.Context, c candidate, change func(*draft)) error {
	s := &Session{engine: e, tree: c.tree, system: true}
	return s.retry(ctx, func() error {
		lock := c.tree.writer(c.node.guid)
		lock.Lock()
		defer lock.Unlock()
		n := c.tree.node(c.node.guid)
		if n == nil {
			return nil
		}
		d := c.tree.edit(n)
		change(d)
		return d.commit(ctx, e.store, e.now())
	})
}
