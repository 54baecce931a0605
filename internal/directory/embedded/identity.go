package embedded

import (
	"time"

	"latchkey/internal/directory"
)

// Identity is what a ticket's PAC tells of an account (MS-PAC section 2.5).
type Identity struct {
	Account, FullName, LogonScript, ProfilePath, HomeDirectory, HomeDrive string
	// UPN is userPrincipalName, or what AD makes up for an account without one.
	UPN      string
	Explicit bool // the account has that userPrincipalName
	Primary  uint32
	// Global are the domain's global and universal groups that the account is in, Local its domain local ones, the primary group among
	// the first. Groups of BUILTIN are each machine's own.
	Global, Local []uint32

	PasswordSet, PasswordCanChange, PasswordMustChange time.Time // zero: never
	Control                                            directory.UserAccountControl
}

// Identity is that of the principal.
func (p *Principal) Identity() *Identity {
	t, n := p.at.tree, p.at.node
	settings := t.settingsOf(n)
	i := &Identity{
		Account: p.Keys.Account, FullName: n.first("displayName"), LogonScript: n.first("scriptPath"), ProfilePath: n.first("profilePath"),
		HomeDirectory: n.first("homeDirectory"), HomeDrive: n.first("homeDrive"), UPN: n.first("userPrincipalName"), Control: p.Control,
		PasswordSet: directory.ParseFileTime(n.first("pwdLastSet")),
	}
	i.Explicit = i.UPN != ""
	if !i.Explicit {
		i.UPN = i.Account + "@" + t.domain.Name
	}
	i.Primary, _ = parseRID(n.first("primaryGroupID"))
	if !i.PasswordSet.IsZero() {
		i.PasswordCanChange = i.PasswordSet.Add(settings.MinAge)
	}
	i.PasswordMustChange = p.PasswordEnds()
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, group := range t.groups(n) {
		domain, err := group.sid().Domain()
		switch {
		case err != nil || domain != t.domain.SID:
		case group.groupType()&directory.GroupDomainLocal != 0:
			i.Local = append(i.Local, group.sid().RID())
		default:
			i.Global = append(i.Global, group.sid().RID())
		}
	}
	return i
}

// PasswordEnds is when the account's password expires; zero is never, or that it must be changed now.
func (p *Principal) PasswordEnds() time.Time {
	set := directory.ParseFileTime(p.at.node.first("pwdLastSet"))
	maxAge := p.at.tree.settingsOf(p.at.node).MaxAge
	if p.Control&directory.DontExpirePassword != 0 || maxAge == 0 || set.IsZero() {
		return time.Time{}
	}
	return set.Add(maxAge)
}
