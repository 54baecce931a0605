package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// at is a member of an answer by its path.
func at(out map[string]any, path ...string) any {
	var inner any = out
	for _, name := range path {
		members, _ := inner.(map[string]any)
		inner = members[name]
	}
	return inner
}

// has holds members of an answer against what they should be: names and values in turn, nil for one that is absent.
func (w dataWorld) has(t *testing.T, out map[string]any, want ...any) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		path := strings.Split(want[i].(string), ".")
		if got := at(out, path...); fmt.Sprint(got) != fmt.Sprint(want[i+1]) {
			t.Errorf("%s is %v, want %v", want[i], got, want[i+1])
		}
	}
}

// suite is what holds on every engine.
func (w dataWorld) suite(t *testing.T) {
	for _, part := range []struct {
		name string
		run  func(dataWorld, *testing.T)
	}{
		{"users", dataWorld.users},
		{"attributes", dataWorld.attributes},
		{"groups", dataWorld.groups},
		{"members", dataWorld.members},
		{"search", dataWorld.searches},
		{"pages", dataWorld.pages},
		{"once", dataWorld.once},
		{"at once", dataWorld.atOnce},
		{"refused", dataWorld.refusals},
		{"protected", dataWorld.protected},
	} {
		t.Run(part.name, func(t *testing.T) {
			w.t = t
			part.run(w, t)
		})
	}
}

// users: from nothing to a user who logs in, and is turned off, on, and deleted.
func (w dataWorld) users(t *testing.T) {
	made := w.yes("CreateUser", w.of("SAMAccountName", "ann.bee", "GivenName", "Ann", "Surname", "Bee", "EmailAddress", "ann@example.com",
		"OtherAttributes", map[string]any{"displayName": "Ann Bee", "telephoneNumber": "+49 30 1234", "otherTelephone": []string{"1", "2"}, "countryCode": 276}))
	w.has(t, made, "DirectoryId", w.id, "SAMAccountName", "ann.bee")
	dn := "CN=ann.bee," + w.usersDN()
	entry := w.ldap(t, "(sAMAccountName=ann.bee)")
	for name, want := range map[string]string{
		"dn": dn, "userAccountControl": "514", "userPrincipalName": "ann.bee@" + w.name, "givenName": "Ann", "sn": "Bee", "mail": "ann@example.com",
		"displayName": "Ann Bee", "telephoneNumber": "+49 30 1234", "countryCode": "276", "pwdLastSet": "0",
	} {
		if got := attribute(entry, name); got != want {
			t.Errorf("%s is %q by LDAP, want %q", name, got, want)
		}
	}
	if strings.Count(entry, "otherTelephone: ") != 2 {
		t.Errorf("otherTelephone: %s", entry)
	}
	described := w.yes("DescribeUser", w.of("SAMAccountName", "ANN.bee", "Realm", strings.ToUpper(w.name)+".", "OtherAttributes", []string{"DISPLAYNAME", "otherTelephone", "countryCode", "manager"}))
	w.has(t, described, "DirectoryId", w.id, "DistinguishedName", dn, "EmailAddress", "ann@example.com", "Enabled", false, "GivenName", "Ann", "Surname", "Bee",
		"Realm", w.name, "SAMAccountName", "ann.bee", "SID", made["SID"], "UserPrincipalName", "ann.bee@"+w.name,
		"OtherAttributes.displayName.S", "Ann Bee", "OtherAttributes.otherTelephone.SS", "[1 2]", "OtherAttributes.countryCode.N", 276, "OtherAttributes.manager", nil)
	everything := w.yes("DescribeUser", w.of("SAMAccountName", "ann.bee", "OtherAttributes", []string{"*"}))
	w.has(t, everything, "OtherAttributes.telephoneNumber.S", "+49 30 1234", "OtherAttributes.userAccountControl.N", 514)

	w.no("CreateUser", w.of("SAMAccountName", "Ann.Bee"), "ConflictException", "User already exists in directory "+w.id)

	// The first password enables the account.
	if data := w.login(t, "ann.bee", firstPassword); data == "" {
		t.Error("logged in without a password")
	}
	goClient(t, w.s)(t, home, "ResetUserPassword", reset(w.id, "ann.bee", firstPassword)).accepted(t)
	w.has(t, w.yes("DescribeUser", w.of("SAMAccountName", "ann.bee")), "Enabled", true)
	if data := w.login(t, "ann.bee", firstPassword); data != "" {
		t.Errorf("after the reset: data %s", data)
	}
	for range 2 { // the second time nothing is left to do
		w.yes("DisableUser", w.of("SAMAccountName", "ann.bee"))
	}
	w.has(t, w.yes("DescribeUser", w.of("SAMAccountName", "ann.bee")), "Enabled", false)
	if data := w.login(t, "ann.bee", firstPassword); data != "533" {
		t.Errorf("disabled: data %q, want 533", data)
	}
	w.yes("DeleteUser", w.of("SAMAccountName", "ann.bee"))
	if said := w.ldap(t, "(sAMAccountName=ann.bee)"); strings.Contains(said, "ann.bee") {
		t.Errorf("she is there: %s", said)
	}
	for operation, more := range map[string][]any{"DescribeUser": nil, "DeleteUser": nil, "DisableUser": nil, "UpdateUser": {"Surname", "Cee"}, "ListGroupsForMember": nil} {
		text := "User not found in directory " + w.id + "."
		if operation == "ListGroupsForMember" {
			text = "Member not found in directory " + w.id + "."
		}
		w.no(operation, w.of(append(more, "SAMAccountName", "ann.bee")...), "ResourceNotFoundException", text)
	}
}

