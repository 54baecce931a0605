package embedded

import (
	"context"
	"fmt"
	"strconv"

	"latchkey/internal/directory"
)

// wellKnown is an object that every new AD domain has (MS-ADTS section 6.1.4; Samba's provision makes the same).
type wellKnown struct {
	rdn, container string // container is relative to the domain
	class          string
	rid            uint32 // with it a security principal of the domain, or of BUILTIN below CN=Builtin
	group          uint32 // groupType
	control        directory.UserAccountControl
	members        []string // RDNs of groups and users below CN=Users
	critical       bool
}

const (
	global      = directory.GroupSecurity | directory.GroupGlobal
	universal   = directory.GroupSecurity | directory.GroupUniversal
	domainLocal = directory.GroupSecurity | directory.GroupDomainLocal
	builtin     = directory.GroupSecurity | directory.GroupDomainLocal | directory.GroupBuiltin
	users       = "CN=Users"
	builtins    = "CN=Builtin"
)

func wellKnownObjects() []wellKnown {
	return []wellKnown{
		{rdn: "CN=Users", class: "container", critical: true},
		{rdn: "CN=Computers", class: "container", critical: true},
		{rdn: "CN=System", class: "container", critical: true},
		{rdn: "CN=Password Settings Container", container: "CN=System", class: "msDS-PasswordSettingsContainer", critical: true},
		{rdn: "CN=Builtin", class: "builtinDomain", critical: true},
		{rdn: "CN=LostAndFound", class: "lostAndFound", critical: true},
		{rdn: "CN=ForeignSecurityPrincipals", class: "container", critical: true},
		{rdn: "CN=Managed Service Accounts", class: "container"},
		{rdn: "CN=Program Data", class: "container"},
		{rdn: "OU=Domain Controllers", class: "organizationalUnit", critical: true},

		{rdn: "CN=Administrator", container: users, class: "user", rid: directory.RIDAdministrator, control: directory.NormalAccount | directory.AccountDisable, critical: true},
		{rdn: "CN=Guest", container: users, class: "user", rid: directory.RIDGuest, control: directory.NormalAccount | directory.AccountDisable | directory.PasswordNotRequired | directory.DontExpirePassword, critical: true},
		{rdn: "CN=krbtgt", container: users, class: "user", rid: directory.RIDKrbtgt, control: directory.NormalAccount | directory.AccountDisable, critical: true},

		{rdn: "CN=Domain Admins", container: users, class: "group", rid: directory.RIDDomainAdmins, group: global, members: []string{"CN=Administrator"}, critical: true},
		{rdn: "CN=Domain Users", container: users, class: "group", rid: directory.RIDDomainUsers, group: global, critical: true},
		{rdn: "CN=Domain Guests", container: users, class: "group", rid: directory.RIDDomainGuests, group: global, critical: true},
		{rdn: "CN=Domain Computers", container: users, class: "group", rid: directory.RIDDomainComputers, group: global, critical: true},
		{rdn: "CN=Domain Controllers", container: users, class: "group", rid: ridDomainControllers, group: global, critical: true},
		{rdn: "CN=Cert Publishers", container: users, class: "group", rid: 517, group: domainLocal, critical: true},
		{rdn: "CN=Schema Admins", container: users, class: "group", rid: 518, group: universal, members: []string{"CN=Administrator"}, critical: true},
		{rdn: "CN=Enterprise Admins", container: users, class: "group", rid: directory.RIDEnterpriseAdmins, group: universal, members: []string{"CN=Administrator"}, critical: true},
		{rdn: "CN=Group Policy Creator Owners", container: users, class: "group", rid: 520, group: global, members: []string{"CN=Administrator"}, critical: true},
		{rdn: "CN=Read-only Domain Controllers", container: users, class: "group", rid: 521, group: global, critical: true},
		{rdn: "CN=Enterprise Read-only Domain Controllers", container: users, class: "group", rid: 498, group: universal, critical: true},
		{rdn: "CN=RAS and IAS Servers", container: users, class: "group", rid: 553, group: domainLocal, critical: true},
		{rdn: "CN=Allowed RODC Password Replication Group", container: users, class: "group", rid: 571, group: domainLocal, critical: true},
		{rdn: "CN=Denied RODC Password Replication Group", container: users, class: "group", rid: 572, group: domainLocal, members: []string{"CN=krbtgt", "CN=Domain Admins", "CN=Enterprise Admins", "CN=Schema Admins"}, critical: true},

		{rdn: "CN=Administrators", container: builtins, class: "group", rid: 544, group: builtin, members: []string{"CN=Administrator", "CN=Domain Admins", "CN=Enterprise Admins"}, critical: true},
		{rdn: "CN=Users", container: builtins, class: "group", rid: 545, group: builtin, members: []string{"CN=Domain Users"}, critical: true},
		{rdn: "CN=Guests", container: builtins, class: "group", rid: 546, group: builtin, members: []string{"CN=Guest", "CN=Domain Guests"}, critical: true},
		{rdn: "CN=Account Operators", container: builtins, class: "group", rid: 548, group: builtin, critical: true},
		{rdn: "CN=Server Operators", container: builtins, class: "group", rid: 549, group: builtin, critical: true},
		{rdn: "CN=Print Operators", container: builtins, class: "group", rid: 550, group: builtin, critical: true},
		{rdn: "CN=Backup Operators", container: builtins, class: "group", rid: 551, group: builtin, critical: true},
		{rdn: "CN=Replicator", container: builtins, class: "group", rid: 552, group: builtin, critical: true},
		{rdn: "CN=Pre-Windows 2000 Compatible Access", container: builtins, class: "group", rid: 554, group: builtin, critical: true},
		{rdn: "CN=Remote Desktop Users", container: builtins, class: "group", rid: 555, group: builtin, critical: true},
		{rdn: "CN=Network Configuration Operators", container: builtins, class: "group", rid: 556, group: builtin, critical: true},
		{rdn: "CN=Incoming Forest Trust Builders", container: builtins, class: "group", rid: 557, group: builtin, critical: true},
		{rdn: "CN=Performance Monitor Users", container: builtins, class: "group", rid: 558, group: builtin, critical: true},
		{rdn: "CN=Performance Log Users", container: builtins, class: "group", rid: 559, group: builtin, critical: true},
		{rdn: "CN=Windows Authorization Access Group", container: builtins, class: "group", rid: 560, group: builtin, critical: true},
		{rdn: "CN=Event Log Readers", container: builtins, class: "group", rid: 573, group: builtin, critical: true},
	}
}

