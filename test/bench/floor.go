package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"golang.org/x/sync/errgroup"

	"latchkey/internal/identity"
	"latchkey/internal/sigv4"
	"latchkey/internal/store"
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

// derivations is how many there are in a second on all cores.
func derivations(ctx context.Context, d time.Duration, derive func(string) error) float64 {
	var count atomic.Int64
	var group sync.WaitGroup
	begun := time.Now()
	for range runtime.NumCPU() {
		group.Go(func() {
			for time.Since(begun) < d && ctx.Err() == nil {
				if derive(password(int(count.Add(1)))) != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return float64(count.Load()) / time.Since(begun).Seconds()
}

// etcdPuts is how many small writes etcd acknowledges in a second, in this process and to the same disk.
func etcdPuts(ctx context.Context, d time.Duration, clients int) (float64, error) {
	dir, err := os.MkdirTemp("", "latchkey-bench-etcd-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(ctx, store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	var count atomic.Int64
	var group errgroup.Group
	value := make([]byte, 1024)
	begun := time.Now()
	for range clients {
		group.Go(func() error {
			for time.Since(begun) < d && ctx.Err() == nil {
				if _, err := s.Once(ctx, fmt.Sprint(count.Add(1)), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	return float64(count.Load()) / time.Since(begun).Seconds(), err
}

// memory measures what users cost: in memory, and in time to add and to read again.
func memory(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer func() { s.discard() }()
	empty := s.resident()
	t.add("memory after start, RSS", mebibytes(empty), "", "", "")
	begun := time.Now()
	if err := s.addUsers(ctx, o.users); err != nil {
		return err
	}
	added := time.Since(begun)
	if err := s.stop(); err != nil {
		return err
	}
	if s, err = startServer(ctx, program, s.data, ""); err != nil {
		return err
	}
	full := s.resident()
	t.add(fmt.Sprintf("memory with %d users, RSS after a restart", o.users), mebibytes(full), fmt.Sprintf("%.1f KiB a user", float64(full-empty)/float64(o.users)/1024), "", "")
	t.add(fmt.Sprintf("users added by LDAP, 16 connections: %d", o.users), fmt.Sprintf("%.0f/s", float64(o.users)/added.Seconds()), "", "", "")
	t.add(fmt.Sprintf("from exec to ready with %d users", o.users), milliseconds(s.ready), "", "", "")
	r, err := s.rate(ctx, 8, o.duration, s.searcher)
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("LDAP searches/s by sAMAccountName, 8 clients, %d users", o.users), fmt.Sprintf("%.0f (p50 %s, p99 %s)", r.perSecond, r.p50, r.p99), "", "", "")
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

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
func verify(t *table) {
	now := time.Now()
	body, err := json.Marshal(map[string]string{"DirectoryId": directoryID, "UserName": "user0", "NewPassword": password(0)})
	if err != nil {
		return
	}
	keys := identity.NewKeys("aws", "123456789012", identity.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey})
	verifier := sigv4.New(sigv4.Options{Service: func(*http.Request) string { return "ds" }, Lookup: keys.Lookup, Now: func() time.Time { return now }})
	request, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/", io.NopCloser(strings.NewReader("")))
	if err != nil {
		return
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416.ResetUserPassword")
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, request, sum(body), "ds", "us-east-1", now); err != nil {
		return
	}
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := verifier.Verify(context.Background(), request, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	t.add("one signature verified", fmt.Sprintf("%d ns", result.NsPerOp()), fmt.Sprintf("%d allocations", result.AllocsPerOp()), "", "")
}