// attributes: what ADD, REPLACE and REMOVE do, and what they refuse.
func (w dataWorld) attributes(t *testing.T) {
	w.yes("CreateUser", w.of("SAMAccountName", "attr", "GivenName", "At"))
	update := func(kind string, more ...any) map[string]any {
		return w.of(append(more, "SAMAccountName", "attr", "UpdateType", kind)...)
	}
	other := func(pairs ...any) map[string]any {
		all := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i].(string)] = pairs[i+1]
		}
		return all
	}
	see := func(name, want string) {
		t.Helper()
		if got := attribute(w.ldap(t, "(sAMAccountName=attr)", name), name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	w.yes("UpdateUser", update("ADD", "Surname", "Tribute", "OtherAttributes", other("description", "One", "otherMobile", []string{"1"}, "showInAdvancedViewOnly", true)))
	see("sn", "Tribute")
	see("description", "One")
	see("showInAdvancedViewOnly", "TRUE")
	w.no("UpdateUser", update("ADD", "OtherAttributes", other("title", "x", "Description", "Two")), "ValidationException ATTRIBUTE_EXISTS", "description")
	see("title", "")
	w.yes("UpdateUser", update("REPLACE", "GivenName", "Bet", "OtherAttributes", other("DESCRIPTION", "Two", "title", "Prof. (a*b) \\ ü", "otherMobile", []string{"2", "3"}, "accountExpires", 0)))
	see("givenName", "Bet")
	see("description", "Two")
	see("accountExpires", "0")
	w.has(t, w.yes("DescribeUser", w.of("SAMAccountName", "attr", "OtherAttributes", []string{"title", "otherMobile", "showInAdvancedViewOnly", "accountExpires"})),
		"OtherAttributes.title.S", "Prof. (a*b) \\ ü", "OtherAttributes.showInAdvancedViewOnly.BOOL", true, "OtherAttributes.accountExpires.N", 0)
	// The same once more changes nothing, and is no error; REPLACE is what counts without a type.
	w.yes("UpdateUser", w.of("SAMAccountName", "attr", "GivenName", "Bet"))
	w.yes("UpdateUser", update("REMOVE", "GivenName", "whatever", "OtherAttributes", other("otherMobile", []string{}, "pager", "was not there")))
	see("givenName", "")
	see("otherMobile", "")

	// A name of another account, and one of nobody.
	w.yes("CreateUser", w.of("SAMAccountName", "boss"))
	w.yes("UpdateUser", update("ADD", "OtherAttributes", other("manager", "CN=boss,"+w.usersDN())))
	see("manager", "CN=boss,"+w.usersDN())

	for _, c := range []struct {
		input map[string]any
		want  string
	}{
		{update("REPLACE"), "MISSING_ATTRIBUTE"},
		{update("REPLACE", "OtherAttributes", other("noSuchThing", "x")), "INVALID_ATTRIBUTE_NAME"},
		{update("REPLACE", "OtherAttributes", other("unicodePwd", "x")), "INVALID_ATTRIBUTE_NAME"},
		{update("REPLACE", "OtherAttributes", other("managedBy", "x")), "INVALID_ATTRIBUTE_FOR_USER"},
		{update("REPLACE", "OtherAttributes", other("userAccountControl", 512)), "INVALID_ATTRIBUTE_FOR_MODIFY"},
		{update("REPLACE", "OtherAttributes", other("sAMAccountName", "other")), "INVALID_ATTRIBUTE_FOR_MODIFY"},
		{update("REPLACE", "Surname", "x", "OtherAttributes", other("SN", "y")), "DUPLICATE_ATTRIBUTE"},
		{update("REPLACE", "OtherAttributes", other("title", "x", "TITLE", "y")), "DUPLICATE_ATTRIBUTE"},
		{update("REPLACE", "OtherAttributes", other("title", 1)), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("title", []string{"x"})), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("title", true)), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("title", "a\x00b")), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("countryCode", "276")), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("countryCode", 1<<40)), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("otherMobile", []string{"1", "1"})), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("showInAdvancedViewOnly", "TRUE")), "INVALID_ATTRIBUTE_VALUE"},
		{update("ADD", "OtherAttributes", other("otherPager", []string{})), "INVALID_ATTRIBUTE_VALUE"},
		{update("REPLACE", "OtherAttributes", other("manager", "no name")), "INVALID_ATTRIBUTE_VALUE"},
	} {
		w.no("UpdateUser", c.input, "ValidationException "+c.want, "")
	}
	w.no("CreateUser", w.of("SAMAccountName", "new", "OtherAttributes", other("noSuchThing", "x")), "ValidationException INVALID_ATTRIBUTE_NAME", "noSuchThing")
	w.no("CreateUser", w.of("SAMAccountName", "new."), "ValidationException INVALID_ATTRIBUTE_VALUE", "")
	w.no("DescribeUser", w.of("SAMAccountName", "attr", "OtherAttributes", []string{"title", "Title"}), "ValidationException DUPLICATE_ATTRIBUTE", "Title")
	w.no("DescribeUser", w.of("SAMAccountName", "attr", "OtherAttributes", []string{"groupType"}), "ValidationException INVALID_ATTRIBUTE_FOR_USER", "groupType")
	if said := w.ldap(t, "(sAMAccountName=new*)"); strings.Contains(said, "dn: ") {
		t.Errorf("a refused user is there: %s", said)
	}
	see("title", attribute(w.ldap(t, "(sAMAccountName=attr)", "title"), "title"))
	see("sn", "Tribute")
}

