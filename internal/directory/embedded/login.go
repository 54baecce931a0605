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
		if refusal = e.login(ctx, c, password); refusal == nil {
			return &Session{engine: e, tree: c.tree, user: c.node.guid, secure: secure}, nil
		}
	}
	return nil, refusal
}

// candidates are the accounts that a bind's name can mean: one, but for directories of the same DNS or NetBIOS name,
// where the password decides. A bare account name in more than one directory means nobody.
func (e *Engine) candidates(bindName string) []candidate {
	var found []candidate
	add := func(t *tree, nodes ...*node) {
		for _, n := range nodes {
			if n.class != nil && n.class.account && n.class.name != "group" && len(found) < maxCandidates {
				found = append(found, candidate{t, n})
			}
		}
	}
	netbios, account, qualified := strings.Cut(bindName, `\`)
	n, err := parseDN(bindName)
	isDN := err == nil && strings.Contains(bindName, "=")
	local, suffix, _ := cutLast(bindName, "@")
	e.each(func(t *tree) bool {
		t.mu.RLock()
		defer t.mu.RUnlock()
		byAccount := func(name string) []*node { return t.lookup("sAMAccountName", foldText(name)) }
		switch {
		case isDN:
			if at, _ := t.resolve(n); at != nil {
				add(t, at)
			}
		case qualified:
			if strings.EqualFold(netbios, t.domain.NetBIOS) || strings.EqualFold(netbios, t.domain.Name) {
				add(t, byAccount(account)...)
			}
		case suffix != "":
			if explicit := t.lookup("userPrincipalName", foldText(bindName)); len(explicit) > 0 {
				add(t, explicit...)
			} else if strings.EqualFold(suffix, t.domain.Name) {
				add(t, byAccount(local)...)
			}
		default:
			add(t, byAccount(bindName)...)
		}
		return true
	})
	if !isDN && !qualified && suffix == "" && len(found) > 1 {
		return nil
	}
	return found
}

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
	now := e.now()
	settings := c.tree.settings()
	if locked(c.node, settings, now) {
		return refuseLogin(dataLockedOut)
	}
	if !held.Keys.same(derived) {
		if settings.LockoutThreshold > 0 {
			if err := e.countFailure(ctx, c, settings, now); err != nil {
				return err
			}
		}
		return refuseLogin(dataWrongPassword)
	}
	control := c.node.control()
	expires := directory.ParseFileTime(c.node.first("accountExpires"))
	last := directory.ParseFileTime(c.node.first("pwdLastSet"))
	switch {
	case control&directory.AccountDisable != 0:
		return refuseLogin(dataDisabled)
	case !expires.IsZero() && now.After(expires):
		return refuseLogin(dataAccountExpired)
	case control&directory.DontExpirePassword != 0:
	case last.IsZero():
		return refuseLogin(dataMustChange)
	case settings.MaxAge > 0 && now.After(last.Add(settings.MaxAge)):
		return refuseLogin(dataPasswordExpired)
	}
	if zero(c.node.first("badPwdCount")) && zero(c.node.first("lockoutTime")) {
		return nil
	}
	return e.update(ctx, c, func(d *draft) {
		d.set("badPwdCount", "0")
		d.set("lockoutTime", "0")
	})
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
		if count >= settings.LockoutThreshold {
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
