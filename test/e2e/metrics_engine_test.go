package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"latchkey/internal/config"
)

// TestMetricsOfEngines: a domain on Samba, and the same one attached to another server, are counted as what they are, also while they
// can't be asked.
func TestMetricsOfEngines(t *testing.T) {
	needSamba(t)
	t.Parallel()
	const address = "127.82.45.1"
	watched := func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" }
	theirs := start(t, "", onSamba(1, address), watched)
	call := goClient(t, theirs)
	id, _ := call(t, home, "CreateMicrosoftAD", managed("made.example.com")).Output["DirectoryId"].(string)
	if _, families := scrape(t, theirs); sum(families, "latchkey_directories", "engine", "samba") != 1 || sum(families, "latchkey_directories", "stage", "Active") != 0 {
		t.Errorf("while it is made: %v", families["latchkey_directories"])
	}
	awaitStage(t, call, id, "Active")
	d := domain{theirs, "made.example.com", "MADE", address}
	d.as(t, "Admin", "ldapadd", "dn: CN=ann,OU=Users,OU=MADE,"+d.base()+"\nobjectClass: user\nsAMAccountName: ann\n")

	call(t, home, "ShareDirectory", of(id, "ShareTarget", map[string]any{"Id": consumer, "Type": "ACCOUNT"}, "ShareMethod", "HANDSHAKE")).accepted(t)

	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(adminPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := start(t, "", watched)
	var attached struct{ DirectoryId string }
	got := own("AttachDirectory", attach(`"Type":"MicrosoftAD","Name":"made.example.com","ShortName":"MADE","Urls":["ldaps://`+address+`"],"CaFile":"`+theirs.caFile()+`","BindDn":"MADE\\Admin","BindPasswordFile":"`+secret+`","ReadBack":true`)).send(t, ours)
	if got.status != http.StatusOK {
		t.Fatal(got.body)
	}
	decode(t, []byte(got.body), &attached)
	become(t, goClient(t, ours), home, attached.DirectoryId, "Active")

	type engine struct {
		name, id string
		*server
		proofs float64 // of the passwords that are set
	}
	samba, remote := engine{"samba", id, theirs, 0}, engine{"remote", attached.DirectoryId, ours, 2}
	count := func(e engine, families map[string]*dto.MetricFamily, family string, labels ...string) float64 {
		return sum(families, family, append(labels, "engine", e.name)...)
	}
	const requests, durations, directories = "latchkey_engine_requests_total", "latchkey_engine_request_duration_seconds", "latchkey_directories"
	for _, e := range []engine{samba, remote} {
		cli := commandLine(t, e.server)
		_, before := scrape(t, e.server)
		cli(t, home, "ResetUserPassword", reset(e.id, "ann", firstPassword)).accepted(t)
		cli(t, home, "ResetUserPassword", reset(e.id, "ann", nextPassword)).accepted(t)
		cli(t, home, "ResetUserPassword", reset(e.id, "ann", "alllowercase")).refused(t, "InvalidPasswordException", "")
		cli(t, home, "ResetUserPassword", reset(e.id, "nobody", nextPassword)).refused(t, "UserDoesNotExistException", "")
		_, after := scrape(t, e.server)
		grown := func(family string, labels ...string) float64 {
			return count(e, after, family, labels...) - count(e, before, family, labels...)
		}
		for _, c := range []struct {
			verb, result string
			want         float64
		}{{"search", "0", 4}, {"modify", "0", 2}, {"modify", "19", 1}, {"bind", "0", e.proofs}} {
			if n := grown(requests, "verb", c.verb, "result", c.result); n != c.want {
				t.Errorf("%s: %v of %s with the result %s, want %v", e.name, n, c.verb, c.result, c.want)
			}
		}
		for _, verb := range []string{"search", "modify", "bind"} {
			if n := grown(durations, "verb", verb); n != grown(requests, "verb", verb) {
				t.Errorf("%s: %v durations of %s", e.name, n, verb)
			}
		}
		if n, all := count(e, after, directories, "stage", "Active"), sum(after, directories); n != 1 || all != 1 {
			t.Errorf("%s: %v of %v directories", e.name, n, all)
		}
		if all := sum(after, requests); all != count(e, after, requests) {
			t.Errorf("%s: %v requests of all engines", e.name, all)
		}
	}

	// The domain controller hangs: its server finds out, and so does the other one.
	text, err := os.ReadFile(filepath.Join(theirs.data, "samba", id, "dc1", "process.json"))
	if err != nil {
		t.Fatal(err)
	}
	var process struct{ PID int }
	decode(t, text, &process)
	if err := syscall.Kill(-process.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var calling sync.WaitGroup
	for _, e := range []engine{samba, remote} {
		calling.Go(func() {
			callGoSDK(t, e.server, home, "ResetUserPassword", reset(e.id, "ann", firstPassword)).refused(t, "DirectoryUnavailableException", "")
		})
	}
	calling.Wait()
	stage := func(e engine, name string) {
		t.Helper()
		await(t, e.name+" that is "+name, func() bool {
			_, families := scrape(t, e.server)
			return count(e, families, directories, "stage", name) == 1 && count(e, families, directories) == 1
		})
	}
	for _, e := range []engine{samba, remote} {
		_, families := scrape(t, e.server)
		if n := count(e, families, requests, "verb", "search", "result", "unavailable"); n != 1 {
			t.Errorf("%s: %v are unavailable", e.name, n)
		}
		stage(e, "Inoperable")
	}
	// Its own server may have ended it by now, and starts another one.
	if err := syscall.Kill(-process.PID, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	for _, e := range []engine{samba, remote} {
		stage(e, "Active")
		callGoSDK(t, e.server, home, "ResetUserPassword", reset(e.id, "ann", firstPassword)).accepted(t)
	}

	theirs.stop()
	callGoSDK(t, ours, home, "ResetUserPassword", reset(remote.id, "ann", nextPassword)).refused(t, "DirectoryUnavailableException", "")
	stage(remote, "Inoperable")
	_, families := scrape(t, ours)
	if n := count(remote, families, requests, "verb", "search", "result", "unavailable"); n != 2 {
		t.Errorf("remote: %v are unavailable", n)
	}
}