// groups: every scope and type, and what one becomes of the other.
func (w dataWorld) groups(t *testing.T) {
	for _, scope := range []string{"DomainLocal", "Global", "Universal"} {
		for _, kind := range []string{"Security", "Distribution"} {
			name := "Group " + scope + " " + kind
			made := w.yes("CreateGroup", w.of("SAMAccountName", name, "GroupScope", scope, "GroupType", kind, "OtherAttributes", map[string]any{"description": "Of " + scope}))
			w.has(t, w.yes("DescribeGroup", w.of("SAMAccountName", name, "OtherAttributes", []string{"description"})), "DirectoryId", w.id, "DistinguishedName", "CN="+name+","+w.usersDN(),
				"GroupScope", scope, "GroupType", kind, "Realm", w.name, "SAMAccountName", name, "SID", made["SID"], "OtherAttributes.description.S", "Of "+scope)
		}
	}
	kinds := map[string]string{"DomainLocal Security": "-2147483644", "DomainLocal Distribution": "4", "Global Security": "-2147483646", "Global Distribution": "2", "Universal Security": "-2147483640", "Universal Distribution": "8"}
	for name, want := range kinds {
		if got := attribute(w.ldap(t, "(sAMAccountName=Group "+name+")"), "groupType"); got != want {
			t.Errorf("%s: groupType %s, want %s", name, got, want)
		}
	}
	w.yes("CreateGroup", w.of("SAMAccountName", "plain"))
	w.has(t, w.yes("DescribeGroup", w.of("SAMAccountName", "plain")), "GroupScope", "Global", "GroupType", "Security")
	w.has(t, w.yes("DescribeGroup", w.of("SAMAccountName", "Administrators")), "GroupScope", "BuiltinLocal", "GroupType", "Security")

	turn := func(more ...any) map[string]any { return w.of(append(more, "SAMAccountName", "plain")...) }
	w.no("UpdateGroup", turn("GroupScope", "DomainLocal", "UpdateType", "REPLACE"), "ValidationException LDAP_UNSUPPORTED_OPERATION", "")
	for _, scope := range []string{"Universal", "DomainLocal", "Universal", "Global"} {
		w.yes("UpdateGroup", turn("GroupScope", scope, "UpdateType", "REPLACE"))
		w.has(t, w.yes("DescribeGroup", w.of("SAMAccountName", "plain")), "GroupScope", scope, "GroupType", "Security")
	}
	w.yes("UpdateGroup", turn("GroupType", "Distribution", "OtherAttributes", map[string]any{"info": "more"}))
	w.has(t, w.yes("DescribeGroup", w.of("SAMAccountName", "plain", "OtherAttributes", []string{"info"})), "GroupScope", "Global", "GroupType", "Distribution", "OtherAttributes.info.S", "more")

	w.no("UpdateGroup", turn("GroupScope", "Universal", "UpdateType", "ADD"), "ValidationException ATTRIBUTE_EXISTS", "groupType")
	w.no("UpdateGroup", turn("GroupScope", "Universal", "UpdateType", "REMOVE"), "ValidationException INVALID_ATTRIBUTE_FOR_MODIFY", "")
	w.no("UpdateGroup", turn("GroupScope", "BuiltinLocal"), "ValidationException INVALID_ATTRIBUTE_VALUE", "BuiltinLocal")
	w.no("UpdateGroup", turn(), "ValidationException MISSING_ATTRIBUTE", "")
	w.no("UpdateGroup", turn("OtherAttributes", map[string]any{"givenName": "x"}), "ValidationException INVALID_ATTRIBUTE_FOR_GROUP", "givenName")
	w.no("CreateGroup", w.of("SAMAccountName", "built", "GroupScope", "BuiltinLocal"), "ValidationException INVALID_ATTRIBUTE_VALUE", "BuiltinLocal")
	w.no("CreateGroup", w.of("SAMAccountName", " space"), "ValidationException INVALID_ATTRIBUTE_VALUE", "")
	w.no("CreateGroup", w.of("SAMAccountName", "PLAIN"), "ConflictException", "Group already exists")
	w.no("CreateUser", w.of("SAMAccountName", "plain"), "ConflictException", "")
	w.no("DescribeUser", w.of("SAMAccountName", "plain"), "ResourceNotFoundException", "")
	w.yes("DeleteGroup", w.of("SAMAccountName", "plain"))
	for operation, more := range map[string][]any{"DescribeGroup": nil, "DeleteGroup": nil, "UpdateGroup": {"GroupType", "Security"}, "ListGroupMembers": nil} {
		w.no(operation, w.of(append(more, "SAMAccountName", "plain")...), "ResourceNotFoundException", "Group not found in directory "+w.id+".")
	}
}

