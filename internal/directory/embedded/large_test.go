package embedded

import (
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// AD gives the members of a large group in ranges of 1,500; this directory gives all at once.
func TestLargeGroup(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	const members = 1600
	dns := make([]string, members)
	for i := range dns {
		dns[i] = fmt.Sprintf("CN=m%d,%s", i, domain.UsersDN())
		if err := directory.Ensure(t.Context(), conn, dns[i], map[string][]string{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprintf("m%d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	group := "CN=crowd," + domain.UsersDN()
	if err := directory.Ensure(t.Context(), conn, group, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {"crowd"}, "member": dns}); err != nil {
		t.Fatal(err)
	}
	result, err := conn.Search(t.Context(), ldap.NewSearchRequest(group, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"member"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(result.Entries[0].GetAttributeValues("member")); got != members {
		t.Errorf("%d members, want %d", got, members)
	}
	// An unpaged search ends at AD's MaxPageSize.
	all := ldap.NewSearchRequest(domain.BaseDN(), ldap.ScopeWholeSubtree, 0, 0, 0, false, "(memberOf="+group+")", []string{"cn"}, nil)
	if result, err = conn.Search(t.Context(), all); !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || len(result.Entries) != maxPage {
		t.Errorf("%d entries, %v", len(result.Entries), err)
	}
}
