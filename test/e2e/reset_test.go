package e2e

import (
	"os"
	"strings"
	"testing"

	"latchkey/internal/config"
)

const nextPassword = marker + "-next-Lantern"

// TestExample: the example of the README is what the README says.
func TestExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../examples/corp.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, string(text))
	callGoSDK(t, s, home, "ResetUserPassword", reset("d-1234567890", "jane", nextPassword)).accepted(t)
	if data := login(t, s, `CORP\jane`, nextPassword); data != "" {
		t.Errorf("data %s", data)
	}
}

// TestClients: every client resets a password, and gets every exception of the API reference as its own type.
func TestClients(t *testing.T) {
	t.Parallel()
	s := world(t)
	t.Run("all", func(t *testing.T) {
		for _, each := range []struct {
			name string
			make func(*testing.T, *server) caller
		}{{"gosdk", goClient}, {"cli", commandLine}, {"boto3", boto3}, {"js", javaScript}, {"curl", curl}} {
			t.Run(each.name, func(t *testing.T) {
				t.Parallel()
				call := each.make(t, s)
				resets(t, s, each.name, call)
				exceptions(t, call)
			})
		}
	})
	s.stop()
	noSecrets(t, s)
}

func resets(t *testing.T, s *server, name string, call caller) {
	for _, each := range []struct{ directory, bind, account string }{
		{corpID, `CORP\kim.` + name, "kim." + name},
		{labID, `LAB\lee.` + name, strings.ToUpper("lee." + name)},
	} {
		if data := login(t, s, each.bind, firstPassword); data != "" {
			t.Fatalf("%s before the reset: data %s", each.bind, data)
		}
		a := call(t, home, "ResetUserPassword", reset(each.directory, each.account, nextPassword))
		a.accepted(t)
		if len(a.Output) != 0 {
			t.Errorf("output %v, want none", a.Output)
		}
		logins(t, s, each.bind, firstPassword, nextPassword)
	}
}

// exceptionCases are all exceptions that the API reference lists for ResetUserPassword.
var exceptionCases = []struct {
	name, region, directory, user, password string
	exception, message                      string
}{
	{"NUL in the password", home, corpID, "jane", marker + "-a\x00b-Lantern", "ClientException", "U+0000"},
	{"inoperable", home, deadID, "jane", nextPassword, "DirectoryUnavailableException", "Its stage is Inoperable."},
	{"unknown directory", home, noID, "jane", nextPassword, "EntityDoesNotExistException", "Directory " + noID + " does not exist"},
	{"wrong region", home, westID, "jane", nextPassword, "EntityDoesNotExistException", "It is in Region eu-west-1."},
	{"wrong region, the other way", "eu-west-1", corpID, "jane", nextPassword, "EntityDoesNotExistException", "It is in Region us-east-1."},
	{"too short", home, corpID, "jane", "Wx9~Kq7", "InvalidPasswordException", "complexity requirements"},
	{"too simple", home, labID, "lee.cli", "alllettersaresmall", "InvalidPasswordException", "complexity requirements"},
	{"the account's name in it", home, corpID, "jane", marker + "-JaNe-1", "InvalidPasswordException", "complexity requirements"},
	{"the keys can't be opened", home, brokenID, "sealed", nextPassword, "ServiceException", "An exception has occurred"},
	{"Domain Admin", home, labID, "direct", nextPassword, "UnsupportedOperationException", "Domain Admins or Enterprise Admins"},
	{"Domain Admin, nested", home, labID, "nested", nextPassword, "UnsupportedOperationException", "Domain Admins or Enterprise Admins"},
	{"Domain Admin, by primary group", home, labID, "primary", nextPassword, "UnsupportedOperationException", "Domain Admins or Enterprise Admins"},
	{"Enterprise Admin", home, labID, "enterprise", nextPassword, "UnsupportedOperationException", "Domain Admins or Enterprise Admins"},
	{"reserved OU", home, corpID, "reserved", nextPassword, "UnsupportedOperationException", "CORP organizational unit"},
	{"outside the OU", home, corpID, "elsewhere", nextPassword, "UnsupportedOperationException", "CORP organizational unit"},
	{"Administrator of a managed directory", home, corpID, "Administrator", nextPassword, "UnsupportedOperationException", "CORP organizational unit"},
	{"nobody", home, corpID, "nobody", nextPassword, "UserDoesNotExistException", "does not exist in your directory"},
	{"a space after the name", home, corpID, "jane ", nextPassword, "UserDoesNotExistException", "does not exist in your directory"},
	{"krbtgt", home, labID, "krbtgt", nextPassword, "UserDoesNotExistException", "does not exist in your directory"},
	{"a computer", home, corpID, "WEB01$", nextPassword, "UserDoesNotExistException", "does not exist in your directory"},
	{"a group", home, corpID, "Staff", nextPassword, "UserDoesNotExistException", "does not exist in your directory"},
}

func exceptions(t *testing.T, call caller) {
	for _, c := range exceptionCases {
		t.Run(c.name, func(t *testing.T) {
			a := call(t, c.region, "ResetUserPassword", reset(c.directory, c.user, c.password))
			a.refused(t, c.exception, c.message)
			if strings.Contains(a.Message, c.password) {
				t.Errorf("the message has the password in it: %q", a.Message)
			}
		})
	}
}

