package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/store"
)

// configuration is a directory's other naming contexts, CN=Configuration and in it CN=Schema (MS-ADTS section 6.1.1), as a tree
// of its own that nobody writes: it follows from the domain and from the schema.
type configuration struct {
	of   *extension // what the schema had besides when it was made
	tree *tree
}

func (t *tree) configurationDN() string { return "CN=Configuration," + t.domain.BaseDN() }
func (t *tree) schemaDN() string        { return "CN=Schema," + t.configurationDN() }
func (t *tree) aggregateDN() string     { return "CN=Aggregate," + t.schemaDN() }

// context is the tree that a search is about.
func (t *tree) context(base string) *tree {
	if base == t.baseDN {
		return t
	}
	n, err := parseDN(base)
	if err != nil || len(n) <= len(t.base) || n[len(n)-len(t.base)-1] != "cn=configuration" || !t.covers(n) {
		return t
	}
	own := t.schema.own.Load()
	if made := t.configured.Load(); made != nil && made.of == own {
		return made.tree
	}
	made := &configuration{own, t.configure()}
	t.configured.Store(made)
	return made.tree
}

// configure makes the tree. Its root stands for the domain, so that DNs are what they are; no search has it for a base.
func (t *tree) configure() *tree {
	// A tree over a domain whose DN could be read once can't fail.
	c, _ := newTree(t.domain, t.schema, t.logger)
	c.schema.own.Store(t.schema.own.Load())
	c.now = t.now
	m := maker{tree: c, at: map[string]store.GUID{}}
	base := t.domain.BaseDN()
	m.add(base, "domainDNS", nil)
	m.add(t.configurationDN(), "configuration", nil)
	sites := "CN=Sites," + t.configurationDN()
	site := "CN=" + Site + "," + sites
	m.add(sites, "sitesContainer", nil)
	m.add(site, "site", nil)
	m.add("CN=Servers,"+site, "serversContainer", nil)
	m.add("CN="+machineName+",CN=Servers,"+site, "server", map[string][]string{"dNSHostName": {MachineHost(t.domain)}})
	m.add("CN=NTDS Settings,CN="+machineName+",CN=Servers,"+site, "nTDSDSA", map[string][]string{"options": {"1"}})
	m.add("CN=Services,"+t.configurationDN(), "container", nil)
	m.add(t.schemaDN(), "dMD", map[string][]string{"objectVersion": {"69"}})
	m.add(t.aggregateDN(), "subSchema", nil)
	partitions := "CN=Partitions," + t.configurationDN()
	m.add(partitions, "crossRefContainer", map[string][]string{"msDS-Behavior-Version": {"6"}})
	for _, part := range []struct {
		name, context, systemFlags string
		more                       map[string][]string
	}{
		{"Enterprise Configuration", t.configurationDN(), "1", map[string][]string{}},
		{"Enterprise Schema", t.schemaDN(), "1", map[string][]string{}},
		{t.domain.NetBIOS, base, "3", map[string][]string{"nETBIOSName": {t.domain.NetBIOS}}},
	} {
		part.more["systemFlags"], part.more["dnsRoot"] = []string{part.systemFlags}, []string{t.domain.Name}
		dn := "CN=" + ldap.EscapeDN(part.name) + "," + partitions
		m.add(dn, "crossRef", part.more)
		m.link(dn, "nCName", part.context)
	}
	m.addSchema(t)
	c.apply(m.changes)
	return c
}

// maker collects the entries of a tree that is made at once.
type maker struct {
	tree    *tree
	at      map[string]store.GUID // by DN
	changes []store.TreeChange
}

// add makes an entry whose GUID follows from its place: it is the same wherever the tree is made.
func (m *maker) add(dn, className string, attributes map[string][]string) {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return // the domain's DN is a DN, and so is what is below it
	}
	sum := sha256.Sum256([]byte(m.tree.domain.ID + "\x00" + dn))
	entry := &store.Entry{Attributes: maps.Clone(attributes)}
	if entry.Attributes == nil {
		entry.Attributes = map[string][]string{}
	}
	copy(entry.GUID[:], sum[:])
	entry.Attributes["objectClass"] = m.tree.schema.class(className).chain
	rdn := parsed.RDNs[0].Attributes[0]
	_, parent, _ := strings.Cut(dn, string(appendRDN(nil, rdn.Type+"="+rdn.Value))+",")
	entry.RDN, entry.Parent, entry.Created = rdn.Type+"="+rdn.Value, m.at[parent], int64(len(m.changes)+1)
	m.at[dn] = entry.GUID
	m.changes = append(m.changes, store.Changed(entry, entry.Created))
}

