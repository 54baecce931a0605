package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/jcmturner/gokrb5/v8/crypto"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"

	"latchkey/internal/identity"
	"latchkey/internal/sigv4"
)

const salt = "BENCH.EXAMPLE.COMuser0"

// naiveKeys derives the two keys as RFC 3962 has it, each by itself.
func naiveKeys(password string) error {
	var aes256 crypto.Aes256CtsHmacSha96
	var aes128 crypto.Aes128CtsHmacSha96
	if _, err := aes256.StringToKey(password, salt, aes256.GetDefaultStringToKeyParams()); err != nil {
		return err
	}
	_, err := aes128.StringToKey(password, salt, aes128.GetDefaultStringToKeyParams())
	return err
}

// keysAtOnce derives both from one PBKDF2.
func keysAtOnce(password string) error {
	seed, err := pbkdf2.Key(sha1.New, password, []byte(salt), 4096, 32)
	if err != nil {
		return err
	}
	var aes256 crypto.Aes256CtsHmacSha96
	var aes128 crypto.Aes128CtsHmacSha96
	if _, err := aes256.DeriveKey(seed, []byte("kerberos")); err != nil {
		return err
	}
	_, err = aes128.DeriveKey(seed[:16], []byte("kerberos"))
	return err
}

// derivations is a load of nothing but deriving keys, on all cores.
func derivations(derive func(string) error) load { return derivationsAtOnce(derive, runtime.NumCPU()) }

// derivationsBy is a load of what logins of so many clients need.
func derivationsBy(clients int) load {
	return derivationsAtOnce(keysAtOnce, min(clients, runtime.NumCPU()))
}

func derivationsAtOnce(derive func(string) error, workers int) load {
	return func(ctx context.Context, d time.Duration) (rates, error) {
		var count atomic.Int64
		return measure(ctx, workers, d, func(context.Context, int) (caller, func(), error) {
			return func() error { return derive(password(int(count.Add(1)))) }, func() {}, nil
		})
	}
}

// etcd is one in this process, on the same disk as the server's.
type etcd struct {
	dir    string
	server *embed.Etcd
	client *clientv3.Client
}

func newEtcd() (*etcd, error) {
	dir, err := os.MkdirTemp("", "latchkey-bench-etcd-")
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = dir
	config.ListenClientUrls, config.ListenPeerUrls = nil, nil
	config.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:0"}}
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	<-server.Server.ReadyNotify()
	return &etcd{dir, server, v3client.New(server.Server)}, nil
}

func (e *etcd) close() {
	_ = e.client.Close()
	e.server.Close()
	_ = os.RemoveAll(e.dir)
}

// puts is a load of nothing but small writes.
func (e *etcd) puts(clients int) load {
	value := strings.Repeat("x", 512)
	return func(ctx context.Context, d time.Duration) (rates, error) {
		return measure(ctx, clients, d, func(ctx context.Context, i int) (caller, func(), error) {
			return func() error {
				_, err := e.client.Put(ctx, fmt.Sprint(i), value)
				return err
			}, func() {}, nil
		})
	}
}

// memory measures what users cost: in memory beyond the values of their attributes, and in time to read them again.
func memory(ctx context.Context, o options, program string, t *table) error {
	empty, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	none := empty.memory()
	empty.discard()
	t.add("memory after the first start", none.String(), "", "", "")
	s, f, err := populated(ctx, program, o.users)
	if err != nil {
		return err
	}
	defer s.discard()
	t.add(fmt.Sprintf("from exec to ready with %d users", o.users), milliseconds(s.ready), "", "", "")
	beyond := func(bytes int64) float64 { return float64(bytes-f.attributes) / float64(o.users) }
	if _, err := byTurns(ctx, o.duration, s.load(8, s.peer("embedded", strings.TrimPrefix(s.LDAP, "ldap://"), nil).byName(o.users))); err != nil {
		return err
	}
	full := s.memory()
	own := beyond(full.anonymous - none.anonymous)
	t.add("memory after some searches", full.String(), "", fmt.Sprintf("a user beyond the %d bytes of its attributes: %.0f bytes, with pages of files %.0f", f.attributes/int64(o.users), own, beyond(full.rss-none.rss)),
		goal("≤ 2,048", own <= 2048))
	return nil
}

// populated is a server with as many more people in its directory.
func populated(ctx context.Context, program string, people int) (*server, filled, error) {
	s, err := newServer(ctx, program)
	if err != nil {
		return nil, filled{}, err
	}
	if _, err := s.resetAll(ctx); err != nil {
		s.discard()
		return nil, filled{}, err
	}
	if err := s.stop(); err != nil {
		return nil, filled{}, err
	}
	f, err := s.populate(ctx, people)
	if err != nil {
		return nil, f, err
	}
	s, err = startServer(ctx, program, s.data, "")
	return s, f, err
}

// sizes measures whether a search takes longer in larger directories, from a thousand people on.
func sizes(ctx context.Context, o options, program string, t *table) error {
	var loads []load
	var people []int
	for n := 1000; n <= o.users; n *= 10 {
		s, _, err := populated(ctx, program, n)
		if err != nil {
			return err
		}
		defer s.discard()
		people = append(people, n)
		loads = append(loads, s.load(1, s.peer("embedded", strings.TrimPrefix(s.LDAP, "ldap://"), nil).byName(n)))
	}
	r, err := byTurns(ctx, o.duration, loads...)
	if err != nil {
		return err
	}
	for i := range r {
		ratio := float64(p50(r[i])) / float64(p50(r[0]))
		t.add(fmt.Sprintf("LDAP searches/s by sAMAccountName, 1 client, %d people", people[i]), r[i].String(), fmt.Sprintf("p50 %.0f µs", p50(r[i]).Seconds()*1e6), fmt.Sprintf("%.2f × that of %d people", ratio, people[0]),
			goal("≤ 1.5", ratio <= 1.5))
	}
	return nil
}

func sum(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:])
}

// verify measures one signature check without the rest.
func verify(_ context.Context, _ options, _ string, t *table) error {
	now := time.Now()
	body, err := json.Marshal(map[string]string{"DirectoryId": directoryID, "UserName": "user0", "NewPassword": password(0)})
	if err != nil {
		return err
	}
	keys := identity.NewKeys("aws", "123456789012", identity.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil)
	verifier := sigv4.New(sigv4.Options{Service: func(*http.Request) string { return "ds" }, Lookup: keys.Lookup, Now: func() time.Time { return now }})
	request, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/", io.NopCloser(strings.NewReader("")))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416.ResetUserPassword")
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, request, sum(body), "ds", "us-east-1", now); err != nil {
		return err
	}
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := verifier.Verify(context.Background(), request, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	t.add("one signature verified", fmt.Sprintf("%d ns", result.NsPerOp()), fmt.Sprintf("%d allocations", result.AllocsPerOp()), "", "")
	return nil
}
