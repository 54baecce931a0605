package store

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const requestPrefix = root + "request/"

var (
	// ErrOtherRequest says that a token was used for another request.
	ErrOtherRequest = errors.New("the token belongs to another request")
	// ErrUnderWay says that the same request is being carried out.
	ErrUnderWay = errors.New("the same request is under way")
)

const (
	// requestLife is how long a token holds after its last success (API reference of Directory Service Data, ClientToken).
	requestLife = 8 * time.Hour
	// requestTime is longer than any request takes: one that began before then has been given up.
	requestTime = time.Minute
	// leaseSpare is how much longer than a token its lease lives. Tokens share leases, a new one every leaseSpare.
	leaseSpare = time.Hour
)

// Requests remembers, for all servers that share the store and across restarts, which requests were carried out by their
// tokens, so that one that is sent twice is carried out once. It is safe for concurrent use.
type Requests struct {
	store *Store
	now   func() time.Time

	mu    sync.Mutex
	lease clientv3.LeaseID
	until time.Time // when the lease ends
}

// Requests gives access to the requests that were carried out.
func (s *Store) Requests(now func() time.Time) *Requests { return &Requests{store: s, now: now} }

// request is what is kept of one.
type request struct {
	Digest []byte    `json:"digest"`
	Done   bool      `json:"done,omitempty"`
	Answer []byte    `json:"answer,omitempty"`
	Ends   time.Time `json:"ends"`
}

// Claim is the right to carry out a request, or, when Done, what was answered to it before.
type Claim struct {
	Done   bool
	Answer []byte

	key      string
	revision int64
	digest   []byte
}

// Begin takes the right to carry out the request of a token. digest tells it from other requests. Its errors are
// ErrOtherRequest, ErrUnderWay, or the store's.
func (r *Requests) Begin(ctx context.Context, token string, digest []byte) (Claim, error) {
	claim := Claim{key: requestPrefix + token, digest: digest}
	for {
		response, err := r.store.client.Get(ctx, claim.key)
		if err != nil {
			return claim, unavailable(err)
		}
		claim.revision = 0
		next := request{Digest: digest, Ends: r.now().Add(requestTime)}
		if len(response.Kvs) > 0 {
			claim.revision = response.Kvs[0].ModRevision
			var former request
			if err := json.Unmarshal(response.Kvs[0].Value, &former); err != nil {
				return claim, fmt.Errorf("request: %w", err)
			}
			switch alive := r.now().Before(former.Ends); {
			case alive && subtle.ConstantTimeCompare(former.Digest, digest) == 0:
				return claim, ErrOtherRequest
			case alive && !former.Done:
				return claim, ErrUnderWay
			case alive:
				next = former
				next.Ends = r.now().Add(requestLife)
			}
		}
		claim.revision, err = r.put(ctx, claim, next)
		if errors.Is(err, ErrConflict) {
			continue
		}
		claim.Done, claim.Answer = next.Done, next.Answer
		return claim, err
	}
}

// End remembers what was answered.
func (r *Requests) End(ctx context.Context, claim Claim, answer []byte) error {
	_, err := r.put(ctx, claim, request{Digest: claim.digest, Done: true, Answer: answer, Ends: r.now().Add(requestLife)})
	return err
}

// Drop gives the right back: the request failed, and its token may be used anew.
func (r *Requests) Drop(ctx context.Context, claim Claim) error {
	_, err := r.store.commit(ctx, []clientv3.Cmp{unchanged(claim.key, claim.revision)}, []clientv3.Op{clientv3.OpDelete(claim.key)})
	return err
}

func (r *Requests) put(ctx context.Context, claim Claim, value request) (int64, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return 0, err
	}
	for {
		lease, err := r.leaseFor(ctx)
		if err != nil {
			return 0, err
		}
		revision, err := r.store.commit(ctx, []clientv3.Cmp{unchanged(claim.key, claim.revision)}, []clientv3.Op{clientv3.OpPut(claim.key, string(text), clientv3.WithLease(lease))})
		if !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return revision, err
		}
		r.mu.Lock() // this process was asleep for longer than the lease
		if r.lease == lease {
			r.lease = 0
		}
		r.mu.Unlock()
	}
}

// leaseFor is a lease that outlives what is written now. It takes old tokens out of the store; what counts is their own end,
// as leases begin anew when etcd restarts.
func (r *Requests) leaseFor(ctx context.Context) (clientv3.LeaseID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease != 0 && r.now().Add(requestLife).Before(r.until) {
		return r.lease, nil
	}
	if err := r.store.room(0); err != nil {
		return 0, err
	}
	const life = requestLife + 2*leaseSpare
	granted, err := r.store.client.Grant(ctx, int64(life/time.Second))
	if err != nil {
		return 0, unavailable(err)
	}
	r.lease, r.until = granted.ID, r.now().Add(life-leaseSpare)
	return r.lease, nil
}
