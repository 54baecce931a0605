package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

var (
	// ErrNoSuchPrincipal says that no user, group or computer of the wanted class has that account name.
	ErrNoSuchPrincipal = errors.New("no such user, group or computer")
	// ErrChanged says that somebody else changed the same attributes at the same time. Nothing was written.
	ErrChanged = errors.New("the entry was changed by somebody else")
	// ErrRefused says that AD's rules do not allow a change. The text around it says which.
	ErrRefused = errors.New("the directory refuses the change")
)

// Class is a class of security principals: the LDAP filter that finds them.
type Class string

// The classes. sAMAccountType tells people from computers and trusts (MS-SAMR section 2.2.1.9); groups alone have a
// groupType.
const (
	Users      Class = "(sAMAccountType=805306368)"
	Groups     Class = "(groupType=*)"
	Principals Class = "(|(sAMAccountType=805306368)(groupType=*)(sAMAccountType=805306369))"
)

// Principal is a user, a group or a computer.
type Principal struct {
	DN      string
	Name    string // sAMAccountName, as the directory writes it
	SID     SID
	Control UserAccountControl // of a user or a computer
	Primary uint32             // primaryGroupID; 0 for a group
	Group   uint32             // groupType; 0 for a user or a computer
	// Entry has the attributes that were asked for.
	Entry *ldap.Entry
}

// IsGroup and IsComputer tell groups and computers from users.
func (p Principal) IsGroup() bool { return p.Group != 0 }

// IsComputer says whether it is a computer's account.
func (p Principal) IsComputer() bool {
	return p.Control&(WorkstationTrust|ServerTrust) != 0
}

var principalAttributes = []string{"distinguishedName", "sAMAccountName", "objectSid", "userAccountControl", "primaryGroupID", "groupType", "objectGUID"}

func newPrincipal(entry *ldap.Entry) (Principal, error) {
	p := Principal{DN: entry.DN, Name: entry.GetAttributeValue("sAMAccountName"), SID: SID(entry.GetRawAttributeValue("objectSid")), Entry: entry}
	if !p.SID.Valid() {
		return p, fmt.Errorf("%s: objectSid is not a SID", entry.DN)
	}
	for name, field := range map[string]*uint32{"userAccountControl": (*uint32)(&p.Control), "primaryGroupID": &p.Primary, "groupType": &p.Group} {
		text := entry.GetAttributeValue(name)
		if text == "" {
			continue
		}
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return p, fmt.Errorf("%s: %s is not a number: %w", entry.DN, name, err)
		}
		*field = uint32(number)
	}
	return p, nil
}

// FindPrincipal is the principal of that class whose sAMAccountName is name, whatever the case of its letters, with the
// attributes that are named. Its errors wrap ErrNoSuchPrincipal or ErrUnavailable.
func FindPrincipal(ctx context.Context, conn Conn, domain Domain, class Class, name string, attributes ...string) (Principal, error) {
	filter := "(&(sAMAccountName=" + ldap.EscapeFilter(name) + ")" + string(class) + ")"
	found, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, filter, slices.Concat(principalAttributes, attributes))
	if err != nil {
		return Principal{}, explain(err)
	}
	for _, entry := range found {
		// Servers ignore surrounding spaces in a filter's value; an account name does not.
		if strings.EqualFold(entry.GetAttributeValue("sAMAccountName"), name) {
			return newPrincipal(entry)
		}
	}
	return Principal{}, fmt.Errorf("%w: %q", ErrNoSuchPrincipal, name)
}

// ProtectPrincipal refuses a change of what is not the customer's own: what is outside the customer's OU (the reserved OUs, the
// delegated and the built-in groups, Domain Admins), and the customer's administrator. Its error wraps ErrProtected.
func ProtectPrincipal(domain Domain, p Principal) error {
	if err := protectOutside(domain, User{DN: p.DN}); err != nil {
		return err
	}
	if strings.EqualFold(p.Name, domain.Administrator()) {
		return fmt.Errorf("%w: %s is the directory's administrator", ErrProtected, p.Name)
	}
	return nil
}

// CreateUser makes a person's account in the customer's OU: disabled, and without a password (API reference, CreateUser).
// attributes are further ones. Its errors wrap ErrExists, ErrNoContainer, ErrAttribute, ErrForbidden, ErrUnavailable or
// ErrOutcomeUnknown.
func CreateUser(ctx context.Context, conn Conn, domain Domain, name string, attributes map[string][]string) (Principal, error) {
	return create(ctx, conn, domain, name, attributes, map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {name}, "userPrincipalName": {name + "@" + domain.Name},
		"userAccountControl": {formatControl(NormalAccount | AccountDisable)},
	})
}

