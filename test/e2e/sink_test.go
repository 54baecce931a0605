package e2e

import (
	"bufio"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latchkey/internal/config"
)

// process is a server in a process of its own, which can be killed.
type process struct {
	*server

	command *exec.Cmd
	out     *bufio.Reader // behind the ready line
}

func startProcess(t *testing.T, data string, args ...string) *process {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("%v\n%s", err, path)
	}
	p := &process{server: &server{data: data, log: &safeBuffer{}}}
	p.command = exec.Command(path, append([]string{"serve", "--free-ports", "--data", data}, args...)...)
	p.command.Stderr = p.log
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	p.out = bufio.NewReader(out)
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, p.log)
	}
	decode(t, line, p.server)
	return p
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// rsyslog is a syslog daemon that nobody here has written. It writes each message's MSGID, PRI and MSG to a file.
type rsyslog struct {
	address, conf, file string
	command             *exec.Cmd
}

func newRsyslog(t *testing.T, ca authority) *rsyslog {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/rsyslogd"); err != nil {
		missing(t, "rsyslogd", "apt-get install rsyslog rsyslog-gnutls")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	ca.sign(t, in("cert.pem"), in("key.pem"), &x509.Certificate{
		Subject: pkix.Name{CommonName: "receiver"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rsyslog{address: free.Addr().String(), conf: in("rsyslog.conf"), file: in("messages")}
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		in("ca.pem"): ca.pem,
		r.conf: fmt.Sprintf(`global(workDirectory=%q maxMessageSize="512k" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q)
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port=%q)
template(name="told" type="string" string="%%app-name%% %%msgid%% %%pri%% %%msg%%\n")
action(type="omfile" file=%q template="told")
`, dir, in("ca.pem"), in("cert.pem"), in("key.pem"), port, r.file),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.start(t)
	t.Cleanup(r.kill)
	return r
}

func (r *rsyslog) start(t *testing.T) {
	t.Helper()
	said := &safeBuffer{}
	r.command = exec.Command("/usr/sbin/rsyslogd", "-n", "-f", r.conf, "-i", r.conf+".pid")
	r.command.Stdout, r.command.Stderr = said, said
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "rsyslogd", func() bool {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
}

func (r *rsyslog) kill() {
	_ = r.command.Process.Kill()
	_ = r.command.Wait()
	_ = os.Remove(r.conf + ".pid")
}

// records is what has come: the records' request ids.
func (r *rsyslog) records(t *testing.T) (ids []string) {
	t.Helper()
	text, err := os.ReadFile(r.file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		parts := strings.SplitN(line, " ", 4)
		var record struct{ RequestID, EventName, ErrorCode string }
		if len(parts) < 4 || json.Unmarshal([]byte(parts[3]), &record) != nil {
			t.Fatalf("%q", line)
		}
		priority := "109" // log audit, notice
		if record.ErrorCode != "" {
			priority = "108"
		}
		if parts[0] != "latchkey" || parts[1] != record.EventName || !strings.HasSuffix(parts[2], priority) {
			t.Fatalf("%q", line)
		}
		ids = append(ids, record.RequestID)
	}
	return ids
}

// delivered says whether got has every record of want in its order, but for steps back: what came twice.
func delivered(t *testing.T, got, want []string) bool {
	t.Helper()
	next := 0
	for _, id := range got {
		at := slices.Index(want, id)
		if at < 0 || at > next {
			t.Fatalf("record %d (%s) comes where %d should", at, id, next)
		}
		next = max(next, at+1)
	}
	return next == len(want)
}

func (s *server) requestIDs(t *testing.T) (ids []string) {
	t.Helper()
	for _, r := range auditLog(t, s) {
		ids = append(ids, r["requestID"].(string))
	}
	return ids
}

// TestSyslogOverTLS: rsyslog has every record in order, although it is killed, and the server is, and both are away for a while.
func TestSyslogOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Logs")
	receiver := newRsyslog(t, ca)
	folder := t.TempDir()
	caFile, seed := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "seed.yaml")
	for path, text := range map[string]string{caFile: ca.pem, seed: worldSeed} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data, sink := t.TempDir(), "syslog+tls://"+receiver.address+"?ca="+caFile
	s := startProcess(t, data, "--seed", seed, "--audit-sink", sink)
	calls := func(n int) {
		t.Helper()
		call := goClient(t, s.server)
		for i := range n {
			call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
			call(t, home, "ResetUserPassword", reset(corpID, "nobody", nextPassword)).refused(t, "UserDoesNotExistException", "")
			call(t, home, "AddTagsToResource", map[string]any{"ResourceId": corpID, "Tags": []map[string]any{{"Key": "n", "Value": fmt.Sprint(i)}}}).accepted(t)
		}
	}
	calls(10)
	// What rsyslog has read and not written when it is killed is lost with it.
	await(t, "the first records", func() bool { return delivered(t, receiver.records(t), s.requestIDs(t)) })
	receiver.kill()
	calls(10)
	await(t, "a word about it in the log", func() bool { return strings.Contains(s.log.String(), "an audit sink does not take records") })
	s.kill()
	receiver.start(t)
	s = startProcess(t, data, "--audit-sink", sink)
	calls(10)
	s.kill()
	s = startProcess(t, data, "--audit-sink", sink)
	calls(1)
	await(t, "every record", func() bool { return delivered(t, receiver.records(t), s.requestIDs(t)) })
	if said, code := latchkey(t, s.server, "audit", "verify", "--data", data); code != 0 && !strings.Contains(said, "not signed") {
		t.Errorf("%d: %s", code, said)
	}
}

// TestSyslogOverTLSIsVerified: a receiver whose certificate is of another authority gets no record.
func TestSyslogOverTLSIsVerified(t *testing.T) {
	t.Parallel()
	receiver := newRsyslog(t, newAuthority(t, "Logs"))
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, []byte(newAuthority(t, "Others").pem), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sink := range []string{"syslog+tls://" + receiver.address, "syslog+tls://" + receiver.address + "?ca=" + caFile} {
		s := start(t, worldSeed, func(c *config.Config) { c.AuditSink = []string{sink} })
		goClient(t, s)(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
		await(t, "a word about it in the log", func() bool {
			return strings.Contains(s.log.String(), "an audit sink does not take records") && strings.Contains(s.log.String(), "x509")
		})
		s.stop()
	}
	if got := receiver.records(t); len(got) > 0 {
		t.Errorf("%d records came", len(got))
	}
}

// TestEndpointSink: an HTTP endpoint that has refused all while the server was killed has every record in order afterwards.
func TestEndpointSink(t *testing.T) {
	t.Parallel()
	endpoint := newHook(t)
	endpoint.refuse.Store(true)
	folder := t.TempDir()
	seed, data := filepath.Join(folder, "seed.yaml"), filepath.Join(folder, "data")
	if err := os.WriteFile(seed, []byte(worldSeed), 0o600); err != nil {
		t.Fatal(err)
	}
	var s *process
	for range 3 {
		s = startProcess(t, data, "--seed", seed, "--audit-sink", endpoint.URL+"/in?token=hidden")
		call := goClient(t, s.server)
		for range 10 {
			call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
		}
		await(t, "a word about it in the log", func() bool { return strings.Contains(s.log.String(), "an audit sink does not take records") })
		if strings.Contains(s.log.String(), "hidden") {
			t.Errorf("a secret in the log: %s", s.log)
		}
		s.kill()
	}
	s = startProcess(t, data, "--audit-sink", endpoint.URL+"/in?token=hidden")
	endpoint.refuse.Store(false)
	await(t, "every record", func() bool {
		var got []string
		for line := range strings.Lines(strings.Join(endpoint.taken(), "")) {
			var r struct{ RequestID string }
			decode(t, []byte(line), &r)
			got = append(got, r.RequestID)
		}
		return delivered(t, got, s.requestIDs(t))
	})
}

// TestStandardOutputSink: the ready line is the first one on standard output, and the records follow.
func TestStandardOutputSink(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	seed := filepath.Join(folder, "seed.yaml")
	if err := os.WriteFile(seed, []byte(worldSeed), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startProcess(t, filepath.Join(folder, "data"), "--seed", seed, "--audit-sink", "stdout")
	a := goClient(t, s.server)(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword))
	a.accepted(t)
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var r record
	decode(t, line, &r)
	if r["requestID"] != a.RequestID || r["eventName"] != "ResetUserPassword" {
		t.Errorf("%s", line)
	}
}
