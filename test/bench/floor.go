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
	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/crypto"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

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
func derivations(derive func(string) error) load {
	return func(ctx context.Context, d time.Duration) (rates, error) {
		var count atomic.Int64
		return measure(ctx, runtime.NumCPU(), d, func(context.Context, int) (caller, func(), error) {
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

// memory measures what users cost: in memory, and in time to add and to read again.
func memory(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer func() { s.discard() }()
	t.add("memory after the first start", s.memory().String(), "", "", "")
	begun := time.Now()
	if err := s.addUsers(ctx, o.users); err != nil {
		return err
	}
	added := time.Since(begun)
	t.add(fmt.Sprintf("%d users added by LDAP, 16 connections", o.users), fmt.Sprintf("%.0f/s, %.1f s", float64(o.users)/added.Seconds(), added.Seconds()), "", "", "")
	t.add("memory then", s.memory().String(), "", "", "")
	// What a restart holds without the users is what it is compared with.
	if err := s.stop(); err != nil {
		return err
	}
	again, err := startServer(ctx, program, s.data, "")
	if err != nil {
		return err
	}
	s = again
	t.add(fmt.Sprintf("from exec to ready with %d users", o.users), milliseconds(s.ready), "", "", "")
	full := s.memory()
	empty, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	none := empty.memory()
	empty.discard()
	t.add("memory then", full.String(), "", fmt.Sprintf("%.1f KiB a user (PSS), %.1f of them on the heap and the stacks", perUser(full.pss-none.pss, o.users), perUser(full.anonymous-none.anonymous, o.users)), "")
	r, err := byTurns(ctx, o.duration, s.load(8, s.searcher))
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("LDAP searches/s by sAMAccountName, 8 clients, %d users", o.users), r[0].String(), "", "", "")
	return nil
}

func perUser(bytes int64, users int) float64 { return float64(bytes) / float64(users) / 1024 }

func (s *server) addUsers(ctx context.Context, users int) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range 16 {
		group.Go(func() error {
			conn, err := ldap.DialURL(s.LDAP)
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.Bind("Administrator@bench.example.com", adminPassword); err != nil {
				return err
			}
			for n := next.Add(1); n <= int64(users) && ctx.Err() == nil; n = next.Add(1) {
				name := fmt.Sprintf("person%d", n)
				request := ldap.NewAddRequest("CN="+name+",CN=Users,"+domainDN, nil)
				request.Attribute("objectClass", []string{"user"})
				request.Attribute("sAMAccountName", []string{name})
				request.Attribute("userPrincipalName", []string{name + "@bench.example.com"})
				request.Attribute("displayName", []string{"Person Number " + fmt.Sprint(n)})
				request.Attribute("mail", []string{name + "@example.com"})
				if err := conn.Add(request); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
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
	keys := identity.NewKeys("aws", "123456789012", identity.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey})
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
