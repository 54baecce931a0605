package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// identity holds the domain's SID against the one that is known.
func (d *doctor) identity(ctx context.Context, name string) {
	entry, err := read(ctx, d.conn, d.domain.BaseDN(), "objectSid")
	if err != nil {
		d.add(name, StatusFailed, err.Error(), "Let the account read "+d.domain.BaseDN()+".")
		return
	}
	sid := directory.SID(entry.GetRawAttributeValue("objectSid"))
	switch {
	case !sid.Valid():
		d.add(name, StatusFailed, "the account may not read its objectSid", "Let the account read "+d.domain.BaseDN()+".")
	case d.domain.SID != "" && d.domain.SID != sid:
		d.sid = sid
		d.add(name, StatusFailed, fmt.Sprintf("its SID is %s, and was %s: it is another domain of the same name", sid, d.domain.SID), "Detach the directory, and attach it again if this is the domain that is meant.")
	default:
		d.sid = sid
		d.add(name, StatusOK, fmt.Sprintf("%s, %s", d.domain.Name, sid), "")
	}
}

// shortName holds the NetBIOS name against the domain's cross-reference (MS-ADTS section 6.1.1.2.1.1).
func (d *doctor) shortName(ctx context.Context, name string) {
	filter := "(&(objectClass=crossRef)(nCName=" + ldap.EscapeFilter(d.domain.BaseDN()) + "))"
	entries, _, err := find(ctx, d.conn, "CN=Partitions,"+d.config, ldap.ScopeSingleLevel, filter, 0, "nETBIOSName")
	switch {
	case err != nil:
		d.add(name, StatusFailed, err.Error(), "Let the account read CN=Partitions,"+d.config+".")
	case len(entries) == 0 || entries[0].GetAttributeValue("nETBIOSName") == "":
		d.add(name, StatusFailed, "the domain's cross-reference can't be read", "Let the account read CN=Partitions,"+d.config+".")
	case !strings.EqualFold(entries[0].GetAttributeValue("nETBIOSName"), d.domain.NetBIOS):
		theirs := entries[0].GetAttributeValue("nETBIOSName")
		d.add(name, StatusFailed, fmt.Sprintf("the domain's NetBIOS name is %s, not %s", theirs, d.domain.NetBIOS), "Attach the directory with the short name "+theirs+".")
	default:
		d.add(name, StatusOK, d.domain.NetBIOS, "")
	}
}

// policy tells what passwords have to be like.
func (d *doctor) policy(ctx context.Context, name string) {
	entry, err := read(ctx, d.conn, d.domain.BaseDN(), "minPwdLength", "pwdProperties", "pwdHistoryLength", "minPwdAge", "maxPwdAge", "lockoutThreshold", "lockoutDuration")
	if err != nil || entry.GetAttributeValue("minPwdLength") == "" {
		d.add(name, StatusSkipped, "the account may not read it", "")
		return
	}
	words := []string{"at least " + entry.GetAttributeValue("minPwdLength") + " characters"}
	if bits, err := strconv.Atoi(entry.GetAttributeValue("pwdProperties")); err == nil && bits&directory.PasswordComplexity != 0 {
		words = append(words, "complex")
	}
	words = append(words, "history of "+entry.GetAttributeValue("pwdHistoryLength")+" (not looked at by resets)")
	if age := directory.ParseInterval(entry.GetAttributeValue("maxPwdAge")); age > 0 {
		words = append(words, "expire after "+days(age))
	}
	if threshold := entry.GetAttributeValue("lockoutThreshold"); threshold == "0" || threshold == "" {
		words = append(words, "no lockout")
	} else {
		words = append(words, "lockout after "+threshold+" wrong ones")
	}
	d.add(name, StatusOK, strings.Join(words, ", ")+"; "+d.settingsObjects(ctx), "")
}

const maxListed = 10

// settingsObjects is the domain's fine-grained password settings, in words.
// history looks whether the domain can hold resets against the passwords that a user had, if they are to be.
func (d *doctor) history(ctx context.Context, name string) {
	if !d.History {
		return
	}
	switch err := directory.SupportsHistory(ctx, d.conn); {
	case errors.Is(err, directory.ErrUnsupported):
		d.add(name, StatusFailed, err.Error(), "Leave the option out: this domain holds changes by users against their history, and no resets.")
	case err != nil:
		d.add(name, StatusWarning, err.Error(), "")
	default:
		d.add(name, StatusOK, "resets are held against it", "")
	}
}

func (d *doctor) settingsObjects(ctx context.Context) string {
	container := "CN=Password Settings Container,CN=System," + d.domain.BaseDN()
	entries, more, err := find(ctx, d.conn, container, ldap.ScopeSingleLevel, "(objectClass=msDS-PasswordSettings)", maxListed, "cn", "msDS-MinimumPasswordLength", "msDS-PasswordSettingsPrecedence")
	if err != nil || len(entries) == 0 {
		return "no fine-grained settings are visible (by default only Domain Admins may read them)"
	}
	var names []string
	for _, entry := range entries {
		names = append(names, fmt.Sprintf("%s (precedence %s, at least %s characters)", entry.GetAttributeValue("cn"),
			entry.GetAttributeValue("msDS-PasswordSettingsPrecedence"), entry.GetAttributeValue("msDS-MinimumPasswordLength")))
	}
	return "fine-grained settings: " + strings.Join(names, ", ") + andMore(more)
}

