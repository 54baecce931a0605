package directorytest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	krbflag "github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func service(name string) types.PrincipalName { return principal(nametype.KRB_NT_SRV_INST, name) }

func granting(set ...int) func(*messages.TGSReq) {
	return func(r *messages.TGSReq) { r.ReqBody.KDCOptions = kdcOptions(set...) }
}

// grants: the TGS exchange (MS-KILE section 3.3.5.7).
func grants() []Scenario {
	return slices.Concat(grantNames(), grantTickets(), authorizations())
}

func grantNames() []Scenario {
	return []Scenario{
		person("a service is known by its service principal names, and by those that HOST stands for", "g-names", func(c *check, _ string) {
			dn := c.machine("G-NAMES-H", "sql/g-names-h:1433")
			logon := c.logonBy("g-names", oldPassword)
			full := "g-names-h." + c.Domain.Name
			for _, name := range []string{"host/g-names-h", "HOST/" + full, "Host/G-Names-H", "cifs/" + full, "http/g-names-h", "sql/g-names-h:1433"} {
				answer := c.ticketed(name, c.grantTo(logon, service(name)))
				c.equal(name+" comes back as", answer.ticket.SName.PrincipalNameString(), name)
				c.equal(name+": kvno", strconv.Itoa(answer.ticket.EncPart.KVNO), c.get(dn, "msDS-KeyVersionNumber"))
				c.equal(name+": the ticket's encryption type", strconv.Itoa(int(answer.ticket.EncPart.EType)), "18")
			}
			c.told("unknown", c.grantTo(logon, service("nothing/"+full)), errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, 0)
			c.told("unknown host", c.grantTo(logon, service("cifs/elsewhere."+c.Domain.Name)), errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, 0)
		}),
		person("a service is known by its account's name", "g-account", func(c *check, _ string) {
			c.machine("G-ACCOUNT-H")
			logon := c.logonBy("g-account", oldPassword)
			c.ticketed("with $", c.grantTo(logon, principal(nametype.KRB_NT_PRINCIPAL, "G-ACCOUNT-H$")))
			c.ticketed("without", c.grantTo(logon, principal(nametype.KRB_NT_PRINCIPAL, "g-account-h")))
		}),
		person("a user with a service principal name is a service", "g-client", func(c *check, _ string) {
			c.set(c.user("g-service"), "servicePrincipalName", "web/g-service")
			logon := c.logonBy("g-client", oldPassword)
			c.ticketed("by name", c.grantTo(logon, service("web/g-service")))
			c.ticketed("by account", c.grantTo(logon, principal(nametype.KRB_NT_PRINCIPAL, "g-service")))
		}),
		person("a service that does not say what it supports gets a ticket under aes256", "g-unsaid", func(c *check, _ string) {
			c.set(c.machine("G-UNSAID-H"), "msDS-SupportedEncryptionTypes")
			answer := c.ticketed("unsaid", c.grantTo(c.logonBy("g-unsaid", oldPassword), service("host/g-unsaid-h")))
			c.equal("the ticket's encryption type", strconv.Itoa(int(answer.ticket.EncPart.EType)), "18")
		}),
		person("a user without one is for user-to-user alone: 27", "g-person", func(c *check, _ string) {
			c.user("g-other")
			logon := c.logonBy("g-person", oldPassword)
			c.told("person", c.grantTo(logon, principal(nametype.KRB_NT_PRINCIPAL, "g-other")), errorcode.KDC_ERR_MUST_USE_USER2USER, 0)
		}),
		person("user-to-user seals the ticket under the other's session key", "g-one", func(c *check, _ string) {
			c.set(c.user("g-two"), "servicePrincipalName", "web/g-two")
			logon, other := c.logonBy("g-one", oldPassword), c.ticketed("other", c.logonBy("g-two", oldPassword))
			answer := c.ticketed("user-to-user", c.grantTo(logon, service("web/g-two"), granting(krbflag.EncTktInSkey), func(r *messages.TGSReq) {
				r.ReqBody.AdditionalTickets = []messages.Ticket{other.ticket}
			}))
			c.must(answer.ticket.Decrypt(other.key))
			c.equal("the client", answer.ticket.DecryptedEncPart.CName.PrincipalNameString(), "g-one")
		}),
		person("but not under somebody else's", "g-three", func(c *check, _ string) {
			c.set(c.user("g-four"), "servicePrincipalName", "web/g-four")
			logon := c.logonBy("g-three", oldPassword)
			answer := c.grantTo(logon, service("web/g-four"), granting(krbflag.EncTktInSkey), func(r *messages.TGSReq) {
				r.ReqBody.AdditionalTickets = []messages.Ticket{logon.ticket}
			})
			c.told("mismatch", answer, errorcode.KRB_AP_ERR_BADMATCH, 0)
		}),
		person("a disabled service is unknown: 7", "g-user", func(c *check, _ string) {
			dn := c.machine("G-OFF")
			c.set(dn, "userAccountControl", "4098")
			c.told("disabled", c.grantTo(c.logonBy("g-user", oldPassword), service("host/g-off")), errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, 0)
		}),
		person("a ticket under aes128 for a service that knows no better", "g-old", func(c *check, _ string) {
			c.set(c.machine("G-AES128"), "msDS-SupportedEncryptionTypes", "8")
			answer := c.ticketed("old", c.grantTo(c.logonBy("g-old", oldPassword), service("host/g-aes128")))
			c.equal("the ticket's encryption type", strconv.Itoa(int(answer.ticket.EncPart.EType)), "17")
			c.equal("the session key's", strconv.Itoa(int(answer.key.KeyType)), "17")
		}),
	}
}

