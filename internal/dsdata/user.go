package dsdata

import "latchkey/internal/directory"

// userMembers are the attributes that results have members for.
var userMembers = []string{"givenName", "sn", "mail", "userPrincipalName"}

func enabled(user directory.Principal) *bool {
	return new(user.Control&directory.AccountDisable == 0)
}

func sid(p directory.Principal) *string { return new(p.SID.String()) }

func attributeOf(p directory.Principal, name string) *string {
	return optional(p.Entry.GetEqualFoldAttributeValue(name))
}

func userSummary(user directory.Principal) UserSummary {
	return UserSummary{
		Enabled: enabled(user), GivenName: attributeOf(user, "givenName"), SAMAccountName: &user.Name, SID: sid(user), Surname: attributeOf(user, "sn"),
	}
}

func userOf(user directory.Principal, other []attribute) User {
	return User{
		DistinguishedName: &user.DN, EmailAddress: attributeOf(user, "mail"), Enabled: enabled(user), GivenName: attributeOf(user, "givenName"),
		OtherAttributes: show(user.Entry, other), SAMAccountName: &user.Name, SID: sid(user), Surname: attributeOf(user, "sn"),
		UserPrincipalName: attributeOf(user, "userPrincipalName"),
	}
}
