package e2e

import (
	"strings"
	"testing"
	"time"

	"latchkey/internal/config"
)

// schemaOf is an attribute and an auxiliary class, as a vendor ships them.
func schemaOf(base string) string {
	return `# A vendor's schema
dn: CN=vendor-Badge,CN=Schema,CN=Configuration,` + base + `
changetype: ntdsSchemaAdd
objectClass: attributeSchema
lDAPDisplayName: vendorBadge
attributeID: 1.3.6.1.4.1.32473.1.1
attributeSyntax: 2.5.5.12
oMSyntax: 64
isSingleValued: TRUE
adminDescription: The number on the badge, which is
  long enough to be folded

dn: CN=vendor-Floor,CN=Schema,CN=Configuration,` + base + `
changetype: add
objectClass: attributeSchema
lDAPDisplayName: vendorFloor
attributeID: 1.3.6.1.4.1.32473.1.2
attributeSyntax: 2.5.5.9
oMSyntax: 2
isSingleValued: TRUE

dn:
changetype: modify
add: schemaUpdateNow
schemaUpdateNow: 1
-

dn: CN=vendor-Person,CN=Schema,CN=Configuration,` + base + `
changetype: add
objectClass: classSchema
lDAPDisplayName: vendorPerson
governsID: 1.3.6.1.4.1.32473.2.1
objectClassCategory: 3
subClassOf: top
mayContain: vendorBadge
mayContain: vendorFloor

dn:
changetype: modify
add: schemaUpdateNow
schemaUpdateNow: 1
-

dn: CN=User,CN=Schema,CN=Configuration,` + base + `
changetype: modify
add: auxiliaryClass
auxiliaryClass: vendorPerson
-
`
}

func extension(id, ldif string, more ...any) map[string]any {
	return of(id, append([]any{"LdifContent", ldif, "Description", "From the vendor", "CreateSnapshotBeforeSchemaExtension", false}, more...)...)
}

// extended waits for the end of a schema extension.
func extended(t *testing.T, call caller, directory, id string) (state, reason any) {
	t.Helper()
	await(t, "the schema extension", func() bool {
		for _, x := range call(t, home, "ListSchemaExtensions", of(directory)).list(t, "SchemaExtensionsInfo") {
			if x["SchemaExtensionId"] == id {
				state, reason = x["SchemaExtensionStatus"], x["SchemaExtensionStatusReason"]
			}
		}
		return state == "Completed" || state == "Failed" || state == "Cancelled"
	})
	return state, reason
}

// TestSchema: an embedded directory takes new attributes, checks their values, keeps them over a restart; what is not a schema
// changes nothing.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	begin := func(input map[string]any) answer { return call(t, home, "StartSchemaExtension", input) }
	badge := func(s *server, change string) (string, int) {
		return openldap(t, s, "ldapmodify", "dn: CN=Jane Doe,OU=Users,OU=CORP,"+corpBase+"\nchangetype: modify\n"+change+"\n", "-D", corpAdmin, "-w", adminPassword)
	}
	if said, code := badge(s, "add: vendorBadge\nvendorBadge: B-17"); code == 0 {
		t.Fatalf("the attribute is there: %s", said)
	}
	a := begin(extension(corpID, schemaOf("DC=X"), "CreateSnapshotBeforeSchemaExtension", true))
	a.accepted(t)
	id := a.Output["SchemaExtensionId"].(string)
	if state, reason := extended(t, call, corpID, id); state != "Completed" {
		t.Fatalf("%v %v", state, reason)
	}
	if all := snapshotsOf(t, call, of(corpID)); len(all) != 1 || all[0]["Status"] != "Completed" {
		t.Errorf("the snapshot before it: %v", all)
	}
	if said, code := badge(s, "add: vendorBadge\nvendorBadge: B-17\n-\nadd: vendorFloor\nvendorFloor: 7"); code != 0 {
		t.Errorf("%d %s", code, said)
	}
	if said, code := badge(s, "replace: vendorFloor\nvendorFloor: seventh"); code != 21 && code != 19 {
		t.Errorf("a value of the wrong syntax: %d %s", code, said)
	}
	if said, code := badge(s, "add: vendorBadge\nvendorBadge: B-18"); code == 0 {
		t.Errorf("a second value: %s", said)
	}
	s.stop()
	s = start(t, "", func(c *config.Config) { c.Data = s.data })
	call = goClient(t, s)
	found := entry(t, s, corpAdmin, corpBase, "jane")
	if attribute(found, "vendorBadge") != "B-17" || attribute(found, "vendorFloor") != "7" {
		t.Errorf("after a restart: %s", found)
	}
	if said, code := openldap(t, s, "ldapsearch", "", "-LLL", "-D", corpAdmin, "-w", adminPassword, "-b", corpBase, "(vendorBadge=b-17)", "dn"); code != 0 || !strings.Contains(said, "CN=Jane Doe") {
		t.Errorf("by the attribute: %d %s", code, said)
	}
	// The same again changes nothing.
	again := call(t, home, "StartSchemaExtension", extension(corpID, schemaOf(corpBase)))
	again.accepted(t)
	if state, reason := extended(t, call, corpID, again.Output["SchemaExtensionId"].(string)); state != "Completed" {
		t.Errorf("again: %v %v", state, reason)
	}
	unknown := call(t, home, "StartSchemaExtension", extension(corpID, strings.Replace(schemaOf(corpBase), "mayContain: vendorFloor", "mayContain: noSuchAttribute", 1)+
		"\ndn: CN=vendor-Other,CN=Schema,CN=Configuration,DC=X\nobjectClass: classSchema\nlDAPDisplayName: vendorOther\nobjectClassCategory: 1\nsubClassOf: user\nmayContain: noSuchAttribute\n"))
	unknown.accepted(t)
	if state, reason := extended(t, call, corpID, unknown.Output["SchemaExtensionId"].(string)); state != "Failed" || !strings.Contains(reason.(string), "noSuchAttribute") {
		t.Errorf("an attribute that is not there: %v %v", state, reason)
	}

	begin = func(input map[string]any) answer { return call(t, home, "StartSchemaExtension", input) }
	for ldif, why := range map[string]string{
		"no LDIF": "line 1",
		"dn: CN=jane,OU=Users,OU=CORP," + corpBase + "\nchangetype: modify\nadd: description\ndescription: x\n": "is not below CN=Schema",
		"dn: CN=User,CN=Schema,CN=Configuration,DC=X\nchangetype: modify\ndelete: mayContain\n":                 "only added to",
		"dn: CN=User,CN=Schema,CN=Configuration,DC=X\nchangetype: modify\nadd: a\na:< file:///etc/passwd\n":     "not read",
		"dn:\nchangetype: modify\nreplace: description\ndescription: x\n":                                       "only added to",
	} {
		begin(extension(corpID, ldif)).refused(t, "InvalidParameterException", why)
	}
	begin(extension(labID, schemaOf("DC=X"))).refused(t, "ClientException", "SimpleAD")
	begin(extension(noID, schemaOf("DC=X"))).refused(t, "EntityDoesNotExistException", noID)
	for range 4 {
		completed(t, call, corpID, "more")
	}
	begin(extension(corpID, schemaOf("DC=X"), "CreateSnapshotBeforeSchemaExtension", true)).refused(t, "SnapshotLimitExceededException", "")
	cancel := func(id string) answer {
		return call(t, home, "CancelSchemaExtension", of(corpID, "SchemaExtensionId", id))
	}
	cancel(id).refused(t, "ClientException", "Completed")
	cancel("e-0123456789").refused(t, "EntityDoesNotExistException", "e-0123456789")
	first := call(t, home, "ListSchemaExtensions", of(corpID, "Limit", 1))
	if all := first.list(t, "SchemaExtensionsInfo"); len(all) != 1 || first.Output["NextToken"] == nil {
		t.Errorf("%v", first.Output)
	}
	call(t, home, "ListSchemaExtensions", of(corpID, "NextToken", "forged")).refused(t, "InvalidNextTokenException", "")
}

