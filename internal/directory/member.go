package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// ErrNotMember says that a principal is not a direct member of a group.
var ErrNotMember = errors.New("it is not a member of the group")

// A group's scopes. A built-in group is domain local.
const groupScopes = GroupGlobal | GroupDomainLocal | GroupUniversal

// strange are the scopes of the groups that a group of a scope can't have as members: what is to be used in other domains must
// not depend on what is of this one alone (Microsoft, "Active Directory security groups", Group scope).
var strange = map[uint32]uint32{
	GroupGlobal:      GroupUniversal | GroupDomainLocal,
	GroupUniversal:   GroupDomainLocal,
	GroupDomainLocal: 0,
}

// AddMember makes a principal a member of a group. Its errors are Update's: ErrExists where it is one already, ErrRefused where
// the group's scope does not allow it.
func AddMember(ctx context.Context, conn Conn, group, member Principal) error {
	switch {
	case group.DN == member.DN:
		return fmt.Errorf("%w: a group is no member of itself", ErrRefused)
	case strange[group.Group&groupScopes]&member.Group != 0:
		return fmt.Errorf("%w: %s has a scope that %s can't have as a member", ErrRefused, member.DN, group.DN)
	}
	request := ldap.NewModifyRequest(group.DN, nil)
	request.Add("member", []string{member.DN})
	return explainChange(conn.Modify(ctx, request))
}

// RemoveMember ends the membership of a principal in a group. Its errors are Update's, or ErrNotMember.
func RemoveMember(ctx context.Context, conn Conn, group, member Principal) error {
	request := ldap.NewModifyRequest(group.DN, nil)
	request.Delete("member", []string{member.DN})
	err := conn.Modify(ctx, request)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultUnwillingToPerform) {
		// AD says so of who is no member, too, and Samba without a code.
		members, failed := search(ctx, conn, member.DN, ldap.ScopeBaseObject, "(memberOf="+ldap.EscapeFilter(group.DN)+")", []string{"1.1"})
		if failed == nil && len(members) == 0 {
			return fmt.Errorf("%w: %w", ErrNotMember, err)
		}
	}
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchAttribute) {
		return fmt.Errorf("%w: %w", ErrNotMember, err)
	}
	return explainChange(err)
}

// CheckGroupType holds a group's new scope against its memberships (MS-SAMR section 3.1.1.8.3). Its error wraps ErrRefused.
func CheckGroupType(ctx context.Context, conn Conn, domain Domain, group Principal, kind uint32) error {
	scope := kind & groupScopes
	if scope == group.Group&groupScopes {
		return nil
	}
	dn := ldap.EscapeFilter(group.DN)
	for holder, strangers := range strange {
		filter := ""
		if holder == scope && strangers != 0 {
			filter = "(&(memberOf=" + dn + ")" + ofScopes(strangers) + ")"
		} else if strangers&scope != 0 {
			filter = "(&(member=" + dn + ")" + ofScopes(holder) + ")"
		}
		if filter == "" {
			continue
		}
		others, _, _, err := Page(ctx, conn, domain, []string{filter}, nil, Place{}, 1)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return fmt.Errorf("%w: the scope does not go with the membership of %s", ErrRefused, others[0].DN)
		}
	}
	return nil
}

// ofScopes is a filter for groups of any of the scopes, by AD's rule for any of several bits (MS-ADTS section 3.1.1.3.4.4.2).
func ofScopes(scopes uint32) string {
	return fmt.Sprintf("(groupType:1.2.840.113556.1.4.804:=%d)", scopes)
}

// Members are the filters that find a group's direct members among principals: those that it links to, and those whose primary
// group it is, which AD does not link (MS-ADTS section 3.1.1.4.5.19).
func Members(domain Domain, group Principal) []string {
	filters := []string{"(&(memberOf=" + ldap.EscapeFilter(group.DN) + ")" + string(Principals) + ")"}
	if own, err := group.SID.Domain(); err == nil && own == domain.SID {
		filters = append(filters, fmt.Sprintf("(primaryGroupID=%d)", group.SID.RID()))
	}
	return filters
}

// MemberOf are the filters that find the groups that a principal is a direct member of.
func MemberOf(domain Domain, member Principal) []string {
	filters := []string{"(&(member=" + ldap.EscapeFilter(member.DN) + ")" + string(Groups) + ")"}
	if member.Primary != 0 {
		filters = append(filters, "(objectSid="+domain.SID.Child(member.Primary).String()+")")
	}
	return filters
}