// members: users, groups and computers come into groups and go.
func (w dataWorld) members(t *testing.T) {
	w.yes("CreateUser", w.of("SAMAccountName", "mem"))
	for _, name := range []string{"Inner", "Outer"} {
		w.yes("CreateGroup", w.of("SAMAccountName", name))
	}
	goClient(t, w.s)(t, home, "CreateComputer", computer(w.id, "MEMPC")).accepted(t)
	pair := func(group, member string, more ...any) map[string]any {
		return w.of(append(more, "GroupName", group, "MemberName", member)...)
	}
	for group, each := range map[string][]string{"Inner": {"mem", "MEMPC$"}, "Outer": {"Inner", "MEM"}} {
		for _, name := range each {
			w.yes("AddGroupMember", pair(group, name, "MemberRealm", w.name))
		}
	}
	if said := w.ldap(t, "(sAMAccountName=Inner)", "member"); !strings.Contains(said, "member: CN=mem,"+w.usersDN()) || !strings.Contains(said, "CN=MEMPC,") {
		t.Error(said)
	}
	kinds := map[string]any{}
	out := w.yes("ListGroupMembers", w.of("SAMAccountName", "inner"))
	w.has(t, out, "DirectoryId", w.id, "Realm", w.name, "MemberRealm", w.name)
	for _, each := range out["Members"].([]any) {
		m := each.(map[string]any)
		kinds[m["SAMAccountName"].(string)] = m["MemberType"]
		if sid, _ := m["SID"].(string); !strings.HasPrefix(sid, "S-1-5-21-") {
			t.Errorf("%v", m)
		}
	}
	if fmt.Sprint(kinds) != "map[MEMPC$:COMPUTER mem:USER]" {
		t.Errorf("the members are %v", kinds)
	}
	direct := func(name string) string {
		t.Helper()
		names := w.all("ListGroupsForMember", "Groups", w.of("SAMAccountName", name), nil)
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for name, want := range map[string]string{"mem": "Domain Users Inner Outer", "Inner": "Outer", "Outer": "", "mempc$": "Domain Computers Inner"} {
		if got := direct(name); got != want {
			t.Errorf("%s is in %q, want %q", name, got, want)
		}
	}
	// Who has a group as the primary one is in it.
	if names := w.all("ListGroupMembers", "Members", w.of("SAMAccountName", "Domain Users", "MaxResults", 3), nil); !slices.Contains(names, "mem") || !slices.Contains(names, "Admin") {
		t.Errorf("Domain Users are %v", names)
	}

	w.no("AddGroupMember", pair("Inner", "mem"), "ConflictException", "in the group already")
	w.no("AddGroupMember", pair("Inner", "nobody"), "ResourceNotFoundException", "Member not found")
	w.no("AddGroupMember", pair("Nowhere", "mem"), "ResourceNotFoundException", "Group not found")
	w.no("AddGroupMember", pair("Inner", "mem", "MemberRealm", "other.example.com"), "ValidationException INVALID_REALM", "other.example.com")
	w.yes("CreateGroup", w.of("SAMAccountName", "Local", "GroupScope", "DomainLocal"))
	w.no("AddGroupMember", pair("Inner", "Local"), "ValidationException LDAP_UNSUPPORTED_OPERATION", "")
	w.no("AddGroupMember", pair("Inner", "Inner"), "ValidationException LDAP_UNSUPPORTED_OPERATION", "")
	// Inner is in a global group, and Outer has one.
	w.no("UpdateGroup", w.of("SAMAccountName", "Inner", "GroupScope", "Universal"), "ValidationException LDAP_UNSUPPORTED_OPERATION", "")
	w.yes("UpdateGroup", w.of("SAMAccountName", "Outer", "GroupScope", "Universal"))
	w.yes("UpdateGroup", w.of("SAMAccountName", "Inner", "GroupScope", "Universal"))
	w.no("UpdateGroup", w.of("SAMAccountName", "Outer", "GroupScope", "Global"), "ValidationException LDAP_UNSUPPORTED_OPERATION", "")
	w.no("UpdateGroup", w.of("SAMAccountName", "Inner", "GroupScope", "DomainLocal"), "ValidationException LDAP_UNSUPPORTED_OPERATION", "")
	w.yes("RemoveGroupMember", pair("Outer", "mem"))
	if got := direct("mem"); got != "Domain Users Inner" {
		t.Errorf("mem is in %q", got)
	}
	w.no("RemoveGroupMember", pair("Outer", "mem"), "ResourceNotFoundException", "not in the group")
	w.no("RemoveGroupMember", pair("Outer", "nobody"), "ResourceNotFoundException", "Member not found")
}

// searches: who is found by which attribute.
func (w dataWorld) searches(t *testing.T) {
	for i, name := range []string{"Sea", "Seal", "Sea (lion)"} {
		w.yes("CreateUser", w.of("SAMAccountName", fmt.Sprintf("sea%d", i), "Surname", name, "EmailAddress", fmt.Sprintf("sea%d@example.com", i), "OtherAttributes", map[string]any{"department": "Ocean", "otherPager": []string{"4711", name}}))
	}
	w.yes("CreateGroup", w.of("SAMAccountName", "Sea Group", "OtherAttributes", map[string]any{"description": "Salt*water"}))
	find := func(sought string, by ...string) string {
		t.Helper()
		names := w.all("SearchUsers", "Users", w.of("SearchString", sought, "SearchAttributes", by, "MaxResults", 1), nil)
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for _, c := range []struct {
		sought, by, want string
	}{
		{"sea1", "SAMAccountName", "sea1"},
		{"SEA", "sn", "sea0"},
		{"sea", "Surname", "sea0"},
		{"sea (LION)", "SN", "sea2"},
		{"sea", "sAMAccountName", ""},
		{"sea*", "SamAccountName", "sea0 sea1 sea2"},
		{"*l*", "sn", "sea1 sea2"},
		{"sea2@example.com", "mail", "sea2"},
		{"sea2@example.com", "emailAddress", "sea2"},
		{"ocean", "department", "sea0 sea1 sea2"},
		{"4711", "otherPager", "sea0 sea1 sea2"},
		{"seal", "otherPager", "sea1"},
		{")(sn=*", "sn", ""},
	} {
		if got := find(c.sought, c.by); got != c.want {
			t.Errorf("%s by %s: %q, want %q", c.sought, c.by, got, c.want)
		}
	}
	if got := find("Seal", "givenName", "sn", "otherPager"); got != "sea1" {
		t.Errorf("by several: %q", got)
	}
	out := w.yes("SearchUsers", w.of("SearchString", "sea1", "SearchAttributes", []string{"SamAccountName", "department"}))
	found, _ := out["Users"].([]any)
	if len(found) != 1 {
		t.Fatalf("found %v", out)
	}
	w.has(t, found[0].(map[string]any), "SAMAccountName", "sea1", "Surname", "Seal", "EmailAddress", "sea1@example.com", "Enabled", false, "OtherAttributes.department.S", "Ocean",
		"DistinguishedName", "CN=sea1,"+w.usersDN(), "UserPrincipalName", "sea1@"+w.name)
	out = w.yes("SearchGroups", w.of("SearchString", "salt*", "SearchAttributes", []string{"description", "sAMAccountName"}))
	found, _ = out["Groups"].([]any)
	if len(found) != 1 {
		t.Fatalf("found %v", out)
	}
	w.has(t, found[0].(map[string]any), "SAMAccountName", "Sea Group", "GroupScope", "Global", "GroupType", "Security", "OtherAttributes.description.S", "Salt*water", "DistinguishedName", "CN=Sea Group,"+w.usersDN())

	search := func(by ...string) map[string]any {
		return w.of("SearchString", "sea*", "SearchAttributes", by)
	}
	w.no("SearchUsers", search("objectSid"), "ValidationException INVALID_ATTRIBUTE_NAME", "objectSid")
	w.no("SearchUsers", search("managedBy"), "ValidationException INVALID_ATTRIBUTE_FOR_USER", "managedBy")
	w.no("SearchUsers", search("distinguishedName"), "ValidationException INVALID_ATTRIBUTE_FOR_SEARCH", "distinguishedName")
	w.no("SearchGroups", search("sn"), "ValidationException INVALID_ATTRIBUTE_FOR_GROUP", "sn")
	w.no("SearchGroups", search("groupType"), "ValidationException INVALID_ATTRIBUTE_FOR_SEARCH", "groupType")
}

// pages: whatever the size of a page, and whoever writes in between, what is there all the while comes once.
func (w dataWorld) pages(t *testing.T) {
	const crowd = 30
	for i := range crowd {
		w.yes("CreateUser", w.of("SAMAccountName", fmt.Sprintf("page%02d", i)))
	}
	w.yes("CreateGroup", w.of("SAMAccountName", "Pages"))
	for i := range 12 {
		w.yes("AddGroupMember", w.of("GroupName", "Pages", "MemberName", fmt.Sprintf("page%02d", i)))
	}
	once := func(names []string, count int, prefix string) {
		t.Helper()
		seen := map[string]int{}
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				seen[name]++
			}
		}
		for i := range count {
			if name := fmt.Sprintf("%s%02d", prefix, i); seen[name] != 1 {
				t.Errorf("%s came %d times", name, seen[name])
			}
		}
	}
	users := w.all("ListUsers", "Users", w.of(), nil)
	once(users, crowd, "page")
	if !slices.Contains(users, "Admin") || !slices.Contains(users, "Administrator") || slices.Contains(users, "MEMPC$") {
		t.Errorf("the users are %v", users)
	}
	for _, size := range []int{1, 7, 250} {
		if got := w.all("ListUsers", "Users", w.of("MaxResults", size, "Realm", w.name), nil); !slices.Equal(got, users) {
			t.Errorf("pages of %d: %v, want %v", size, got, users)
		}
	}
	once(w.all("ListGroupMembers", "Members", w.of("SAMAccountName", "Pages", "MaxResults", 5), nil), 12, "page")
	once(w.all("SearchUsers", "Users", w.of("SearchString", "page*", "SearchAttributes", []string{"sAMAccountName"}, "MaxResults", 4), nil), crowd, "page")
	groups := w.all("ListGroups", "Groups", w.of("MaxResults", 9), nil)
	for _, name := range []string{"Pages", "Domain Admins", "AWS Delegated Administrators", "Administrators"} {
		if !slices.Contains(groups, name) {
			t.Errorf("%s is not among %v", name, groups)
		}
	}

	// Others come and go between the pages.
	come, gone := 0, 0
	names := w.all("ListUsers", "Users", w.of("MaxResults", 3), func(page int) {
		w.yes("CreateUser", w.of("SAMAccountName", fmt.Sprintf("late%02d", page)))
		come++
		if page%2 == 0 {
			w.yes("DeleteUser", w.of("SAMAccountName", fmt.Sprintf("late%02d", page-1)))
			gone++
		}
	})
	once(names, crowd, "page")
	if come < 10 || gone < 5 {
		t.Errorf("%d came and %d went", come, gone)
	}

	token := w.yes("ListUsers", w.of("MaxResults", 2))["NextToken"].(string)
	forged := []byte(token)
	forged[len(forged)/2] ^= 1
	for _, c := range []struct {
		operation string
		input     map[string]any
	}{
		{"ListUsers", w.of("NextToken", string(forged))},
		{"ListUsers", w.of("NextToken", "AAAA")},
		{"ListGroups", w.of("NextToken", token)},
		{"SearchUsers", w.of("NextToken", token, "SearchString", "x", "SearchAttributes", []string{"sn"})},
		{"ListGroupMembers", w.of("NextToken", token, "SAMAccountName", "Pages")},
	} {
		w.no(c.operation, c.input, "ValidationException INVALID_NEXT_TOKEN", "NextToken")
	}
	w.yes("ListUsers", w.of("NextToken", token, "MaxResults", 9)) // of another size
}

