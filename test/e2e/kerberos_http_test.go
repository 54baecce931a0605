package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/goidentity/v6"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/service"
	"github.com/jcmturner/gokrb5/v8/spnego"

	"latchkey/internal/directory"
)

// negotiating is a web service that lets in who has a ticket for it, and says to them who they are and of which groups, as the
// ticket's PAC tells. It is gokrb5's, with a keytab from a file.
func negotiating(t *testing.T, keytabFile string) (url string) {
	t.Helper()
	keys, err := keytab.Load(keytabFile)
	if err != nil {
		t.Fatal(err)
	}
	inside := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := goidentity.FromHTTPRequestContext(r)
		told, _ := user.Attributes()[credentials.AttributeKeyADCredentials].(credentials.ADCredentials)
		slices.Sort(told.GroupMembershipSIDs)
		fmt.Fprintf(w, "%s@%s is %s of %s: %s", user.UserName(), user.Domain(), told.EffectiveName, told.LogonDomainName, strings.Join(told.GroupMembershipSIDs, " "))
	})
	var said safeBuffer
	server := &http.Server{Handler: spnego.SPNEGOKRB5Authenticate(inside, keys, service.Logger(log.New(&said, "", 0))), ReadHeaderTimeout: time.Minute}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Shutdown(context.Background()), <-done); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the web service said:\n%s", said.String())
		}
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "http://web.corp.example.com:" + port + "/"
}

// greeting is what the web service says to jane.
func greeting(t *testing.T, s *server) string {
	t.Helper()
	sids := []string{"S-1-18-1"} // MS-PAC section 2.2.1.1: by her password
	for _, name := range []string{"Domain Users", "Crew", "Everyone"} {
		sids = append(sids, sidOf(t, s, name))
	}
	slices.Sort(sids)
	return "jane@CORP.EXAMPLE.COM is jane of CORP: " + strings.Join(sids, " ")
}

// sidOf is an account's objectSid, which ldapsearch prints in base64.
func sidOf(t *testing.T, s *server, account string) string {
	t.Helper()
	said := entry(t, s, corpAdmin, corpBase, account)
	_, encoded, _ := strings.Cut(said, "objectSid:: ")
	encoded, _, _ = strings.Cut(encoded, "\n")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	return directory.SID(raw).String()
}

// negotiates: curl is let in with a ticket, and not without one.
func negotiates(t *testing.T, s *server, m *machine, r realm, url string) {
	get := func() (string, int) {
		return m.run(t, "", program(t, "curl", "curl"), "--silent", "--fail", "--negotiate", "--user", ":", url)
	}
	_, _ = m.run(t, "", "kdestroy")
	if said, code := get(); code == 0 {
		t.Errorf("without a ticket: %s", said)
	}
	if err := m.kinit(t, r.principal("jane"), firstPassword); err != nil {
		t.Fatal(err)
	}
	said, code := get()
	says(t, "curl", said, code, greeting(t, s))
}

// heimdal is Heimdal's kinit and kgetcred; MIT's klist reads what they have got.
func heimdal(t *testing.T, m *machine, r realm) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(cache, "latchkey-e2e", "heimdal", "usr", "bin")
	kinit := installed(t, filepath.Join(bin, "kinit.heimdal"), "heimdal-clients; with MIT's beside it: make prepare")
	get := func(password string) (string, int) {
		return m.run(t, password+"\n", kinit, "--password-file=STDIN", "--cache=FILE:/run/heimdal", r.principal("jane"))
	}
	if said, code := get(nextPassword); code == 0 {
		t.Errorf("with another password: %s", said)
	}
	said, code := get(firstPassword)
	says(t, "kinit", said, code)
	said, code = m.run(t, "", filepath.Join(bin, "kgetcred"), "--cache=FILE:/run/heimdal", webService)
	says(t, "kgetcred", said, code)
	said, code = m.run(t, "", "klist", "-e", "-c", "FILE:/run/heimdal")
	says(t, "klist", said, code, webService+"@CORP.EXAMPLE.COM", "aes256-cts-hmac-sha1-96, aes256-cts-hmac-sha1-96")
}

// java is a program on JGSS, where there is a JDK.
func java(t *testing.T, s *server, m *machine, r realm, url string) {
	javac, err := exec.LookPath("javac")
	if err != nil {
		t.Skip("there is no JDK (hint: apt-get install openjdk-17-jdk-headless)")
	}
	classes := t.TempDir()
	if said, err := exec.CommandContext(t.Context(), javac, "-nowarn", "-d", classes, "testdata/Negotiate.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v %s", err, said)
	}
	get := func(password string) (string, int) {
		return m.run(t, password+"\n", filepath.Join(filepath.Dir(javac), "java"), "-Djava.security.krb5.conf=/etc/krb5.conf", "-cp", classes, "Negotiate", r.principal("jane"), url)
	}
	if said, code := get(nextPassword); code != 1 || !strings.Contains(said, "Pre-authentication") && !strings.Contains(said, "Checksum failed") {
		t.Errorf("with another password: %d %s", code, said)
	}
	said, code := get(firstPassword)
	says(t, "java", said, code, greeting(t, s))
}