func andMore(more bool) string {
	if more {
		return " and more"
	}
	return ""
}

// list compares the domain's own list of its controllers with those that are used.
func (d *doctor) list(ctx context.Context, name string) {
	servers, _, err := find(ctx, d.conn, "CN=Sites,"+d.config, ldap.ScopeWholeSubtree, "(&(objectClass=server)(serverReference=*))", 0, "dNSHostName", "serverReference", "msDS-isRODC")
	if err != nil {
		d.add(name, StatusSkipped, "the list can't be read: "+err.Error(), "")
		return
	}
	var hosts, unused []string
	for _, server := range servers {
		host := server.GetAttributeValue("dNSHostName")
		if !below(server.GetAttributeValue("serverReference"), d.domain.BaseDN()) || host == "" {
			continue // another domain's of the forest
		}
		readOnly := server.GetAttributeValue("msDS-isRODC") == "TRUE"
		if !d.uses(host) && !readOnly {
			unused = append(unused, host)
		}
		if readOnly {
			host += " (read-only)"
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	slices.Sort(unused)
	detail := "the domain has " + strings.Join(hosts, ", ")
	switch {
	case len(hosts) == 0:
		d.add(name, StatusSkipped, "the account does not see the domain's list", "")
	case len(unused) > 0 && d.working() < 2:
		d.add(name, StatusWarning, detail+"; only one of them is used, so that resets fail when it does", "Add the URL of "+strings.Join(unused, ", ")+", or let the domain controllers be discovered.")
	case len(unused) > 0:
		d.add(name, StatusOK, detail+"; not used: "+strings.Join(unused, ", "), "")
	default:
		d.add(name, StatusOK, detail+"; all are used", "")
	}
}

func (d *doctor) uses(host string) bool {
	return slices.ContainsFunc(d.controllers, func(c *controller) bool { return strings.EqualFold(c.host, host) && c.works() })
}

func (d *doctor) working() (count int) {
	hosts := map[string]bool{}
	for _, c := range d.controllers {
		if c.works() {
			hosts[strings.ToLower(c.host)] = true
		}
	}
	return len(hosts)
}

// below says whether a DN is, or is below, another one.
func below(dn, base string) bool {
	one, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	other, err := ldap.ParseDN(base)
	return err == nil && (other.EqualFold(one) || other.AncestorOfFold(one))
}

// emulator finds the PDC emulator, which all others ask before they refuse a password (MS-ADTS section 3.1.1.1.11).
func (d *doctor) emulator(ctx context.Context, name string) {
	entry, err := read(ctx, d.conn, d.domain.BaseDN(), "fSMORoleOwner")
	owner := ""
	if err == nil {
		owner = entry.GetAttributeValue("fSMORoleOwner")
	}
	_, server, ok := strings.Cut(owner, ",") // CN=NTDS Settings,CN=<server>,…
	if !ok {
		d.add(name, StatusSkipped, "the account does not see which domain controller it is", "")
		return
	}
	entry, err = read(ctx, d.conn, server, "dNSHostName")
	if err != nil || entry.GetAttributeValue("dNSHostName") == "" {
		d.add(name, StatusWarning, "it is "+server+", whose host name can't be read", "If that domain controller is gone for good, seize the role: samba-tool fsmo seize --role=pdc, Move-ADDirectoryServerOperationMasterRole.")
		return
	}
	host := entry.GetAttributeValue("dNSHostName")
	switch {
	case d.uses(host):
		d.add(name, StatusOK, host, "")
	case d.settings.PreferPDC:
		d.add(name, StatusWarning, host+", which does not work here, although it is preferred for changes", "Add its URL, or mend what the checks of its connection say.")
	default:
		d.add(name, StatusOK, host+", which is not used here: changes reach it from the others", "")
	}
}

// replication compares some users on all domain controllers. Their own records of replication are for administrators.
func (d *doctor) replication(ctx context.Context, name string) {
	var first *controller
	others := 0
	seen := map[string]string{}
	for _, c := range d.controllers {
		if !c.works() || len(d.samples) == 0 {
			continue
		}
		if first == nil {
			first = c
		} else {
			others++
		}
		for _, dn := range d.samples {
			state := "no such user"
			entry, err := read(ctx, c.asks, dn, "pwdLastSet", "userAccountControl")
			switch {
			case err == nil:
				state = "pwdLastSet " + entry.GetAttributeValue("pwdLastSet") + ", userAccountControl " + entry.GetAttributeValue("userAccountControl")
			case !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
				d.add(name, StatusWarning, fmt.Sprintf("%s does not show %s: %v", c.host, dn, err), "Look whether that domain controller hangs.")
				return
			}
			if before, ok := seen[dn]; ok && before != state {
				d.add(name, StatusWarning, fmt.Sprintf("%s is not the same everywhere: %s on %s, %s on %s", dn, before, first.host, state, c.host),
					"Changes take a while to get around. If it stays so: samba-tool drs showrepl, repadmin /replsummary.")
				return
			}
			seen[dn] = state
		}
	}
	switch {
	case len(d.samples) == 0:
		d.add(name, StatusSkipped, "it can't be told: no user below the bases is visible", "")
	case others == 0:
		d.add(name, StatusSkipped, "it can't be told: only one domain controller is used", "")
	default:
		d.add(name, StatusOK, fmt.Sprintf("%d users are the same on %d domain controllers; more can't be told with the account's rights", len(d.samples), others+1), "")
	}
}
