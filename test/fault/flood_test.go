package fault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/go-ldap/ldap/v3"
)

const (
	shortFlood = 8 * time.Second
	// floodOf is how many connections send calls beyond the limit, each this many at once.
	floodOf, floodAtOnce = 16, 32
	// mayGrow is by how much the server's memory may grow under the flood, in bytes.
	mayGrow = 512 << 20
)

// floodTime is how long the flood lasts: a few seconds, or as LATCHKEY_FAULT_FLOOD says.
func floodTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("LATCHKEY_FAULT_FLOOD")
	if text == "" {
		return shortFlood
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFlood: one key makes many times as many calls as the server could carry out, and others are slow, greedy, talk nonsense or
// guess passwords. Clients within their limits, AWS's SDK among them, hardly notice; memory stays bounded, and what they were
// told holds after a kill.
func TestFlood(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, writeSeed(t, 1), "--throttle-key", "50:100", "--throttle-source", "20:100")
	polite := newPolite(s)

	unloaded := polite.run(t, floodTime(t)/2)
	capacity := s.capacity(t)
	before := s.peak(t)

	flood := s.flood(t, s.newKey(t))
	stop := s.pester(t, 8)
	loaded := polite.run(t, floodTime(t))
	stop()
	offered := flood()
	after := s.peak(t)

	t.Logf("clients within their limits: %v unloaded, %v under the flood", unloaded, loaded)
	t.Logf("capacity %.0f resets a second; of the flood's key alone came %.0f (%.1f times as many); memory at most %d MiB before and %d MiB after",
		capacity, offered, offered/capacity, before>>20, after>>20)
	if unloaded.done == 0 || loaded.rate() < 0.95*unloaded.rate() {
		t.Errorf("clients within their limits succeed in %v under the flood, and in %v without", loaded, unloaded)
	}
	if after > before+mayGrow {
		t.Errorf("the server's memory has grown from %d to %d MiB", before>>20, after>>20)
	}
	if s.dead() {
		t.Fatalf("the server is gone: %v\n%s", s.err, s.stderr.String())
	}
	s.kill()
	s = start(t, data, "")
	for _, p := range polite {
		if code := s.login(t, `FAULT\`+p.user, p.acknowledged); code != "" {
			t.Errorf("the acknowledged password of %s: %s", p.user, code)
		}
	}
	s.stop(t)
	if said, err := exec.CommandContext(t.Context(), program, "audit", "verify", "--data", data).CombinedOutput(); err != nil {
		t.Errorf("audit verify: %v\n%s", err, said)
	}
}

// score is how many of a client's rounds have succeeded.
type score struct{ done, failed int }

func (s score) rate() float64 { return float64(s.done) / float64(max(1, s.done+s.failed)) }

func (s score) String() string {
	return fmt.Sprintf("%d of %d rounds (%.1f %%)", s.done, s.done+s.failed, 100*s.rate())
}

// politeClient resets its user now and then by AWS's SDK, and logs in with the new password.
type politeClient struct {
	server       *server
	sdk          *directoryservice.Client
	user         string
	acknowledged string
	round        int
}

type politeClients []*politeClient

func newPolite(s *server) (all politeClients) {
	for i := 2; i < streams; i++ {
		all = append(all, &politeClient{server: s, user: fmt.Sprintf("stream%d", i), acknowledged: firstPassword, sdk: directoryservice.New(directoryservice.Options{
			Region: region, BaseEndpoint: &s.API, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		})})
	}
	return all
}

// run lets all of them work for a while.
func (all politeClients) run(t *testing.T, d time.Duration) (total score) {
	t.Helper()
	const pause = 250 * time.Millisecond
	var mu sync.Mutex
	var working sync.WaitGroup
	told := map[string]bool{}
	for _, p := range all {
		working.Go(func() {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(pause) {
				err := p.work(t.Context())
				mu.Lock()
				if err == nil {
					total.done++
				} else {
					total.failed++
					if text := err.Error(); len(told) < 5 && !told[text] {
						told[text] = true
						t.Log(err)
					}
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	return total
}

func (p *politeClient) work(ctx context.Context) error {
	p.round++
	password := fmt.Sprintf("Harbour-Wind-%s%d", p.user[len(p.user)-1:], p.round)
	_, err := p.sdk.ResetUserPassword(ctx, &directoryservice.ResetUserPasswordInput{
		DirectoryId: aws.String(directoryID), UserName: &p.user, NewPassword: &password,
	})
	if err != nil {
		return err
	}
	p.acknowledged = password
	conn, err := ldap.DialURL(p.server.LDAPS, ldap.DialWithTLSConfig(p.server.trust), ldap.DialWithDialer(&net.Dialer{Timeout: patience}))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetTimeout(patience)
	return conn.Bind(`FAULT\`+p.user, password)
}

// capacity is how many resets the server carries out in a second, for as many clients as have the whole of it.
func (s *server) capacity(t *testing.T) float64 {
	t.Helper()
	const clients, d = 16, 2 * time.Second
	var done atomic.Int64
	var working sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	// Each with a key of its own that has not made any calls.
	for i := range clients {
		key := s.newKey(t)
		working.Go(func() {
			request := key.sign(t, s, "ResetUserPassword", resetOf("stream1", firstPassword))
			for end := time.Now().Add(d); time.Now().Before(end); {
				request.Body, _ = request.GetBody()
				response, err := client.Do(request)
				if err != nil {
					t.Error(i, err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode == http.StatusOK {
					done.Add(1)
				}
			}
		})
	}
	working.Wait()
	return float64(done.Load()) / d.Seconds()
}

// key is an access key that may do everything.
type key struct{ aws.Credentials }

var created = regexp.MustCompile(`aws_access_key_id *= *(\S+)\s+aws_secret_access_key *= *(\S+)`)

func (s *server) newKey(t *testing.T) key {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "policy.json")
	text := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "access-key", "create", "flood", "--policy", policy)
	command.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "LATCHKEY_ENDPOINT_URL="+s.API)
	said, err := command.Output()
	found := created.FindSubmatch(said)
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, said)
	}
	return key{aws.Credentials{AccessKeyID: string(found[1]), SecretAccessKey: string(found[2])}}
}

func (k key) sign(t *testing.T, s *server, operation string, input any) *http.Request {
	t.Helper()
	encoded, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.API+"/", bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416."+operation)
	hash := sha256.Sum256(encoded)
	if err := v4.NewSigner().SignHTTP(t.Context(), k.Credentials, request, hex.EncodeToString(hash[:]), "ds", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return request
}

// flood sends resets of one key, without waiting for the answers, until the returned function is called, which says how many a
// second were answered.
func (s *server) flood(t *testing.T, k key) (stop func() float64) {
	t.Helper()
	var one bytes.Buffer
	if err := k.sign(t, s, "ResetUserPassword", resetOf("stream1", firstPassword)).Write(&one); err != nil {
		t.Fatal(err)
	}
	many := bytes.Repeat(one.Bytes(), floodAtOnce)
	var answered atomic.Int64
	stopped := make(chan struct{})
	var flooding sync.WaitGroup
	begun := time.Now()
	for range floodOf {
		flooding.Go(func() {
			for {
				conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.API, "http://"), patience)
				if err != nil {
					t.Errorf("the flood: %v", err)
					return
				}
				_ = conn.SetDeadline(time.Now().Add(2 * patience))
				if !torrent(conn, many, &answered, stopped) {
					return
				}
			}
		})
	}
	return func() float64 {
		close(stopped)
		flooding.Wait()
		return float64(answered.Load()) / time.Since(begun).Seconds()
	}
}

// torrent says whether the connection has ended before it was told to stop.
func torrent(conn net.Conn, many []byte, answered *atomic.Int64, stopped <-chan struct{}) bool {
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for {
		select {
		case <-stopped:
			return false
		default:
		}
		if _, err := conn.Write(many); err != nil {
			return true
		}
		for range floodAtOnce {
			response, err := http.ReadResponse(answers, nil)
			if err != nil {
				return true
			}
			_, err = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if err != nil {
				return true
			}
			answered.Add(1)
		}
	}
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peak is the most memory that the server has had, in bytes.
func (s *server) peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	found := highWater.FindSubmatch(text)
	if err != nil || found == nil {
		t.Fatalf("%v: %s", err, text)
	}
	kibibytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kibibytes << 10
}
