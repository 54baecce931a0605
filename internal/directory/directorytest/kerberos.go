package directorytest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	krbflag "github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
)

// told holds that an answer has a code and an NTSTATUS, 0 for a ticket and for none.
func (c *check) told(what string, answer kerberosAnswer, code int32, status uint32) {
	if answer.code != code || answer.status() != status {
		c.Errorf("%s: %s, status %X; want %s, status %X", what, errorcode.Lookup(answer.code), answer.status(), errorcode.Lookup(code), status)
	}
}

// ticketed holds that an answer is a ticket, and gives it.
func (c *check) ticketed(what string, answer kerberosAnswer) kerberosAnswer {
	if answer.code != 0 {
		c.Fatalf("%s: %s, status %X", what, errorcode.Lookup(answer.code), answer.status())
	}
	return answer
}

func options(set ...int) func(*ask) {
	return func(a *ask) { a.body.KDCOptions = kdcOptions(set...) }
}

func forService(name string) func(*ask) {
	return func(a *ask) { a.body.SName = principal(nametype.KRB_NT_SRV_INST, name) }
}

func offering(kinds ...int32) func(*ask) { return func(a *ask) { a.body.EType = kinds } }

func named(kind int32, name ...string) func(*ask) {
	return func(a *ask) { a.body.CName = types.PrincipalName{NameType: kind, NameString: name} }
}

func inRealm(name string) func(*ask) { return func(a *ask) { a.body.Realm = name } }

// NTSTATUS codes (MS-ERREF section 2.3).
const (
	statusDisabled        = 0xC0000072
	statusAccountExpired  = 0xC0000193
	statusPasswordExpired = 0xC0000071
	statusMustChange      = 0xC0000224
	statusLockedOut       = 0xC0000234
)

// authentications: the AS exchange, and what an account's state makes of it (MS-KILE section 3.3.5.6).
func authentications() []Scenario {
	return slices.Concat(logons(), logonNames(), logonRefusals(), logonTickets())
}

func logons() []Scenario {
	return []Scenario{
		person("pre-authentication is demanded, with the salt of the key", "k-salt", func(c *check, _ string) {
			answer := c.logonBy("k-salt", "")
			c.told("without", answer, errorcode.KDC_ERR_PREAUTH_REQUIRED, 0)
			c.equal("the salt", answer.salt(), "18:"+c.Domain.Realm()+"k-salt")
			c.equal("that of aes128", c.logonBy("k-salt", "", offering(aes128)).salt(), "17:"+c.Domain.Realm()+"k-salt")
		}),
		person("the right password is good for a ticket", "k-good", func(c *check, dn string) {
			answer := c.ticketed("logon", c.logonBy("k-good", oldPassword))
			c.equal("the client's realm", answer.crealm, c.Domain.Realm())
			c.equal("the client's kvno", strconv.Itoa(answer.kvno), c.get(dn, "msDS-KeyVersionNumber"))
			c.equal("the ticket's encryption type", strconv.Itoa(int(answer.ticket.EncPart.EType)), "18")
			c.equal("the session key's", strconv.Itoa(int(answer.key.KeyType)), "18")
		}),
		person("who knows aes128 alone gets it for the session", "k-weak", func(c *check, _ string) {
			answer := c.ticketed("logon", c.logonBy("k-weak", oldPassword, offering(aes128)))
			c.equal("the session key's encryption type", strconv.Itoa(int(answer.key.KeyType)), "17")
		}),
		person("RC4 alone is refused", "k-rc4", func(c *check, _ string) {
			c.told("RC4", c.logonBy("k-rc4", "", offering(rc4)), errorcode.KDC_ERR_ETYPE_NOSUPP, 0)
		}),
		person("a wrong password is refused: 24", "k-wrong", func(c *check, _ string) {
			answer := c.logonBy("k-wrong", newPassword)
			c.told("wrong", answer, errorcode.KDC_ERR_PREAUTH_FAILED, 0)
		}),
		person("after a reset the new password is good at once, and the old one is not", "k-reset", func(c *check, dn string) {
			before := c.get(dn, "msDS-KeyVersionNumber")
			c.must(c.reset("k-reset", newPassword))
			answer := c.ticketed("new", c.logonBy("k-reset", newPassword))
			c.told("old", c.logonBy("k-reset", oldPassword), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
			if was, _ := strconv.Atoi(before); answer.kvno != was+1 {
				c.Errorf("kvno %d after %s", answer.kvno, before)
			}
		}),
		person("a clock that is six minutes wrong is refused: 37", "k-skew", func(c *check, _ string) {
			for _, skew := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
				c.told(skew.String(), c.logonBy("k-skew", oldPassword, func(a *ask) { a.skew = skew }), errorcode.KRB_AP_ERR_SKEW, 0)
			}
			c.ticketed("four minutes", c.logonBy("k-skew", oldPassword, func(a *ask) { a.skew = -4 * time.Minute }))
		}),
		{Rule: "a computer's salt is of its host name", run: func(c *check) {
			c.machine("K-Host")
			answer := c.logonBy("K-Host$", "")
			c.equal("the salt", answer.salt(), "18:"+c.Domain.Realm()+"hostk-host."+c.Domain.Name)
			c.ticketed("logon", c.logonBy("K-Host$", oldPassword))
		}},
		person("the salt stays that of the password's day when the account is renamed", "k-former", func(c *check, dn string) {
			c.set(dn, "sAMAccountName", "k-latter")
			answer := c.logonBy("k-latter", "")
			c.equal("the salt", answer.salt(), "18:"+c.Domain.Realm()+"k-former")
			c.ticketed("logon", c.logonBy("k-latter", oldPassword))
		}),
	}
}

