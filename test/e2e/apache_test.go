package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestApache: Apache httpd lets the members of a group in, by basic authentication (mod_authnz_ldap, over LDAPS and by StartTLS).
func TestApache(t *testing.T) {
	t.Parallel()
	const address = "127.82.40.1:8080"
	s := start(t, consumerSeed)
	dir := openDir(t)
	location := func(path, url, mode string) string {
		return fmt.Sprintf(`<Location %s>
	AuthType Basic
	AuthName corp
	AuthBasicProvider ldap
	AuthLDAPURL "%s/%s?sAMAccountName?sub?(objectCategory=person)" %s
	AuthLDAPBindDN "CN=svc,OU=Users,%[3]s"
	AuthLDAPBindPassword "exec:/bin/cat %[5]s/svc.password"
	AuthLDAPMaxSubGroupDepth 5
	AuthLDAPSubGroupAttribute member
	AuthLDAPSubGroupClass group
	Require ldap-group CN=Everyone,OU=Users,%[3]s
</Location>
`, path, url, customerDN, mode, dir)
	}
	var modules strings.Builder
	for _, name := range []string{"mpm_event", "authn_core", "authz_core", "authz_user", "auth_basic", "ldap", "authnz_ldap"} {
		fmt.Fprintf(&modules, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	// Without a cache of its own, a reset counts at once.
	configuration := fmt.Sprintf(`%s
ServerName 127.0.0.1
Listen %s
PidFile %[3]s/pid
DefaultRuntimeDir %[3]s
DocumentRoot %[3]s/web
ErrorLog /dev/stderr
User nobody
Group nogroup
LDAPTrustedGlobalCert CA_BASE64 %[3]s/ca.pem
LDAPVerifyServerCert On
LDAPCacheTTL 0
LDAPOpCacheTTL 0
`, modules.String(), address, dir) + location("/ldaps", s.LDAPS, "") + location("/starttls", s.LDAP, "STARTTLS")
	put(t, dir, map[string]string{"apache.conf": configuration, "ca.pem": s.ca(t), "svc.password": adminPassword, "web/ldaps": "welcome", "web/starttls": "welcome"})
	background(t, exec.CommandContext(t.Context(), installed(t, "/usr/sbin/apache2", "apache2-bin"), "-D", "FOREGROUND", "-f", filepath.Join(dir, "apache.conf")), nil)
	get := func(path, user, password string) int {
		command := exec.CommandContext(t.Context(), program(t, "curl", "curl"), "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--user", user+":"+password, "http://"+address+path)
		command.Env = environment(t, s)
		out, err := command.Output()
		code, _ := strconv.Atoi(string(out))
		if err != nil && code != 0 {
			t.Fatalf("curl: %v %s", err, out)
		}
		return code
	}
	await(t, "Apache", func() bool { return get("/ldaps", "joe", firstPassword) != 0 })
	consumed(t, s, func(user, password string) error {
		secure, starttls := get("/ldaps", user, password), get("/starttls", user, password)
		if secure != starttls {
			t.Errorf("%s: %d by LDAPS, %d by StartTLS", user, secure, starttls)
		}
		if secure == http.StatusOK {
			return nil
		}
		return refusal("status", secure)
	})
	if code := get("/ldaps", "joe", firstPassword); code != http.StatusUnauthorized {
		t.Errorf("who is not in the group: %d", code)
	}
	s.stop()
	noSecrets(t, s)
}