func (m *maker) link(from, attributeName, to string) {
	link := store.Link{Attribute: attributeName, Source: m.at[from], Target: m.at[to]}
	m.changes = append(m.changes, store.TreeChange{Link: &link, Revision: int64(len(m.changes) + 1)})
}

// addSchema makes an entry of every attribute and every class (MS-ADTS section 3.1.1.2).
func (m *maker) addSchema(t *tree) {
	for _, a := range t.schema.everyAttribute() {
		syntax, om, _ := strings.Cut(a.form, "/")
		values := map[string][]string{
			"lDAPDisplayName": {a.name}, "attributeID": {a.oid}, "attributeSyntax": {"2.5.5." + syntax}, "oMSyntax": {om},
			"isSingleValued": {truthValue(a.single)}, "systemOnly": {truthValue(a.system)}, "searchFlags": {searchFlags(a)}, "schemaIDGUID": {rawGUID(a.guid)},
		}
		if a.linkID != "-" {
			values["linkID"] = []string{a.linkID}
		}
		m.add("CN="+a.common+","+t.schemaDN(), "attributeSchema", values)
	}
	for _, c := range t.schema.everyClass() {
		values := map[string][]string{
			"lDAPDisplayName": {c.name}, "governsID": {c.oid}, "objectClassCategory": {c.kind}, "rDNAttID": {c.rdn}, "subClassOf": {"top"},
			"systemOnly": {truthValue(c.system)}, "schemaIDGUID": {rawGUID(c.guid)},
		}
		if c.above != nil {
			values["subClassOf"] = []string{c.above.name}
		}
		for name, list := range map[string][]string{
			"systemMustContain": attributeNames(c.must), "systemMayContain": attributeNames(c.may), "systemPossSuperiors": c.superiors, "systemAuxiliaryClass": classNames(c.auxiliary),
		} {
			if len(list) > 0 {
				values[name] = list
			}
		}
		m.add("CN="+c.common+","+t.schemaDN(), "classSchema", values)
	}
	for _, c := range t.schema.everyClass() {
		if to := "CN=" + c.category + "," + t.schemaDN(); m.at[to] != (store.GUID{}) {
			m.link("CN="+c.common+","+t.schemaDN(), "defaultObjectCategory", to)
		}
	}
}

func truthValue(b bool) string { return strings.ToUpper(strconv.FormatBool(b)) }

// searchFlags says of an attribute what MS-ADTS section 2.2.10 has bits for: an index, and ambiguous name resolution.
func searchFlags(a *attribute) string {
	flags := 0
	if a.indexed {
		flags |= 1
	}
	if a.ambiguous {
		flags |= 4
	}
	return strconv.Itoa(flags)
}

func rawGUID(text string) string {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(raw)
}

func attributeNames(list []*attribute) (names []string) {
	for _, a := range list {
		names = append(names, a.name)
	}
	return names
}

func classNames(list []*class) (names []string) {
	for _, c := range list {
		names = append(names, c.name)
	}
	return names
}

// everyAttribute is the whole schema's, by name.
func (s *schema) everyAttribute() []*attribute {
	all := maps.Clone(s.attributes)
	if own := s.own.Load(); own != nil {
		maps.Copy(all, own.attributes)
	}
	maps.DeleteFunc(all, func(key string, a *attribute) bool { return key == a.oid })
	return slices.SortedFunc(maps.Values(all), func(a, b *attribute) int { return strings.Compare(a.name, b.name) })
}

// everyClass is the whole schema's, by name.
func (s *schema) everyClass() []*class {
	all := maps.Clone(s.classes)
	if own := s.own.Load(); own != nil {
		maps.Copy(all, own.classes)
	}
	maps.DeleteFunc(all, func(key string, c *class) bool { return key == c.oid })
	return slices.SortedFunc(maps.Values(all), func(a, b *class) int { return strings.Compare(a.name, b.name) })
}