func grantTickets() []Scenario {
	week := func(a *ask) { a.body.RTime = time.Now().Add(7 * 24 * time.Hour).UTC().Truncate(time.Second) }
	return []Scenario{
		person("a service's ticket ends with the one that it was got with", "g-end", func(c *check, _ string) {
			c.machine("G-END-H")
			logon := c.logonBy("g-end", oldPassword, func(a *ask) { a.body.Till = time.Now().Add(time.Hour).UTC().Truncate(time.Second) })
			answer := c.ticketed("service", c.grantTo(logon, service("host/g-end-h")))
			c.equal("the end", answer.part.EndTime.String(), logon.part.EndTime.String())
			c.equal("flags", answer.flagNames(), "pre-authent")
		}),
		person("it is forwardable if that one is, and it is asked for", "g-flags", func(c *check, _ string) {
			c.machine("G-FLAGS-H")
			logon := c.logonBy("g-flags", oldPassword, options(krbflag.Forwardable, krbflag.Renewable), week)
			answer := c.ticketed("service", c.grantTo(logon, service("host/g-flags-h"), granting(krbflag.Forwardable, krbflag.Renewable)))
			c.equal("flags", answer.flagNames(), "forwardable renewable pre-authent")
			answer = c.ticketed("forwarded", c.grantTo(logon, service("krbtgt/"+c.Domain.Realm()), granting(krbflag.Forwardable, krbflag.Forwarded)))
			c.equal("flags of a forwarded one", answer.flagNames(), "forwardable forwarded pre-authent")
		}),
		person("what is not forwardable is not forwarded: 13", "g-fixed", func(c *check, _ string) {
			logon := c.logonBy("g-fixed", oldPassword)
			c.told("forwarded", c.grantTo(logon, service("krbtgt/"+c.Domain.Realm()), granting(krbflag.Forwarded)), errorcode.KDC_ERR_BADOPTION, 0)
			c.told("proxy", c.grantTo(logon, service("krbtgt/"+c.Domain.Realm()), granting(krbflag.Proxy)), errorcode.KDC_ERR_BADOPTION, 0)
		}),
		person("a renewable ticket is renewed", "g-renew", func(c *check, _ string) {
			logon := c.ticketed("logon", c.logonBy("g-renew", oldPassword, options(krbflag.Renewable), week))
			answer := c.ticketed("renewed", c.grantTo(logon, service("krbtgt/"+c.Domain.Realm()), granting(krbflag.Renew, krbflag.Renewable)))
			c.equal("flags", answer.flagNames(), "renewable pre-authent")
			c.equal("renewable until", answer.part.RenewTill.String(), logon.part.RenewTill.String())
			again := c.ticketed("again", c.grantTo(answer, service("krbtgt/"+c.Domain.Realm()), granting(krbflag.Renew, krbflag.Renewable)))
			c.equal("authenticated", again.part.AuthTime.String(), logon.part.AuthTime.String())
		}),
		person("one that is not is not: 13", "g-once", func(c *check, _ string) {
			logon := c.logonBy("g-once", oldPassword)
			c.told("renewed", c.grantTo(logon, service("krbtgt/"+c.Domain.Realm()), granting(krbflag.Renew)), errorcode.KDC_ERR_BADOPTION, 0)
		}),
		person("a service that is trusted for delegation is told to the client", "g-delegate", func(c *check, _ string) {
			c.set(c.machine("G-TRUSTED"), "userAccountControl", "528384")
			answer := c.ticketed("trusted", c.grantTo(c.logonBy("g-delegate", oldPassword), service("host/g-trusted")))
			c.equal("ok-as-delegate", strconv.FormatBool(answer.flag(krbflag.OKAsDelegate)), "true")
		}),
		person("a disabled account's tickets are good for nothing: 18", "g-gone", func(c *check, dn string) {
			c.machine("G-GONE-H")
			logon := c.ticketed("logon", c.logonBy("g-gone", oldPassword))
			c.set(dn, "userAccountControl", "514")
			c.told("disabled", c.grantTo(logon, service("host/g-gone-h")), errorcode.KDC_ERR_CLIENT_REVOKED, statusDisabled)
		}),
		person("a deleted account is unknown: 6", "g-deleted", func(c *check, dn string) {
			c.machine("G-DELETED-H")
			logon := c.ticketed("logon", c.logonBy("g-deleted", oldPassword))
			c.must(c.delete(dn))
			c.told("deleted", c.grantTo(logon, service("host/g-deleted-h")), errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, 0)
		}),
		person("a ticket for a service is no ticket for others", "g-wrong", func(c *check, _ string) {
			c.machine("G-WRONG-H")
			got := c.ticketed("service", c.grantTo(c.logonBy("g-wrong", oldPassword), service("host/g-wrong-h")))
			c.told("again", c.grantTo(got, service("host/g-wrong-h")), errorcode.KRB_AP_ERR_NOT_US, 0)
		}),
		person("a ticket that was altered is refused: 31", "g-forged", func(c *check, _ string) {
			logon := c.ticketed("logon", c.logonBy("g-forged", oldPassword))
			logon.ticket.EncPart.Cipher[20] ^= 1
			c.told("forged", c.grantTo(logon, service("krbtgt/"+c.Domain.Realm())), errorcode.KRB_AP_ERR_BAD_INTEGRITY, 0)
		}),
		person("constrained delegation that nobody was granted is refused: 13", "g-s4u", func(c *check, _ string) {
			c.machine("G-S4U-H")
			logon := c.ticketed("logon", c.logonBy("G-S4U-H$", oldPassword))
			user := c.ticketed("user", c.grantTo(c.logonBy("g-s4u", oldPassword, options(krbflag.Forwardable)), service("host/g-s4u-h"), granting(krbflag.Forwardable)))
			const cnameInAdditional = 14
			answer := c.grantTo(logon, service("host/g-s4u-h"), granting(cnameInAdditional), func(r *messages.TGSReq) {
				r.ReqBody.AdditionalTickets = []messages.Ticket{user.ticket}
			})
			c.told("delegated", answer, errorcode.KDC_ERR_BADOPTION, 0)
		}),
	}
}