// TestSchemaSamba: the real schema of a domain is extended, on all its domain controllers; a kill in the middle loses nothing.
func TestSchemaSamba(t *testing.T) {
	t.Parallel()
	needSamba(t)
	s := start(t, "", onSamba(2, "127.82.21.2", "127.82.21.3"))
	call := goClient(t, s)
	a := call(t, home, "CreateMicrosoftAD", managed("schema.example.com"))
	a.accepted(t)
	id, _ := a.Output["DirectoryId"].(string)
	awaitStage(t, call, id, "Active")
	x := call(t, home, "StartSchemaExtension", extension(id, schemaOf("DC=X")))
	x.accepted(t)
	extensionID := x.Output["SchemaExtensionId"].(string)
	// In the middle of it the server stops.
	time.Sleep(300 * time.Millisecond)
	s.stop()
	s = start(t, "", onSamba(2, "127.82.21.2", "127.82.21.3"), func(c *config.Config) { c.Data = s.data })
	call = goClient(t, s)
	if state, reason := extended(t, call, id, extensionID); state != "Completed" {
		t.Fatalf("%v %v", state, reason)
	}
	first := domain{s: s, name: "schema.example.com", netbios: "MADE", address: "127.82.21.2"}
	second := first
	second.address = "127.82.21.3"
	dn := "CN=Ann,OU=Users,OU=MADE," + first.base()
	first.as(t, "Admin", "ldapadd", "dn: "+dn+"\nobjectClass: user\nsAMAccountName: ann\nvendorBadge: B-17\nvendorFloor: 7\n")
	await(t, "the values at the other domain controller", func() bool {
		said, code := second.run(t, "", "ldapsearch", "ldap-utils", "-x", "-LLL", "-H", "ldaps://"+second.address, "-D", "Admin@"+second.name, "-w", adminPassword, "-b", second.base(), "(vendorBadge=B-17)", "vendorBadge", "vendorFloor")
		return code == 0 && attribute(said, "vendorFloor") == "7"
	})
	wrong := call(t, home, "StartSchemaExtension", extension(id, "dn: CN=vendor-Broken,CN=Schema,CN=Configuration,DC=X\nobjectClass: attributeSchema\nlDAPDisplayName: vendorBroken\nattributeID: no OID\nattributeSyntax: 2.5.5.12\noMSyntax: 64\n"))
	wrong.accepted(t)
	if state, reason := extended(t, call, id, wrong.Output["SchemaExtensionId"].(string)); state != "Failed" || !strings.Contains(reason.(string), "line 1") {
		t.Errorf("what Samba refuses: %v %v", state, reason)
	}
}