// TestReset: what a reset does to an account, and that a refused one does nothing.
func TestReset(t *testing.T) {
	t.Parallel()
	s := world(t)
	call := goClient(t, s)
	done := func(t *testing.T, user string) {
		t.Helper()
		call(t, home, "ResetUserPassword", reset(corpID, user, nextPassword)).accepted(t)
	}
	for _, c := range []struct{ name, user, before string }{
		{"a disabled user is enabled", "off", "533"},
		{"a locked user is unlocked", "shut", "775"},
		{"must change is cleared", "must", "773"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if data := login(t, s, `CORP\`+c.user, firstPassword); data != c.before {
				t.Fatalf("before: data %q, want %s", data, c.before)
			}
			done(t, c.user)
			if data := login(t, s, `CORP\`+c.user, nextPassword); data != "" {
				t.Errorf("after: data %s", data)
			}
			now := entry(t, s, corpAdmin, corpBase, c.user)
			if control := attribute(now, "userAccountControl"); control != "512" {
				t.Errorf("userAccountControl is %s", control)
			}
			if last := attribute(now, "pwdLastSet"); last == "0" || last == "" {
				t.Errorf("pwdLastSet is %q", last)
			}
		})
	}
	t.Run("a user without a password", func(t *testing.T) {
		done(t, "fresh")
		if data := login(t, s, `CORP\fresh`, nextPassword); data != "" {
			t.Errorf("data %s", data)
		}
	})
	t.Run("PASSWD_NOTREQD is cleared", func(t *testing.T) {
		ldif := "dn: CN=raw,OU=Users,OU=CORP," + corpBase + "\nobjectClass: user\nsAMAccountName: raw\n"
		if said, code := openldap(t, s, "ldapadd", ldif, "-D", corpAdmin, "-w", adminPassword); code != 0 {
			t.Fatal(said)
		}
		if control := attribute(entry(t, s, corpAdmin, corpBase, "raw"), "userAccountControl"); control != "546" {
			t.Fatalf("userAccountControl before is %s", control)
		}
		done(t, "raw")
		if control := attribute(entry(t, s, corpAdmin, corpBase, "raw"), "userAccountControl"); control != "512" {
			t.Errorf("userAccountControl after is %s", control)
		}
	})
	t.Run("names with odd characters", func(t *testing.T) {
		const odd = "o'neil (a) #1 & b$ é"
		done(t, strings.ToUpper(odd))
		logins(t, s, `CORP\`+odd, firstPassword, nextPassword)
	})
	t.Run("history and minimum age do not hold for a reset", func(t *testing.T) {
		done(t, "kim.js")
		done(t, "kim.js")
		call(t, home, "ResetUserPassword", reset(corpID, "kim.js", firstPassword)).accepted(t)
		logins(t, s, `CORP\kim.js`, nextPassword, firstPassword)
	})
	t.Run("the administrator of each type", func(t *testing.T) {
		call(t, home, "ResetUserPassword", reset(corpID, "admin", nextPassword)).accepted(t)
		logins(t, s, corpAdmin, adminPassword, nextPassword)
		call(t, home, "ResetUserPassword", reset(corpID, "Admin", adminPassword)).accepted(t)
		call(t, home, "ResetUserPassword", reset(labID, "administrator", nextPassword)).accepted(t)
		logins(t, s, labAdmin, adminPassword, nextPassword)
		call(t, home, "ResetUserPassword", reset(labID, "Administrator", adminPassword)).accepted(t)
	})
	t.Run("characters beyond the BMP", func(t *testing.T) {
		const emoji = marker + "-🔑é漢"
		call(t, home, "ResetUserPassword", reset(corpID, "kim.cli", emoji)).accepted(t)
		logins(t, s, `CORP\kim.cli`, firstPassword, emoji)
	})
	t.Run("the longest password", func(t *testing.T) {
		long := marker + strings.Repeat("x", 127-len(marker))
		call(t, home, "ResetUserPassword", reset(corpID, "kim.curl", long)).accepted(t)
		logins(t, s, `CORP\kim.curl`, firstPassword, long)
	})
	for _, c := range exceptionCases {
		admin, base := corpAdmin, corpBase
		switch {
		case c.directory == labID:
			admin, base = labAdmin, labBase
		case c.directory != corpID:
			continue
		}
		if c.user == "nobody" {
			continue // there is no entry to change
		}
		t.Run("unchanged: "+c.name, func(t *testing.T) {
			before := entry(t, s, admin, base, strings.TrimSpace(c.user))
			call(t, c.region, "ResetUserPassword", reset(c.directory, c.user, c.password)).refused(t, c.exception, c.message)
			if after := entry(t, s, admin, base, strings.TrimSpace(c.user)); after != before {
				t.Errorf("a refused reset changed the entry: before\n%s\nafter\n%s", before, after)
			}
		})
	}
}

// TestKeepLocked: with the option off, a reset leaves an account locked.
func TestKeepLocked(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, func(c *config.Config) { c.UnlockOnReset = false })
	goClient(t, s)(t, home, "ResetUserPassword", reset(corpID, "shut", nextPassword)).accepted(t)
	if data := login(t, s, `CORP\shut`, nextPassword); data != "775" {
		t.Errorf("data %q, want 775", data)
	}
}

// TestStages: a directory that is not ready is unavailable, whatever holds it up.
func TestStages(t *testing.T) {
	t.Parallel()
	s := world(t)
	for i, stage := range unavailableStages {
		t.Run(stage, func(t *testing.T) {
			id := stageID((i + 1) % len(unavailableStages))
			callGoSDK(t, s, home, "ResetUserPassword", reset(id, "jane", nextPassword)).
				refused(t, "DirectoryUnavailableException", "The specified directory is unavailable. Its stage is "+stage+".")
		})
	}
}