// authorizations: what a ticket tells its service of the client (MS-PAC).
func authorizations() []Scenario {
	salt := func(c *check, host string) string { return c.Domain.Realm() + "host" + host + "." + c.Domain.Name }
	return []Scenario{
		person("a ticket has the client's names, SID and groups, those of groups too", "g-pac", func(c *check, dn string) {
			c.set(dn, "displayName", "Pac Person")
			c.machine("G-PAC-H")
			inner := c.group("g-pac-inner", globalGroup, dn)
			outer := c.group("g-pac-outer", universalGroup, inner)
			local := c.group("g-pac-local", domainLocalGroup, inner)
			mail := c.group("g-pac-mail", "2", dn)
			answer := c.ticketed("service", c.grantTo(c.logonBy("g-pac", oldPassword), service("host/g-pac-h")))
			info := c.logonInfo(answer.ticket, salt(c, "g-pac-h"), oldPassword)
			k := info.KerbValidationInfo
			c.equal("the account", k.EffectiveName.String(), "g-pac")
			c.equal("the full name", k.FullName.String(), "Pac Person")
			c.equal("the domain", k.LogonDomainName.String(), c.Domain.NetBIOS)
			c.equal("the account's RID", strconv.Itoa(int(k.UserID)), strconv.Itoa(int(c.sid(dn).RID())))
			c.equal("the primary group", strconv.Itoa(int(k.PrimaryGroupID)), "513")
			c.equal("the client", info.ClientInfo.Name, "g-pac")
			c.equal("the user principal name", info.UPNDNSInfo.UPN, "g-pac@"+c.Domain.Name)
			c.equal("its domain", info.UPNDNSInfo.DNSDomain, c.Domain.Realm())
			sids := k.GetGroupMembershipSIDs()
			for _, group := range []string{inner, outer, local, c.builtin("Domain Users")} {
				if !slices.Contains(sids, c.sid(group).String()) {
					c.Errorf("%s is not among the groups %s", group, strings.Join(sids, " "))
				}
			}
			if slices.Contains(sids, c.sid(mail).String()) || slices.Contains(sids, "S-1-5-32-545") {
				c.Errorf("a distribution group or one of BUILTIN is among the groups %s", strings.Join(sids, " "))
			}
		}),
		person("an explicit userPrincipalName is told", "g-upn", func(c *check, dn string) {
			c.set(dn, "userPrincipalName", "g.upn@elsewhere.example")
			c.machine("G-UPN-H")
			answer := c.ticketed("service", c.grantTo(c.logonBy("g-upn", oldPassword), service("host/g-upn-h")))
			c.equal("the user principal name", c.logonInfo(answer.ticket, salt(c, "g-upn-h"), oldPassword).UPNDNSInfo.UPN, "g.upn@elsewhere.example")
		}),
		person("groups that were joined since the logon are told to new services", "g-since", func(c *check, dn string) {
			c.machine("G-SINCE-H")
			logon := c.ticketed("logon", c.logonBy("g-since", oldPassword))
			group := c.group("g-since-group", globalGroup, dn)
			answer := c.ticketed("service", c.grantTo(logon, service("host/g-since-h")))
			sids := c.logonInfo(answer.ticket, salt(c, "g-since-h"), oldPassword).KerbValidationInfo.GetGroupMembershipSIDs()
			c.equal("joined", fmt.Sprint(slices.Contains(sids, c.sid(group).String())), "true")
		}),
		person("a service that wants no authorization data gets none", "g-none", func(c *check, _ string) {
			c.set(c.machine("G-NONE-H"), "userAccountControl", strconv.Itoa(0x1000|0x2000000))
			answer := c.ticketed("service", c.grantTo(c.logonBy("g-none", oldPassword), service("host/g-none-h")))
			key := c.keyOf(answer.ticket, salt(c, "g-none-h"), oldPassword)
			c.must(answer.ticket.Decrypt(key))
			c.equal("data", strconv.Itoa(len(answer.ticket.DecryptedEncPart.AuthorizationData)), "0")
		}),
	}
}
