package remote_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/certificate"
	"latchkey/internal/directory"
	"latchkey/internal/directory/remote"
)

// wanted is a finding that a report must have: by the beginning of its name, and what its detail and fix contain.
type wanted struct {
	name        string
	status      remote.Status
	detail, fix string
}

func (w wanted) in(findings []remote.Finding) bool {
	return slices.ContainsFunc(findings, func(f remote.Finding) bool {
		return strings.HasPrefix(f.Name, w.name) && f.Status == w.status && strings.Contains(f.Detail, w.detail) && strings.Contains(f.Fix, w.fix)
	})
}

func TestCheck(t *testing.T) {
	c := openClinic(t, "127.80.0.3")
	base, url := c.domain.BaseDN(), "ldaps://"+c.address
	otherCA, _, _, err := certificate.Issue(t.TempDir(), t.TempDir(), []string{"x.example.com"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		// prepare changes the domain, and tidy changes it back.
		prepare, tidy func()
		change        func(*directory.Domain, *remote.Settings, *remote.CheckOptions)
		// want must be found; but for it, nothing may have failed or be warned of unless others is set.
		want   []wanted
		others bool
	}{
		{name: "all is well", want: []wanted{
			{"settings", remote.StatusOK, "svc", ""},
			{"connection " + url, remote.StatusOK, "", ""},
			{"certificate " + url, remote.StatusOK, "expires on", ""},
			{"controller " + url, remote.StatusOK, "dc1.corp.example.com", ""},
			{"clock " + url, remote.StatusOK, "", ""},
			{"bind " + url, remote.StatusOK, "", ""},
			{"domain", remote.StatusOK, "S-1-5-21-11-22-33", ""},
			{"short name", remote.StatusOK, "CORP", ""},
			{"account", remote.StatusOK, "svc, S-1-5-21-11-22-33-", ""},
			{"reset base OU=CORP,", remote.StatusOK, "", ""},
			{"rights in OU=CORP,", remote.StatusOK, "2 users", ""},
			{"AdminSDHolder in OU=CORP,", remote.StatusOK, "", ""},
			{"password policy", remote.StatusOK, "at least 7 characters, complex", ""},
			{"domain controllers", remote.StatusOK, "all are used", ""},
			{"PDC emulator", remote.StatusOK, "dc1.corp.example.com", ""},
			{"replication", remote.StatusSkipped, "only one", ""},
		}},
		{name: "as a DN", change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) { s.BindDN = c.svc }},
		{name: "not known yet", change: func(d *directory.Domain, _ *remote.Settings, _ *remote.CheckOptions) { d.SID = "" }},
		{
			name: "discovered",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs, s.Discover, s.PreferPDC, s.Resolver = nil, true, true, c.address+":53"
			},
			want: []wanted{{"discovery", remote.StatusOK, "ldaps://dc1.corp.example.com", ""}, {"bind ldaps://dc1.corp.example.com", remote.StatusOK, "", ""}},
		},
		{
			name: "no records",
			change: func(d *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs, s.Discover, s.Resolver = nil, true, "127.80.0.3:1"
			},
			want: []wanted{{"discovery", remote.StatusFailed, "_ldap._tcp.dc._msdcs.corp.example.com", "DNS"}, {"domain", remote.StatusSkipped, "no domain controller", ""}},
		},
		{
			name: "two domain controllers",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = append(s.URLs, forward(t, c.address, c.address+":636"))
			},
			want: []wanted{{"replication", remote.StatusOK, "2 users are the same on 2", ""}},
		},
		{
			name:   "another authority",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) { s.CAFile = otherCA },
			want:   []wanted{{"certificate " + url, remote.StatusFailed, "not signed by any of the authorities in " + otherCA, "private/tls/ca.pem"}, {"domain", remote.StatusSkipped, "", ""}},
		},
		{
			name:   "no authority",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) { s.CAFile = s.BindPasswordFile },
			want:   []wanted{{"CA file", remote.StatusFailed, "no certificate", "PEM"}, {"domain", remote.StatusSkipped, "the CA file", ""}},
		},
		{
			name: "another host name",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{forward(t, "127.0.0.1", c.address+":636")}
			},
			want: []wanted{{"certificate ldaps://127.0.0.1", remote.StatusFailed, "not for 127.0.0.1 but for corp.example.com, dc1.corp.example.com", "subjectAltName"}},
		},
		{
			name: "LDAP without TLS",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{"ldap://" + c.address}
			},
			want: []wanted{{"settings", remote.StatusFailed, "TLS only", "ldaps://"}},
		},
		{
			name:   "port 389",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) { s.URLs = []string{url + ":389"} },
			want:   []wanted{{"certificate " + url + ":389", remote.StatusFailed, "without TLS", "636"}},
		},
		{
			name: "port 3268",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{url + ":3268"}
			},
			want: []wanted{{"certificate " + url + ":3268", remote.StatusFailed, "global catalog", "636"}},
		},
		{
			name: "port 3269",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{url + ":3269"}
			},
			want: []wanted{{"connection " + url + ":3269", remote.StatusFailed, "global catalog", "636"}},
		},
		{
			name: "nothing there",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{url + ":1", url}
			},
			want: []wanted{{"connection " + url + ":1", remote.StatusFailed, "refused", "Nothing listens"}, {"rights in", remote.StatusOK, "", ""}},
		},
		{
			name: "hung",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{silent(t, c.address), url}
			},
			want: []wanted{{"certificate ldaps://", remote.StatusFailed, "in time", "hangs"}, {"rights in", remote.StatusOK, "", ""}},
		},
		{
			name: "hung after the login",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{stall(t, c.address, c.address+":636", 7000), url}
			},
			want: []wanted{{"bind ldaps://", remote.StatusOK, "", ""}, {"answers ldaps://", remote.StatusFailed, "stopped", "hangs"}, {"rights in", remote.StatusOK, "", ""}, {"domain controllers", remote.StatusOK, "", ""}},
		},
		{
			name: "all hung after the login",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = []string{stall(t, c.address, c.address+":636", 7000)}
			},
			want: []wanted{{"answers ldaps://", remote.StatusFailed, "stopped", "hangs"}, {"replication", remote.StatusSkipped, "no domain controller", ""}},
		},
		{
			name: "no such host",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs, s.Resolver = []string{"ldaps://nobody.corp.example.com"}, c.address+":53"
			},
			want: []wanted{{"connection ldaps://nobody", remote.StatusFailed, "no such host", "host name"}},
		},
		{
			name:    "a wrong password",
			prepare: func() { c.set(t, base, "lockoutThreshold", "10") },
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.URLs = append(s.URLs, forward(t, c.address, c.address+":636"))
				s.BindPasswordFile = c.file(t, "wrong", "Wrong-Horse-99", 0o600)
			},
			want: []wanted{{"bind " + url, remote.StatusFailed, "data 52e", "password"}, {"bind ldaps://", remote.StatusSkipped, "lockout", ""}, {"reset bases", remote.StatusSkipped, "", ""}},
			tidy: func() {
				// One try for two domain controllers: each counts towards a lockout.
				if got := c.get(t, c.svc, "badPwdCount"); got != "1" {
					t.Errorf("badPwdCount %s", got)
				}
				c.set(t, base, "lockoutThreshold", "0")
			},
		},
		{
			name:    "a disabled account",
			prepare: func() { c.set(t, c.svc, "userAccountControl", "514") },
			tidy:    func() { c.set(t, c.svc, "userAccountControl", "512") },
			want:    []wanted{{"bind " + url, remote.StatusFailed, "disabled", "Enable"}},
		},
		{
			name:    "a password that must be changed",
			prepare: func() { c.set(t, c.svc, "pwdLastSet", "0") },
			tidy:    func() { c.set(t, c.svc, "pwdLastSet", "-1") },
			want:    []wanted{{"bind " + url, remote.StatusFailed, "must be changed", "need not be changed"}},
		},
		{
			name: "no password file",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.BindPasswordFile = c.dir + "/nowhere"
			},
			want: []wanted{{"password file", remote.StatusFailed, "no such file", "chmod 600"}, {"controller " + url, remote.StatusOK, "", ""}, {"bind " + url, remote.StatusSkipped, "no password", ""}, {"domain", remote.StatusSkipped, "no password", ""}},
		},
		{
			name: "everybody's password file",
			change: func(_ *directory.Domain, s *remote.Settings, _ *remote.CheckOptions) {
				s.BindPasswordFile = c.file(t, "open", servicePassword, 0o644)
			},
			want: []wanted{{"password file", remote.StatusFailed, "0644", "chmod 600"}},
		},
		{
			name:   "another domain",
			change: func(d *directory.Domain, _ *remote.Settings, _ *remote.CheckOptions) { d.Name = "other.example.com" },
			want:   []wanted{{"controller " + url, remote.StatusFailed, "not of DC=other", "Correct"}, {"short name", remote.StatusSkipped, "", ""}},
		},
		{
			name:   "another domain of the same name",
			change: func(d *directory.Domain, _ *remote.Settings, _ *remote.CheckOptions) { d.SID = d.SID.Child(1) },
			want:   []wanted{{"domain", remote.StatusFailed, "was S-1-5-21-11-22-33-1", "Detach"}},
		},
		{
			name: "another short name",
			change: func(d *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) {
				d.NetBIOS, o.ResetBases = "OTHER", []string{base}
			},
			want:   []wanted{{"short name", remote.StatusFailed, "is CORP, not OTHER", "short name CORP"}},
			others: true,
		},
		{
			name:    "no OU of the short name",
			prepare: func() { c.rename(t, "OU=CORP,"+base, "OU=Firma") },
			tidy:    func() { c.rename(t, "OU=Firma,"+base, "OU=CORP") },
			want:    []wanted{{"reset base OU=CORP,", remote.StatusFailed, "no such OU", "SimpleAD"}},
		},
		{
			name: "no such OU",
			change: func(_ *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) {
				o.ResetBases = []string{"OU=Users,OU=CORP," + base, "OU=Nowhere,OU=CORP," + base}
			},
			want: []wanted{{"reset base OU=Nowhere,", remote.StatusFailed, "no such object", "Correct"}, {"rights in OU=Users", remote.StatusOK, "", ""}},
		},
		{
			name: "an OU that AWS protects",
			change: func(_ *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) {
				o.ResetBases = []string{"CN=Users," + base}
			},
			want: []wanted{{"reset base CN=Users,", remote.StatusFailed, "not in OU=CORP,", "SimpleAD"}},
		},
		{
			name: "no rights",
			change: func(d *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) {
				d.Kind, o.ResetBases = directory.SimpleAD, []string{"OU=CORP," + base, "CN=Users," + base}
			},
			want: []wanted{
				{"rights in OU=CORP,", remote.StatusOK, "", ""},
				{"rights in CN=Users,", remote.StatusFailed, `the extended right "Reset Password", and the right to write userAccountControl, lockoutTime, pwdLastSet`, `dsacls "CN=Users,DC=corp,DC=example,DC=com" /I:S /G "CORP\svc:CA;Reset Password;user"`},
				{"rights in CN=Users,", remote.StatusFailed, "", "samba-tool dsacl set -H 'ldap://dc1.corp.example.com'"},
			},
		},
		{
			name: "no rights, and not all are needed",
			change: func(d *directory.Domain, s *remote.Settings, o *remote.CheckOptions) {
				d.Kind, o.ResetBases, o.LeaveOut, s.BindDN = directory.SimpleAD, []string{"CN=Users," + base}, []string{"pwdlastset", "userAccountControl"}, c.svc
			},
			want: []wanted{{"rights in CN=Users,", remote.StatusFailed, "the right to write lockoutTime", `"CORP\svc:WP;lockoutTime;user"`}},
		},
		{
			name: "nobody there",
			change: func(_ *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) {
				o.ResetBases = []string{"OU=Empty,OU=CORP," + base}
			},
			want: []wanted{{"rights in OU=Empty,", remote.StatusWarning, "no user", "Create"}},
		},
		{
			name:    "users that can't be read",
			prepare: func() { c.set(t, "CN=Pre-Windows 2000 Compatible Access,CN=Builtin,"+base, "member") },
			tidy: func() {
				c.set(t, "CN=Pre-Windows 2000 Compatible Access,CN=Builtin,"+base, "member", "CN=S-1-5-11,CN=ForeignSecurityPrincipals,"+base)
			},
			want: []wanted{{"rights in OU=CORP,", remote.StatusFailed, "the right to read userAccountControl, tokenGroups", `"CORP\svc:RP;tokenGroups;user"`}},
		},
		{
			name: "administrators",
			prepare: func() {
				for i := range 11 {
					c.set(t, c.user(t, fmt.Sprint("boss", i), "OU=Admins,OU=CORP,"+base), "adminCount", "1")
				}
			},
			tidy: func() {
				for i := range 11 {
					c.set(t, fmt.Sprintf("CN=boss%d,OU=Admins,OU=CORP,%s", i, base), "adminCount")
				}
			},
			want: []wanted{{"AdminSDHolder in OU=CORP,", remote.StatusWarning, "and more: they are, or were, in a protected group", "adminCount"}, {"rights in OU=CORP,", remote.StatusOK, "", ""}},
		},
		{
			name:    "a password that expires",
			prepare: func() { c.set(t, base, "maxPwdAge", directory.Interval(10*24*time.Hour)) },
			tidy:    func() { c.set(t, base, "maxPwdAge", directory.Interval(42*24*time.Hour)) },
			want:    []wanted{{"account", remote.StatusWarning, "expires on " + time.Now().Add(10*24*time.Hour).UTC().Format(time.DateOnly), "Change its password"}},
		},
		{
			name: "too much power",
			prepare: func() {
				c.set(t, "CN=Domain Admins,CN=Users,"+base, "member", "CN=Administrator,CN=Users,"+base, c.svc)
			},
			tidy: func() { c.set(t, "CN=Domain Admins,CN=Users,"+base, "member", "CN=Administrator,CN=Users,"+base) },
			want: []wanted{{"account", remote.StatusWarning, "a member of Domain Admins", "of its own"}, {"password policy", remote.StatusOK, "", ""}},
		},
		{
			name: "fine-grained settings",
			prepare: func() {
				c.add(t, "CN=Strict,CN=Password Settings Container,CN=System,"+base, "msDS-PasswordSettings", "msDS-PasswordSettingsPrecedence", "10", "msDS-PasswordReversibleEncryptionEnabled", "FALSE",
					"msDS-PasswordHistoryLength", "5", "msDS-PasswordComplexityEnabled", "TRUE", "msDS-MinimumPasswordLength", "14", "msDS-MinimumPasswordAge", "0", "msDS-MaximumPasswordAge", "-36288000000000",
					"msDS-LockoutThreshold", "0", "msDS-LockoutObservationWindow", "-18000000000", "msDS-LockoutDuration", "-18000000000")
			},
			want: []wanted{{"password policy", remote.StatusOK, "no fine-grained settings are visible", ""}},
		},
		{
			name: "fine-grained settings that can be read",
			prepare: func() {
				trustee, err := directory.FindTrustee(t.Context(), c.admin, c.domain, "svc")
				if err != nil {
					t.Fatal(err)
				}
				ace := directory.ACE{Type: directory.Allow, Flags: directory.ContainerInherit, Mask: directory.GenericRead, SID: trustee.SID}
				for _, dn := range []string{"", "CN=Strict,"} {
					if err := directory.Grant(t.Context(), c.admin, dn+"CN=Password Settings Container,CN=System,"+base, ace); err != nil {
						t.Fatal(err)
					}
				}
			},
			want: []wanted{{"password policy", remote.StatusOK, "fine-grained settings: Strict (precedence 10, at least 14 characters)", ""}},
		},
		{
			name: "soon to expire",
			change: func(_ *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) {
				o.Now = func() time.Time { return time.Now().Add(810 * 24 * time.Hour) }
			},
			want: []wanted{{"certificate " + url, remote.StatusWarning, "days", "Renew"}, {"clock " + url, remote.StatusWarning, "-", "NTP"}, {"account", remote.StatusWarning, "expires", ""}},
		},
		{
			name:   "no time",
			change: func(_ *directory.Domain, _ *remote.Settings, o *remote.CheckOptions) { o.Limit = time.Nanosecond },
			want:   []wanted{{"connection " + url, remote.StatusFailed, "", ""}, {"domain", remote.StatusSkipped, "", ""}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			domain, settings, options := c.domain, c.settings, remote.CheckOptions{Now: time.Now}
			if test.prepare != nil {
				test.prepare()
			}
			if test.tidy != nil {
				defer test.tidy()
			}
			if test.change != nil {
				settings.URLs = slices.Clone(settings.URLs)
				test.change(&domain, &settings, &options)
			}
			report := remote.Check(t.Context(), domain, settings, options)
			explained := func(f remote.Finding) bool {
				return slices.ContainsFunc(test.want, func(w wanted) bool { return w.in([]remote.Finding{f}) })
			}
			wantFailed := false
			for _, w := range test.want {
				wantFailed = wantFailed || w.status == remote.StatusFailed
				if !w.in(report.Findings) {
					t.Errorf("not found: %+v", w)
				}
			}
			for _, f := range report.Findings {
				if (f.Status == remote.StatusFailed || f.Status == remote.StatusWarning) && !test.others && !explained(f) {
					t.Errorf("unexpected: %+v", f)
				}
				if (f.Status == remote.StatusFailed || f.Status == remote.StatusWarning) && f.Fix == "" {
					t.Errorf("without a fix: %+v", f)
				}
				if text := f.Detail + f.Fix; strings.Contains(text, servicePassword) || strings.Contains(text, "Wrong-Horse-99") {
					t.Errorf("a password is shown: %+v", f)
				}
			}
			if report.Failed() != wantFailed {
				t.Errorf("Failed() = %t", report.Failed())
			}
			if !report.Failed() && (report.SID != c.domain.SID || report.Host != "dc1.corp.example.com") {
				t.Errorf("SID %s, host %s", report.SID, report.Host)
			}
			if t.Failed() {
				for _, f := range report.Findings {
					t.Logf("%+v", f)
				}
			}
		})
	}
}