// machine adds a computer with the old password, as joining a domain makes it.
func (c *check) machine(name string, services ...string) string {
	host := strings.ToLower(name)
	return c.add(c.at(name), map[string][]string{
		"objectClass": {"computer"}, "sAMAccountName": {name + "$"}, "userAccountControl": {"4096"}, "unicodePwd": {encoded(oldPassword)},
		"dNSHostName": {host + "." + c.Domain.Name}, "msDS-SupportedEncryptionTypes": {"24"}, "servicePrincipalName": append([]string{"HOST/" + host, "HOST/" + host + "." + c.Domain.Name}, services...),
	})
}

func logonNames() []Scenario {
	return []Scenario{
		{Rule: "an account that does not exist is unknown: 6", run: func(c *check) {
			c.told("unknown", c.logonBy("k-nobody", ""), errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, 0)
		}},
		{Rule: "so is a group", run: func(c *check) {
			c.group("k-group", globalGroup)
			c.told("group", c.logonBy("k-group", ""), errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, 0)
		}},
		person("names are in any case of letters, and come back as they were given", "k-case", func(c *check, _ string) {
			answer := c.ticketed("logon", c.logonBy("K-Case", oldPassword))
			c.equal("the client", answer.cname.PrincipalNameString(), "K-Case")
		}),
		person("asked to canonicalize, the account's own name comes back", "k-canon", func(c *check, _ string) {
			answer := c.ticketed("logon", c.logonBy("K-CANON", oldPassword, options(krbflag.Canonicalize)))
			c.equal("the client", answer.cname.PrincipalNameString(), "k-canon")
		}),
		person("the realm is in any case of letters", "k-realm", func(c *check, _ string) {
			answer := c.ticketed("logon", c.logonBy("k-realm", oldPassword, inRealm(c.Domain.Name), options(krbflag.Canonicalize)))
			c.equal("the client's realm", answer.crealm, c.Domain.Realm())
			c.equal("the ticket's", answer.ticket.Realm, c.Domain.Realm())
			c.equal("the service", answer.ticket.SName.PrincipalNameString(), "krbtgt/"+c.Domain.Realm())
		}),
		person("or the domain's short name", "k-short", func(c *check, _ string) {
			answer := c.ticketed("logon", c.logonBy("k-short", oldPassword, inRealm(c.Domain.NetBIOS), options(krbflag.Canonicalize), forService("krbtgt/"+c.Domain.NetBIOS)))
			c.equal("the client's realm", answer.crealm, c.Domain.Realm())
			c.equal("the service", answer.ticket.SName.PrincipalNameString(), "krbtgt/"+c.Domain.Realm())
		}),
		person("by the account's name and the domain's, as an enterprise name", "k-implicit", func(c *check, _ string) {
			answer := c.ticketed("logon", c.logonBy("", oldPassword, named(nametype.KRB_NT_ENTERPRISE, "k-implicit@"+c.Domain.Name), options(krbflag.Canonicalize)))
			c.equal("the client", answer.cname.PrincipalNameString(), "k-implicit")
		}),
		person("by userPrincipalName of another suffix, as an enterprise name", "k-upn", func(c *check, dn string) {
			c.set(dn, "userPrincipalName", "k.mail@elsewhere.example")
			answer := c.ticketed("logon", c.logonBy("", oldPassword, named(nametype.KRB_NT_ENTERPRISE, "K.Mail@elsewhere.example"), options(krbflag.Canonicalize)))
			c.equal("the client", answer.cname.PrincipalNameString(), "k-upn")
			answer = c.ticketed("as it is", c.logonBy("", oldPassword, named(nametype.KRB_NT_ENTERPRISE, "K.Mail@elsewhere.example")))
			c.equal("the client", answer.cname.PrincipalNameString(), "K.Mail@elsewhere.example")
		}),
		person("by the first part of userPrincipalName", "k-part", func(c *check, dn string) {
			c.set(dn, "userPrincipalName", "k.other@"+c.Domain.Name)
			answer := c.ticketed("logon", c.logonBy("k.other", oldPassword))
			c.equal("the client", answer.cname.PrincipalNameString(), "k.other")
		}),
		{Rule: "a computer logs on without its $, too", run: func(c *check) {
			c.machine("K-NODOLLAR")
			c.ticketed("logon", c.logonBy("k-nodollar", oldPassword))
		}},
		person("nobody is known in another realm: 6", "k-foreign", func(c *check, _ string) {
			c.told("foreign", c.logonBy("k-foreign", "", inRealm("ELSEWHERE.EXAMPLE"), forService("krbtgt/ELSEWHERE.EXAMPLE")), errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, 0)
		}),
		person("a service that nobody has is unknown: 7", "k-lost", func(c *check, _ string) {
			c.told("no service", c.logonBy("k-lost", oldPassword, forService("nothing/nowhere")), errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, 0)
		}),
	}
}