// once: a request that is sent twice is carried out once.
func (w dataWorld) once(t *testing.T) {
	with := func(token string, more ...any) map[string]any { return w.of(append(more, "ClientToken", token)...) }
	first := w.yes("CreateUser", with("token-a", "SAMAccountName", "twice"))
	again := w.yes("CreateUser", with("token-a", "SAMAccountName", "twice"))
	w.has(t, again, "SID", first["SID"], "SAMAccountName", "twice", "DirectoryId", w.id)
	w.no("CreateUser", with("token-b", "SAMAccountName", "twice"), "ConflictException", "User already exists")
	w.no("CreateUser", with("token-a", "SAMAccountName", "thrice"), "ConflictException", "other parameters")
	w.no("CreateGroup", with("token-a", "SAMAccountName", "twice"), "ConflictException", "other parameters")
	// What failed may be tried again with the same token.
	w.no("CreateUser", with("token-b", "SAMAccountName", "twice"), "ConflictException", "User already exists")
	w.yes("DeleteUser", with("token-c", "SAMAccountName", "twice"))
	w.yes("DeleteUser", with("token-c", "SAMAccountName", "twice"))
	w.yes("CreateUser", with("token-b", "SAMAccountName", "twice"))
	w.no("DeleteUser", with("token-d", "SAMAccountName", "nobody"), "ResourceNotFoundException", "")
	w.yes("CreateGroup", with("token-e", "SAMAccountName", "Twice as well"))
	for operation, c := range map[string][]any{
		"DisableUser": {"SAMAccountName", "twice"}, "UpdateUser": {"SAMAccountName", "twice", "Surname", "Two", "UpdateType", "ADD"},
		"UpdateGroup": {"SAMAccountName", "Twice as well", "OtherAttributes", map[string]any{"info": "x"}, "UpdateType", "ADD"}, "AddGroupMember": {"GroupName", "Twice as well", "MemberName", "twice"},
	} {
		for range 2 {
			w.yes(operation, with("token-"+operation, c...))
		}
	}
	for _, each := range []struct {
		operation string
		input     []any
	}{{"RemoveGroupMember", []any{"GroupName", "Twice as well", "MemberName", "twice"}}, {"DeleteGroup", []any{"SAMAccountName", "Twice as well"}}} {
		for range 2 {
			w.yes(each.operation, with("token-"+each.operation, each.input...))
		}
	}
}