// Provision makes a plain AD domain in the directory's tree, which must be served. What is there already is left as it
// is, so that an interrupted run can be repeated.
func (e *Engine) Provision(ctx context.Context, domain directory.Domain) error {
	t, err := e.tree(domain.ID)
	if err != nil {
		return err
	}
	conn := &Session{engine: e, tree: t, system: true, secure: true, making: true}
	head := map[string][]string{
		"objectClass": {"domainDNS"}, "objectSid": {string(domain.SID)}, "msDS-Behavior-Version": {"6"}, "nTMixedDomain": {"0"},
		"ms-DS-MachineAccountQuota": {"10"}, "isCriticalSystemObject": {"TRUE"},
	}
	for attributeName, value := range directory.DefaultPasswordSettings().Attributes() {
		head[attributeName] = []string{value}
	}
	if err := directory.Ensure(ctx, conn, domain.BaseDN(), head); err != nil {
		return err
	}
	for _, object := range wellKnownObjects() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := directory.Ensure(ctx, conn, object.dn(domain), object.attributes(domain)); err != nil {
			return fmt.Errorf("provision %s: %w", domain.ID, err)
		}
	}
	return e.EnsureMachine(ctx, domain)
}

func (w wellKnown) dn(domain directory.Domain) string {
	if w.container == "" {
		return w.rdn + "," + domain.BaseDN()
	}
	return w.rdn + "," + w.container + "," + domain.BaseDN()
}

func (w wellKnown) attributes(domain directory.Domain) map[string][]string {
	attributes := map[string][]string{"objectClass": {w.class}}
	if w.critical {
		attributes["isCriticalSystemObject"] = []string{"TRUE"}
	}
	if w.rid == 0 {
		return attributes
	}
	_, name := splitRDN(w.rdn)
	sid := domain.SID.Child(w.rid)
	if w.container == builtins {
		sid = builtinSID(w.rid)
	}
	attributes["objectSid"] = []string{string(sid)}
	attributes["sAMAccountName"] = []string{name}
	if w.class == "group" {
		attributes["groupType"] = []string{signed(w.group)}
	} else {
		attributes["userAccountControl"] = []string{signed(uint32(w.control))}
	}
	if w.rid == directory.RIDGuest {
		attributes["primaryGroupID"] = []string{strconv.Itoa(directory.RIDDomainGuests)}
	}
	if len(w.members) > 0 {
		attributes["member"] = nil
		for _, member := range w.members {
			attributes["member"] = append(attributes["member"], member+","+users+","+domain.BaseDN())
		}
	}
	return attributes
}

func builtinSID(rid uint32) directory.SID {
	parent, err := directory.SIDAdministrators.Domain()
	if err != nil {
		panic(err) // SIDAdministrators is a constant
	}
	return parent.Child(rid)
}

var _ directory.Conn = (*Session)(nil)
