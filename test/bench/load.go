package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/go-ldap/ldap/v3"
)

// caller does one call of client number i and is used by it alone.
type caller func() error

// rates is what a load came to.
type rates struct {
	times   []time.Duration // one of each call
	elapsed time.Duration
}

func (r rates) perSecond() float64 { return float64(len(r.times)) / r.elapsed.Seconds() }

func (r rates) String() string {
	slices.Sort(r.times)
	return fmt.Sprintf("%.0f (p50 %s, p99 %s)", r.perSecond(), milliseconds(r.times[len(r.times)/2]), milliseconds(r.times[len(r.times)*99/100]))
}

// load is something that can be done for a while.
type load func(ctx context.Context, d time.Duration) (rates, error)

// slice is how long a load runs before it is another one's turn.
const slice = 500 * time.Millisecond

// byTurns runs each load for d in all, in turns, so that a change of the machine's speed meets all of them.
func byTurns(ctx context.Context, d time.Duration, loads ...load) ([]rates, error) {
	all := make([]rates, len(loads))
	for range max(1, d/slice) {
		for i, run := range loads {
			r, err := run(ctx, min(d, slice))
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			all[i].times = append(all[i].times, r.times...)
			all[i].elapsed += r.elapsed
		}
	}
	return all, nil
}

// connector makes the caller of client number i, and what ends it.
type connector func(ctx context.Context, i int) (call caller, hangUp func(), err error)

func (s *server) load(clients int, connect connector) load {
	return func(ctx context.Context, d time.Duration) (rates, error) { return measure(ctx, clients, d, connect) }
}

// measure lets clients call as fast as they can for a while, each at least once. Connecting them does not count.
func measure(ctx context.Context, clients int, d time.Duration, connect connector) (rates, error) {
	calls := make([]caller, clients)
	for i := range calls {
		call, hangUp, err := connect(ctx, i)
		if err != nil {
			return rates{}, err
		}
		defer hangUp()
		calls[i] = call
	}
	var mu sync.Mutex
	var all rates
	var failure error
	var group sync.WaitGroup
	begun := time.Now()
	for _, call := range calls {
		group.Go(func() {
			var own []time.Duration
			var err error
			for at := time.Now(); ; {
				err = call()
				now := time.Now()
				own = append(own, now.Sub(at))
				if at = now; err != nil || now.Sub(begun) >= d || ctx.Err() != nil {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all.times = append(all.times, own...)
			if err != nil {
				failure = err
			}
		})
	}
	group.Wait()
	all.elapsed = time.Since(begun)
	return all, failure
}

// wire is a kept connection that sends requests as they are on the wire and reads no more of the answers than it must.
type wire struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (s *server) dial() (*wire, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.API, "http://"))
	if err != nil {
		return nil, err
	}
	return &wire{conn, bufio.NewReader(conn)}, nil
}

func (w *wire) roundTrip(request []byte) error {
	if _, err := w.conn.Write(request); err != nil {
		return err
	}
	status, err := w.reader.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	body := make([]byte, 0, 512)
	if strings.Contains(status, " 200 ") {
		_, err = w.reader.Discard(length)
		return err
	}
	body, _ = w.reader.Peek(min(length, cap(body)))
	return fmt.Errorf("%s %s", strings.TrimSpace(status), body)
}

// sign is a whole signed request, which may be sent for five minutes.
func (s *server) sign(ctx context.Context, operation, body string) ([]byte, error) {
	request, err := s.request(ctx, operation, body)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = request.Write(&b)
	return b.Bytes(), err
}

// ask makes one call.
func (s *server) ask(ctx context.Context, operation, body string) ([]byte, error) {
	request, err := s.request(ctx, operation, body)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, said)
	}
	return said, err
}

func (s *server) request(ctx context.Context, operation, body string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.API+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "DirectoryService_20150416."+operation)
	hash := sha256.Sum256([]byte(body))
	key := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	return request, v4.NewSigner().SignHTTP(ctx, key, request, hex.EncodeToString(hash[:]), "ds", "us-east-1", time.Now())
}

func (s *server) repeat(ctx context.Context, operation, body string) (caller, func(), error) {
	request, err := s.sign(ctx, operation, body)
	if err != nil {
		return nil, nil, err
	}
	w, err := s.dial()
	if err != nil {
		return nil, nil, err
	}
	return func() error { return w.roundTrip(request) }, func() { _ = w.conn.Close() }, nil
}

// while runs a load for as long as another one goes on beside it.
func while(busy, run load) load {
	return func(ctx context.Context, d time.Duration) (rates, error) {
		beside, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			_, err := busy(beside, time.Hour)
			ended <- err
		}()
		r, err := run(ctx, d)
		stop()
		return r, errors.Join(err, <-ended)
	}
}

// resetter resets a user of its own.
func (s *server) resetter(ctx context.Context, i int) (caller, func(), error) {
	return s.repeat(ctx, "ResetUserPassword", resetOf(directoryID, i%benchUsers, password(i)))
}

// resetterBeside does so in the directory that a server on Samba has beside.
func (s *server) resetterBeside(ctx context.Context, i int) (caller, func(), error) {
	return s.repeat(ctx, "ResetUserPassword", resetOf(besideID, i%benchUsers, password(i)))
}

func resetOf(directory string, user int, password string) string {
	return fmt.Sprintf(`{"DirectoryId":"%s","UserName":"user%d","NewPassword":"%s"}`, directory, user, password)
}

func password(i int) string { return fmt.Sprintf("Summer-Rain-%d", i) }

func (s *server) describer(ctx context.Context, _ int) (caller, func(), error) {
	return s.repeat(ctx, "DescribeDirectories", "{}")
}

// binder binds again and again on one connection, as a user that a resetter has reset.
func (s *server) binder(_ context.Context, i int) (caller, func(), error) {
	conn, err := ldap.DialURL(s.LDAP)
	if err != nil {
		return nil, nil, err
	}
	return func() error { return conn.Bind(fmt.Sprintf("user%d@bench.example.com", i%benchUsers), password(i)) }, func() { _ = conn.Close() }, nil
}

func (s *server) searcher(_ context.Context, i int) (caller, func(), error) {
	conn, err := ldap.DialURL(s.LDAP)
	if err != nil {
		return nil, nil, err
	}
	if err := conn.Bind("Administrator@bench.example.com", adminPassword); err != nil {
		return nil, nil, err
	}
	request := ldap.NewSearchRequest(domainDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, fmt.Sprintf("(sAMAccountName=user%d)", i), []string{"cn", "mail", "memberOf"}, nil)
	return func() error {
		found, err := conn.Search(request)
		if err == nil && len(found.Entries) != 1 {
			err = fmt.Errorf("%d entries", len(found.Entries))
		}
		return err
	}, func() { _ = conn.Close() }, nil
}
