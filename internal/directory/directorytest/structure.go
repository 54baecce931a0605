package directorytest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// administrators: on Simple AD nobody who is in Domain Admins or Enterprise Admins, however, but Administrator.
func (f *fixture) administrators(t *testing.T) {
	builtin := func(name string) string { return "CN=" + name + ",CN=Users," + f.Domain.BaseDN() }
	outer, inner := f.group(t, "outer", "-2147483646"), f.group(t, "inner", "-2147483646")
	circle := f.group(t, "circle", "-2147483640")
	f.join(t, builtin("Domain Admins"), outer)
	f.join(t, outer, inner)
	f.join(t, circle, inner)
	f.join(t, inner, circle) // a circle
	enterprise := f.group(t, "enterprise", "-2147483640")
	f.join(t, builtin("Enterprise Admins"), enterprise)
	unrelated := f.group(t, "unrelated", "-2147483646")
	for name, groups := range map[string][]string{
		"direct": {builtin("Domain Admins")}, "nested": {outer}, "deep": {inner}, "circular": {circle},
		"enterprise-direct": {builtin("Enterprise Admins")}, "enterprise-nested": {enterprise}, "both": {builtin("Domain Admins"), unrelated},
	} {
		dn := f.user(t, name)
		for _, group := range groups {
			f.join(t, group, dn)
		}
		before := f.whole(t, dn)
		if err := f.reset(name, newPassword); !errors.Is(err, directory.ErrProtected) {
			t.Errorf("%s: %v", name, err)
		}
		if after := f.whole(t, dn); after != before {
			t.Errorf("%s was refused and changed", name)
		}
		f.accepted(t, name, oldPassword)
	}
	primary := f.user(t, "by-primary-group")
	f.join(t, builtin("Domain Admins"), primary)
	f.modify(t, primary, func(m *ldap.ModifyRequest) { m.Replace("primaryGroupID", []string{"512"}) })
	if err := f.reset("by-primary-group", newPassword); !errors.Is(err, directory.ErrProtected) {
		t.Errorf("by primary group: %v", err)
	}
	for name, groups := range map[string][]string{
		"plain": nil, "other": {unrelated}, "backup": {"CN=Backup Operators,CN=Builtin," + f.Domain.BaseDN()}, "schema": {builtin("Schema Admins")}, "Domain Admin": nil,
	} {
		dn := f.user(t, name)
		for _, group := range groups {
			f.join(t, group, dn)
		}
		if err := f.reset(name, newPassword); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.reset("Administrator", newPassword); err != nil {
		t.Errorf("Administrator: %v", err)
	}
	f.accepted(t, "Administrator", newPassword)
}

// units: on Managed Microsoft AD only who is below the OU of the NetBIOS name.
func (f *fixture) units(t *testing.T) {
	customer, base := f.Domain.CustomerDN(), f.Domain.BaseDN()
	unit := func(dn string) string {
		f.add(t, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
		return dn
	}
	inside := []string{customer, "OU=Users," + customer, unit("OU=Deep," + unit("OU=Sales,"+customer))}
	outside := []string{
		"OU=AWS Reserved," + base, "OU=AWS Delegated Groups," + base, "CN=Users," + base, unit("OU=Elsewhere," + base),
		unit("OU=" + f.Domain.NetBIOS + ",OU=Elsewhere," + base), unit("OU=" + f.Domain.NetBIOS + "2," + base), base,
	}
	for i, parent := range inside {
		name := fmt.Sprintf("inside%d", i)
		f.userAt(t, "CN="+name+","+parent, name)
		if err := f.reset(name, newPassword); err != nil {
			t.Errorf("%s: %v", parent, err)
		}
		f.accepted(t, name, newPassword)
	}
	for i, parent := range outside {
		name := fmt.Sprintf("outside%d", i)
		dn := "CN=" + name + "," + parent
		f.userAt(t, dn, name)
		before := f.whole(t, dn)
		if err := f.reset(name, newPassword); !errors.Is(err, directory.ErrProtected) {
			t.Errorf("%s: %v", parent, err)
		}
		if after := f.whole(t, dn); after != before {
			t.Errorf("%s was refused and changed", dn)
		}
		f.accepted(t, name, oldPassword)
	}
	if err := f.reset("Administrator", newPassword); !errors.Is(err, directory.ErrProtected) {
		t.Errorf("Administrator: %v", err)
	}
	if err := f.reset("Admin", newPassword); err != nil {
		t.Errorf("Admin: %v", err)
	}
	f.accepted(t, "Admin", newPassword)
}

// together: of two resets at once one password holds; a reset does not undo somebody else's change of flags.
func (f *fixture) together(t *testing.T) {
	dn := f.user(t, "busy")
	f.modify(t, dn, func(m *ldap.ModifyRequest) { m.Replace("userAccountControl", []string{"514"}) })
	var group sync.WaitGroup
	passwords := []string{"First-of-two-1", "Second-of-two-2", "Third-of-two-3", "Fourth-of-two-4"}
	for _, password := range passwords {
		group.Go(func() {
			if err := f.reset("busy", password); err != nil {
				t.Errorf("%s: %v", password, err)
			}
		})
	}
	group.Go(func() {
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace("description", []string{"written meanwhile"})
		if err := f.Conn.Modify(f.ctx, request); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	working := 0
	for _, password := range passwords {
		if f.Login(f.qualified("busy"), password) == nil {
			working++
		}
	}
	if working != 1 {
		t.Errorf("%d passwords work", working)
	}
	entry := f.read(t, dn, "userAccountControl", "description")
	if entry.GetAttributeValue("userAccountControl") != "512" || entry.GetAttributeValue("description") != "written meanwhile" {
		t.Errorf("%v", entry.Attributes)
	}
}

// links: member and memberOf are two sides of one thing.
func (f *fixture) links(t *testing.T) {
	dn, group := f.user(t, "linked"), f.group(t, "linking", "-2147483646")
	f.join(t, group, dn)
	has := func(entry, attribute, value string) bool {
		for _, each := range f.read(t, entry, attribute).GetAttributeValues(attribute) {
			if sameDN(each, value) {
				return true
			}
		}
		return false
	}
	if !has(dn, "memberOf", group) || !has(group, "member", dn) {
		t.Error("the link has one side only")
	}
	again := ldap.NewModifyRequest(group, nil)
	again.Add("member", []string{dn})
	if err := f.Conn.Modify(f.ctx, again); !ldap.IsErrorWithCode(err, ldap.LDAPResultAttributeOrValueExists) && !ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
		t.Errorf("a second time: %v", err)
	}
	if err := f.Conn.Delete(f.ctx, ldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatal(err)
	}
	if has(group, "member", dn) {
		t.Error("the group has a member that is deleted")
	}
}

// unique: an account name and a DN belong to one entry; both are free again when it is deleted.
func (f *fixture) unique(t *testing.T) {
	dn := f.user(t, "only")
	for _, c := range []struct{ dn, account string }{{"CN=another," + f.Domain.UsersDN(), "ONLY"}, {dn, "another"}} {
		request := ldap.NewAddRequest(c.dn, nil)
		request.Attribute("objectClass", []string{"user"})
		request.Attribute("sAMAccountName", []string{c.account})
		if err := f.Conn.Add(f.ctx, request); !ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
			t.Errorf("%s as %s: %v", c.dn, c.account, err)
		}
	}
	if err := f.Conn.Delete(f.ctx, ldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatal(err)
	}
	f.user(t, "only")
}

// paging: no entry is lost or comes twice while others write.
func (f *fixture) paging(t *testing.T) {
	const users = 25
	for i := range users {
		f.add(t, fmt.Sprintf("CN=page%02d,%s", i, f.Domain.UsersDN()), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("page%02d", i)}})
	}
	seen := map[string]int{}
	control := ldap.NewControlPaging(4)
	for page := 0; ; page++ {
		request := ldap.NewSearchRequest(f.Domain.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(sAMAccountName=page*)", []string{"cn"}, []ldap.Control{control})
		result, err := f.Conn.Search(f.ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range result.Entries {
			seen[entry.GetAttributeValue("cn")]++
		}
		switch page {
		case 1:
			f.add(t, "CN=page99,"+f.Domain.UsersDN(), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"page99"}})
		case 2:
			if err := f.Conn.Delete(f.ctx, ldap.NewDelRequest("CN=page00,"+f.Domain.UsersDN(), nil)); err != nil {
				t.Fatal(err)
			}
		}
		next, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			break
		}
		control.SetCookie(next.Cookie)
	}
	for i := range users {
		if name := fmt.Sprintf("page%02d", i); seen[name] != 1 {
			t.Errorf("%s came %d times", name, seen[name])
		}
	}
}