// atOnce: of those who do the same at the same time one does it, and nothing is lost.
func (w dataWorld) atOnce(t *testing.T) {
	const many = 8
	race := func(call func(i int) dataAnswer) (done int) {
		t.Helper()
		var won atomic.Int32
		var group sync.WaitGroup
		for i := range many {
			group.Go(func() {
				switch a := call(i); {
				case a.Exception == "":
					won.Add(1)
				case a.Exception != "ConflictException":
					t.Errorf("%s %s", a.answer, a.Reason)
				}
			})
		}
		group.Wait()
		return int(won.Load())
	}
	if won := race(func(int) dataAnswer { return w.call("CreateUser", w.of("SAMAccountName", "race")) }); won != 1 {
		t.Errorf("%d made the user", won)
	}
	if won := race(func(int) dataAnswer {
		return w.call("CreateUser", w.of("SAMAccountName", "race2", "ClientToken", "race"))
	}); won < 1 {
		t.Error("nobody made the user")
	}
	if won := race(func(i int) dataAnswer {
		return w.call("UpdateUser", w.of("SAMAccountName", "race", "Surname", fmt.Sprintf("Race%d", i), "UpdateType", "REPLACE"))
	}); won < 1 {
		t.Error("nobody changed the user")
	}
	w.yes("CreateGroup", w.of("SAMAccountName", "Racers"))
	if won := race(func(int) dataAnswer {
		return w.call("AddGroupMember", w.of("GroupName", "Racers", "MemberName", "race"))
	}); won != 1 {
		t.Errorf("%d added the member", won)
	}
	if names := w.all("ListGroupMembers", "Members", w.of("SAMAccountName", "Racers"), nil); !slices.Equal(names, []string{"race"}) {
		t.Errorf("the members are %v", names)
	}
}

