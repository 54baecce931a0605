package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// ErrProtected says that AWS's rules keep this user's password out of reach. The text around it says which rule, and how
// the user falls under it.
var ErrProtected = errors.New("the user is protected")

// ErrConfined is ErrProtected by the operator's own bounds, ResetOptions.Bases.
var ErrConfined = fmt.Errorf("%w: it is outside of what resets are confined to", ErrProtected)

// Protect holds a user against AWS's two exceptions (API reference, ResetUserPassword): on Simple AD a member of Domain
// Admins or Enterprise Admins, but for Administrator; on Managed Microsoft AD everybody outside the OU that is named
// after the NetBIOS name.
func Protect(ctx context.Context, conn Conn, domain Domain, user User) error {
	if domain.Kind == MicrosoftAD {
		return protectOutside(domain, user)
	}
	if user.SID == domain.SID.Child(RIDAdministrator) {
		return nil
	}
	entry, err := read(ctx, conn, user.DN, "tokenGroups")
	if err != nil {
		return fmt.Errorf("groups of %s: %w", user.DN, err)
	}
	tokens := entry.GetRawAttributeValues("tokenGroups")
	for _, rid := range []uint32{RIDDomainAdmins, RIDEnterpriseAdmins} {
		group := domain.SID.Child(rid)
		if slices.ContainsFunc(tokens, func(token []byte) bool { return SID(token) == group }) {
			return fmt.Errorf("%w: %s", ErrProtected, nesting(ctx, conn, domain, user, group))
		}
	}
	return nil
}

func protectOutside(domain Domain, user User) error {
	customer, err := ldap.ParseDN(domain.CustomerDN())
	if err != nil {
		return err
	}
	dn, err := ldap.ParseDN(user.DN)
	if err != nil {
		return fmt.Errorf("%s: %w", user.DN, err)
	}
	if customer.AncestorOfFold(dn) {
		return nil
	}
	return fmt.Errorf("%w: %s is not below %s, the only OU of a Managed Microsoft AD whose users can be reset", ErrProtected, user.DN, domain.CustomerDN())
}

// nesting says through which groups the user is in the protected one: what an administrator needs to know to mend it.
func nesting(ctx context.Context, conn Conn, domain Domain, user User, group SID) string {
	type step struct {
		dn   string
		path string
	}
	member, err := read(ctx, conn, user.DN, "memberOf")
	if err != nil {
		return fmt.Sprintf("%s is in the protected group %s", user.DN, group)
	}
	var next []step
	for _, dn := range member.GetAttributeValues("memberOf") {
		next = append(next, step{dn, user.DN + " is a member of " + dn})
	}
	primary := "(objectSid=" + domain.SID.Child(user.Primary).String() + ")"
	if entries, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, primary, []string{"distinguishedName"}); err == nil && len(entries) == 1 {
		next = append(next, step{entries[0].DN, user.DN + " has the primary group (primaryGroupID " + strconv.Itoa(int(user.Primary)) + ") " + entries[0].DN})
	}
	seen := map[string]bool{}
	for len(next) > 0 && len(seen) < 1000 {
		at := next[0]
		next = next[1:]
		if key := strings.ToLower(at.dn); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		entry, err := read(ctx, conn, at.dn, "objectSid", "memberOf")
		if err != nil {
			continue
		}
		if SID(entry.GetRawAttributeValue("objectSid")) == group {
			return at.path
		}
		for _, dn := range entry.GetAttributeValues("memberOf") {
			next = append(next, step{dn, at.path + ", which is a member of " + dn})
		}
	}
	return fmt.Sprintf("%s is in the protected group %s", user.DN, group)
}