// rename: an account keeps its password through a new name and a new place, and can be reset there.
func (f *fixture) rename(t *testing.T) {
	f.user(t, "mover")
	dn := "CN=mover," + f.Domain.UsersDN()
	if err := f.Conn.ModifyDN(f.ctx, ldap.NewModifyDNRequest(dn, `CN=Doe\, Moved`, true, "")); err != nil {
		t.Fatal(err)
	}
	f.accepted(t, "mover", oldPassword)
	unit := "OU=Target," + f.Domain.CustomerDN()
	f.add(t, unit, map[string][]string{"objectClass": {"organizationalUnit"}})
	if err := f.Conn.ModifyDN(f.ctx, ldap.NewModifyDNRequest(`CN=Doe\, Moved,`+f.Domain.UsersDN(), `CN=Doe\, Moved`, true, unit)); err != nil {
		t.Fatal(err)
	}
	f.accepted(t, "mover", oldPassword)
	if err := f.reset("mover", newPassword); err != nil {
		t.Fatal(err)
	}
	f.accepted(t, "mover", newPassword)
	moved := `CN=Doe\, Moved,` + unit
	f.modify(t, moved, func(m *ldap.ModifyRequest) { m.Replace("sAMAccountName", []string{"moved"}) })
	f.accepted(t, "moved", newPassword)
	if err := f.reset("moved", oldPassword); err != nil {
		t.Fatal(err)
	}
	f.accepted(t, "moved", oldPassword)
	if err := f.Conn.ModifyDN(f.ctx, ldap.NewModifyDNRequest(unit, "OU=Target", true, unit)); err == nil {
		t.Error("an OU was moved below itself")
	}
	if err := f.Conn.Delete(f.ctx, ldap.NewDelRequest(unit, nil)); !ldap.IsErrorWithCode(err, ldap.LDAPResultNotAllowedOnNonLeaf) {
		t.Errorf("an OU with children was deleted: %v", err)
	}
}