// refusals: realms that are not this domain's, and what the model refuses.
func (w dataWorld) refusals(t *testing.T) {
	for operation, more := range map[string][]any{
		"DescribeUser": {"SAMAccountName", "Admin"}, "DescribeGroup": {"SAMAccountName", "Domain Users"}, "ListUsers": nil, "ListGroups": nil,
		"SearchUsers":  {"SearchString", "x", "SearchAttributes", []string{"sn"}},
		"SearchGroups": {"SearchString", "x", "SearchAttributes", []string{"description"}}, "ListGroupMembers": {"SAMAccountName", "Domain Users"}, "ListGroupsForMember": {"SAMAccountName", "Admin"},
	} {
		w.no(operation, w.of(append(more, "Realm", "elsewhere.example.com")...), "ValidationException INVALID_REALM", "elsewhere.example.com")
	}
	for operation, more := range map[string][]any{"ListGroupMembers": {"SAMAccountName", "Domain Users"}, "ListGroupsForMember": {"SAMAccountName", "Admin"}, "RemoveGroupMember": {"GroupName", "x", "MemberName", "x"}} {
		w.no(operation, w.of(append(more, "MemberRealm", "elsewhere.example.com")...), "ValidationException INVALID_REALM", "elsewhere.example.com")
	}
	w.no("CreateUser", w.of("SAMAccountName", strings.Repeat("x", 21)), "ValidationException", "length less than or equal to 20")
	w.no("CreateUser", w.of("SAMAccountName", "a b"), "ValidationException", "sAMAccountName")
	w.no("ListUsers", w.of("MaxResults", 251), "ValidationException", "maxResults")
	w.no("UpdateUser", w.of("SAMAccountName", "x", "UpdateType", "APPEND"), "ValidationException", "[ADD, REPLACE, REMOVE]")
}