// CreateGroup is CreateUser for a group of that type.
func CreateGroup(ctx context.Context, conn Conn, domain Domain, name string, kind uint32, attributes map[string][]string) (Principal, error) {
	return create(ctx, conn, domain, name, attributes, map[string][]string{
		"objectClass": {"group"}, "sAMAccountName": {name}, "groupType": {formatGroupType(kind)},
	})
}

func create(ctx context.Context, conn Conn, domain Domain, name string, attributes, own map[string][]string) (Principal, error) {
	request := ldap.NewAddRequest("CN="+ldap.EscapeDN(name)+","+domain.UsersDN(), nil)
	maps.Copy(own, attributes)
	for _, attribute := range slices.Sorted(maps.Keys(own)) {
		if len(own[attribute]) > 0 {
			request.Attribute(attribute, own[attribute])
		}
	}
	if err := conn.Add(ctx, request); err != nil {
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return Principal{}, explainAdd(err)
		}
		return Principal{}, explainChange(err)
	}
	entry, err := read(ctx, conn, request.DN, principalAttributes...)
	if err != nil {
		return Principal{}, explain(err)
	}
	return newPrincipal(entry)
}

// Update gives attributes of a principal new values, and takes away those that have none. The principal has been found with
// these attributes: a change of them by somebody else since then makes it fail with ErrChanged. Its errors also wrap
// ErrNoSuchPrincipal, ErrExists, ErrAttribute, ErrRefused, ErrForbidden, ErrUnavailable or ErrOutcomeUnknown.
func Update(ctx context.Context, conn Conn, p Principal, values map[string][]string) error {
	request := ldap.NewModifyRequest(p.DN, nil)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		old, next := p.Entry.GetEqualFoldAttributeValues(name), values[name]
		if slices.Equal(slices.Sorted(slices.Values(old)), slices.Sorted(slices.Values(next))) {
			continue
		}
		// The old values are named, so that the change fails rather than undo somebody else's.
		if len(old) > 0 {
			request.Delete(name, old)
		}
		if len(next) > 0 {
			request.Add(name, next)
		}
	}
	if len(request.Changes) == 0 {
		return nil
	}
	err := conn.Modify(ctx, request)
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAttributeOrValueExists) {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	return explainChange(err)
}

// Disable takes a user's right to log in. It does nothing to one who has none.
func Disable(ctx context.Context, conn Conn, user Principal) error {
	return Update(ctx, conn, user, map[string][]string{"userAccountControl": {formatControl(user.Control | AccountDisable)}})
}

// GroupTypeValue is a group's type as Update takes it. AD makes a global or a domain local group universal, and back, unless a
// membership speaks against it (MS-SAMR section 3.1.1.8.3); security and distribution groups become one another.
func GroupTypeValue(bits uint32) []string { return []string{formatGroupType(bits)} }

// Delete deletes a principal. Its errors are Update's.
func Delete(ctx context.Context, conn Conn, p Principal) error {
	return explainChange(conn.Delete(ctx, ldap.NewDelRequest(p.DN, nil)))
}

// explainChange is explain for a change of a principal.
func explainChange(err error) error {
	var refusal *ldap.Error
	if !errors.As(err, &refusal) || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	text := ""
	if refusal.Err != nil {
		text = strings.ToUpper(refusal.Err.Error())
	}
	meaning := error(nil)
	switch code := refusal.ResultCode; {
	case code == ldap.LDAPResultNoSuchObject:
		meaning = ErrNoSuchPrincipal
	// ERROR_DS_UPN_VALUE_NOT_UNIQUE_IN_FOREST and ERROR_DS_SPN_VALUE_NOT_UNIQUE_IN_FOREST.
	case code == ldap.LDAPResultEntryAlreadyExists, code == ldap.LDAPResultAttributeOrValueExists, strings.HasPrefix(text, "000021C8"), strings.HasPrefix(text, "000021C7"):
		meaning = ErrExists
	case code >= ldap.LDAPResultNoSuchAttribute && code <= ldap.LDAPResultInvalidAttributeSyntax, code == ldap.LDAPResultObjectClassViolation,
		code == ldap.LDAPResultInvalidDNSyntax, code == ldap.LDAPResultNamingViolation:
		meaning = ErrAttribute
	case code == ldap.LDAPResultUnwillingToPerform, code == ldap.LDAPResultNotAllowedOnNonLeaf, code == ldap.LDAPResultNotAllowedOnRDN:
		meaning = ErrRefused
	default:
		return explain(err)
	}
	return fmt.Errorf("%w: %w", meaning, err)
}