func logonRefusals() []Scenario {
	return []Scenario{
		person("a disabled account is revoked, which is told to who knows the password: 18", "k-off", func(c *check, dn string) {
			c.set(dn, "userAccountControl", "514")
			c.told("without pre-authentication", c.logonBy("k-off", ""), errorcode.KDC_ERR_PREAUTH_REQUIRED, 0)
			c.told("wrong", c.logonBy("k-off", newPassword), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
			c.told("right", c.logonBy("k-off", oldPassword), errorcode.KDC_ERR_CLIENT_REVOKED, statusDisabled)
		}),
		person("so is one that has expired", "k-over", func(c *check, dn string) {
			c.set(dn, "accountExpires", directory.FileTime(time.Now().Add(-time.Hour)))
			c.told("right", c.logonBy("k-over", oldPassword), errorcode.KDC_ERR_CLIENT_REVOKED, statusAccountExpired)
		}),
		person("who must change the password gets a ticket for that alone: 23", "k-must", func(c *check, dn string) {
			c.set(dn, "pwdLastSet", "0")
			c.told("right", c.logonBy("k-must", oldPassword), errorcode.KDC_ERR_KEY_EXPIRED, statusMustChange)
			c.told("wrong", c.logonBy("k-must", newPassword), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
			c.ticketed("kadmin/changepw", c.logonBy("k-must", oldPassword, forService("kadmin/changepw")))
			c.told("kadmin/changepw, wrong", c.logonBy("k-must", newPassword, forService("kadmin/changepw")), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
		}),
		person("a password that has expired is the same", "k-aged", func(c *check, dn string) {
			c.Backdate(c, dn, 43*24*time.Hour)
			c.told("right", c.logonBy("k-aged", oldPassword), errorcode.KDC_ERR_KEY_EXPIRED, statusPasswordExpired)
			c.ticketed("kadmin/changepw", c.logonBy("k-aged", oldPassword, forService("kadmin/changepw")))
		}),
		person("wrong passwords lock the account, as by LDAP", "k-locked", func(c *check, dn string) {
			c.threshold(2, 30*time.Minute)
			c.told("first", c.logonBy("k-locked", newPassword), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "1")
			c.refused("k-locked", newPassword, "52e")
			c.equal("the answer to the right one", strconv.Itoa(int(c.logonBy("k-locked", oldPassword).code)), "18")
			c.refused("k-locked", oldPassword, "775")
			c.must(c.reset("k-locked", newPassword))
			c.ticketed("after a reset", c.logonBy("k-locked", newPassword))
		}),
		person("who is locked out is told so: 18", "k-told", func(c *check, _ string) {
			c.threshold(1, 30*time.Minute)
			c.told("wrong", c.logonBy("k-told", newPassword), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
			c.told("right", c.logonBy("k-told", oldPassword), errorcode.KDC_ERR_CLIENT_REVOKED, statusLockedOut)
		}),
		person("a logon ends the count of wrong passwords", "k-recount", func(c *check, dn string) {
			c.threshold(3, 30*time.Minute)
			c.told("wrong", c.logonBy("k-recount", newPassword), errorcode.KDC_ERR_PREAUTH_FAILED, 0)
			c.ticketed("right", c.logonBy("k-recount", oldPassword))
			c.equal("badPwdCount", c.get(dn, "badPwdCount"), "0")
		}),
		{Rule: "an account without a password takes none", run: func(c *check) {
			c.set(c.account("k-bare"), "userAccountControl", "544")
			c.told("bare", c.logonBy("k-bare", ""), errorcode.KDC_ERR_PREAUTH_REQUIRED, 0)
			c.told("any", c.logonBy("k-bare", oldPassword), errorcode.KDC_ERR_ETYPE_NOSUPP, 0)
		}},
	}
}

// lasting is how long from its beginning something lasts, in whole minutes.
func lasting(part messages.EncKDCRepPart, until time.Time) string {
	start := part.StartTime
	if start.IsZero() {
		start = part.AuthTime
	}
	return until.Sub(start).Round(time.Minute).String()
}

func logonTickets() []Scenario {
	return []Scenario{
		person("a ticket is what was asked for: forwardable, proxiable, renewable", "k-flags", func(c *check, _ string) {
			c.equal("plain", c.ticketed("plain", c.logonBy("k-flags", oldPassword)).flagNames(), "initial pre-authent")
			answer := c.ticketed("all", c.logonBy("k-flags", oldPassword, options(krbflag.Forwardable, krbflag.Proxiable, krbflag.Renewable), func(a *ask) { a.body.RTime = time.Now().Add(100 * 24 * time.Hour).UTC().Truncate(time.Second) }))
			c.equal("all", answer.flagNames(), "forwardable proxiable renewable initial pre-authent")
			c.equal("renewable for", lasting(answer.part, answer.part.RenewTill), "168h0m0s")
		}),
		person("a ticket is good for ten hours at most", "k-long", func(c *check, _ string) {
			answer := c.ticketed("long", c.logonBy("k-long", oldPassword))
			c.equal("it is good for", lasting(answer.part, answer.part.EndTime), "10h0m0s")
			answer = c.ticketed("short", c.logonBy("k-long", oldPassword, func(a *ask) { a.body.Till = time.Now().Add(time.Hour).UTC().Truncate(time.Second) }))
			c.equal("it is good for", lasting(answer.part, answer.part.EndTime), "1h0m0s")
		}),
		person("who would take a renewable one instead of a longer one gets it", "k-instead", func(c *check, _ string) {
			answer := c.ticketed("renewable-ok", c.logonBy("k-instead", oldPassword, options(krbflag.RenewableOK)))
			c.equal("flags", answer.flagNames(), "renewable initial pre-authent")
		}),
		person("tickets are not postdated", "k-later", func(c *check, _ string) {
			answer := c.logonBy("k-later", oldPassword, options(krbflag.PostDated), func(a *ask) { a.body.From = time.Now().Add(time.Hour).UTC().Truncate(time.Second) })
			c.told("postdated", answer, errorcode.KDC_ERR_CANNOT_POSTDATE, 0)
		}),
		person("nor do they end before they begin: 11", "k-past", func(c *check, _ string) {
			answer := c.logonBy("k-past", oldPassword, func(a *ask) { a.body.Till = time.Now().Add(-time.Hour).UTC().Truncate(time.Second) })
			c.told("ended", answer, errorcode.KDC_ERR_NEVER_VALID, 0)
		}),
		person("who may not be delegated gets no forwardable ticket", "k-sensitive", func(c *check, dn string) {
			c.set(dn, "userAccountControl", "1049088")
			answer := c.ticketed("sensitive", c.logonBy("k-sensitive", oldPassword, options(krbflag.Forwardable, krbflag.Proxiable)))
			c.equal("flags", answer.flagNames(), "initial pre-authent")
		}),
	}
}