// protected: what is not the customer's own can be seen and not changed.
func (w dataWorld) protected(t *testing.T) {
	w.yes("CreateUser", w.of("SAMAccountName", "climber"))
	const refused = "AccessDeniedException DIRECTORY_AUTH"
	for _, name := range []string{"Admin", "Administrator", "Guest", "krbtgt"} {
		w.yes("DescribeUser", w.of("SAMAccountName", name))
		w.no("UpdateUser", w.of("SAMAccountName", name, "Surname", "x"), refused, "organizational unit")
		w.no("DisableUser", w.of("SAMAccountName", name), refused, "")
		w.no("DeleteUser", w.of("SAMAccountName", name), refused, "")
	}
	for _, name := range []string{"Domain Admins", "Domain Users", "Administrators", "Enterprise Admins", "AWS Delegated Administrators"} {
		w.yes("DescribeGroup", w.of("SAMAccountName", name))
		w.no("UpdateGroup", w.of("SAMAccountName", name, "OtherAttributes", map[string]any{"info": "x"}), refused, "")
		w.no("DeleteGroup", w.of("SAMAccountName", name), refused, "")
		w.no("AddGroupMember", w.of("GroupName", name, "MemberName", "climber"), refused, "")
		w.no("RemoveGroupMember", w.of("GroupName", name, "MemberName", "Administrator"), refused, "")
	}
	if said := w.ldap(t, "(&(sAMAccountName=climber)(memberOf=*))"); strings.Contains(said, "dn: ") {
		t.Errorf("climber got into a group: %s", said)
	}
	// A protected account may be a member of the customer's own group.
	w.yes("CreateGroup", w.of("SAMAccountName", "Club"))
	w.yes("AddGroupMember", w.of("GroupName", "Club", "MemberName", "Admin"))
}
