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

// ErrNoSuchUser says that no person has that account name.
var ErrNoSuchUser = errors.New("no such user")

// User is what a reset needs to know of a person.
type User struct {
	DN      string
	Name    string // sAMAccountName, as the directory writes it
	SID     SID
	Control UserAccountControl
	Primary uint32 // primaryGroupID
}

var userAttributes = []string{"distinguishedName", "sAMAccountName", "objectSid", "userAccountControl", "primaryGroupID", "objectClass", "isCriticalSystemObject", "msDS-SecondaryKrbTgtNumber"}

// FindUser is the person whose sAMAccountName is name, whatever the case of its letters. Computers, trust accounts,
// managed service accounts, krbtgt and groups are not persons: for them, too, the error wraps ErrNoSuchUser and says why.
func FindUser(ctx context.Context, conn Conn, domain Domain, name string) (User, error) {
	// The name first: Samba looks at no further index once one condition leaves a single entry.
	filter := "(&(sAMAccountName=" + ldap.EscapeFilter(name) + ")(objectCategory=person)(objectClass=user))"
	result, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, filter, userAttributes)
	if err != nil {
		return User{}, fmt.Errorf("search for %q: %w", name, err)
	}
	for _, entry := range result {
		// Servers ignore surrounding spaces in a filter's value; an account name does not.
		if !strings.EqualFold(entry.GetAttributeValue("sAMAccountName"), name) {
			continue
		}
		return newUser(entry)
	}
	return User{}, fmt.Errorf("%w: %q is nobody's sAMAccountName", ErrNoSuchUser, name)
}

func newUser(entry *ldap.Entry) (User, error) {
	user, err := readUser(entry)
	if err != nil {
		return User{}, err
	}
	classes := entry.GetAttributeValues("objectClass")
	switch {
	case user.SID.RID() == RIDKrbtgt || entry.GetAttributeValue("msDS-SecondaryKrbTgtNumber") != "":
		return User{}, fmt.Errorf("%w: %s is the key distribution center's own account", ErrNoSuchUser, user.Name)
	case user.Control&otherThanNormalUsers != 0:
		return User{}, fmt.Errorf("%w: %s is a computer's or a trust's account", ErrNoSuchUser, user.Name)
	case slices.ContainsFunc(classes, func(class string) bool {
		return strings.EqualFold(class, "computer") || strings.EqualFold(class, "msDS-ManagedServiceAccount") || strings.EqualFold(class, "msDS-GroupManagedServiceAccount")
	}):
		return User{}, fmt.Errorf("%w: %s is a computer or a managed service account", ErrNoSuchUser, user.Name)
	}
	return user, nil
}

// readUser is what an entry says of an account, whoever's it is.
func readUser(entry *ldap.Entry) (User, error) {
	control, err := strconv.ParseInt(entry.GetAttributeValue("userAccountControl"), 10, 64)
	if err != nil {
		return User{}, fmt.Errorf("%s: userAccountControl is not a number: %w", entry.DN, err)
	}
	primary, err := strconv.ParseUint(entry.GetAttributeValue("primaryGroupID"), 10, 32)
	if err != nil {
		return User{}, fmt.Errorf("%s: primaryGroupID is not a number: %w", entry.DN, err)
	}
	user := User{
		DN: entry.DN, Name: entry.GetAttributeValue("sAMAccountName"), SID: SID(entry.GetRawAttributeValue("objectSid")),
		Control: UserAccountControl(uint32(control)), Primary: uint32(primary),
	}
	if !user.SID.Valid() {
		return User{}, fmt.Errorf("%s: objectSid is not a SID", entry.DN)
	}
	return user, nil
}

func search(ctx context.Context, conn Conn, base string, scope int, filter string, attributes []string) ([]*ldap.Entry, error) {
	result, err := conn.Search(ctx, ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	if err != nil {
		return nil, err
	}
	return result.Entries, nil
}

func read(ctx context.Context, conn Conn, dn string, attributes ...string) (*ldap.Entry, error) {
	entries, err := search(ctx, conn, dn, ldap.ScopeBaseObject, "(objectClass=*)", attributes)
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("%s: a base search gave %d entries", dn, len(entries))
	}
	return entries[0], nil
}
