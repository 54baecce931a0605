// Package store keeps Latchkey's records in etcd: inside this process by default, in a cluster when addresses are given.
// Each noun has its file: directory.go, entry.go. Nothing here knows AWS or LDAP.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"latchkey/internal/durable"
)

var (
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that a record is not as the writer expected: somebody else was faster. Nothing was written.
	ErrConflict = errors.New("the record was changed by somebody else")
	// ErrUnknown says that the store did not answer: the write may or may not have happened, or still happen.
	ErrUnknown = errors.New("the store did not say whether the write happened")
	// ErrUnavailable says that the store could not be read.
	ErrUnavailable = errors.New("the store is unavailable")
)

const (
	root = "/latchkey/v1/"

	// A transaction touches an entry, its claims and its links; deleting a member of many groups touches the most.
	maxTxnOps       = 4096
	maxRequestBytes = 8 << 20
	quotaBytes      = 8 << 30
	keptRevisions   = "10000"

	// snapshotEvery is after how many writes etcd begins its log anew: what is in the log since is read into memory at the next
	// start, and stays there. What is behind that is for members that are late, and there are none.
	snapshotEvery = 1000
	keptBehind    = 1

	// Once etcd has read its files, a single member is ready as soon as it has elected itself.
	startTimeout = time.Minute
)

// Options says where the records are.
type Options struct {
	// Dir holds etcd's files when it runs inside this process.
	Dir string
	// Endpoints are the client URLs of an etcd cluster; none means etcd inside this process.
	Endpoints []string
	// TLS is for Endpoints that begin with https.
	TLS    *tls.Config
	Logger *slog.Logger
}

// Store is a connection to the records. It is safe for concurrent use.
type Store struct {
	client *clientv3.Client
	server *embed.Etcd
	logger *slog.Logger

	closing  sync.Once
	followed sync.Map // by directory: the revision of the restoration that the followed tree is of
}

// Open starts etcd in this process, or connects to the cluster, and waits until it answers.
func Open(ctx context.Context, options Options) (*Store, error) {
	if len(options.Endpoints) > 0 {
		return connect(ctx, options)
	}
	config := embed.NewConfig()
	config.Dir = options.Dir
	config.ListenClientUrls = nil
	config.ListenPeerUrls = nil
	config.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:0"}}
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(options.Logger))
	// A single member elects itself; short ticks make that, and so the start, fast.
	config.TickMs = 10
	config.ElectionMs = 100
	config.AutoCompactionMode = "revision"
	config.AutoCompactionRetention = keptRevisions
	config.QuotaBackendBytes = quotaBytes
	config.MaxTxnOps = maxTxnOps
	config.SnapshotCount = snapshotEvery
	config.SnapshotCatchUpEntries = keptBehind
	config.MaxRequestBytes = maxRequestBytes
	first, err := beginFirst(options.Dir)
	if err != nil {
		return nil, err
	}
	// A lock that it does not get ends the process.
	logs, err := filepath.Glob(filepath.Join(options.Dir, "member", "wal", "*.wal"))
	if err != nil {
		return nil, err
	}
	for _, path := range logs {
		durable.Released(path)
	}
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("start the store in %s: %w", filepath.Clean(options.Dir), err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case <-server.Server.ReadyNotify():
		if first {
			err = endFirst(options.Dir)
		}
	case err = <-server.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		server.Close()
		return nil, fmt.Errorf("start the store in %s: %w", filepath.Clean(options.Dir), err)
	}
	return &Store{client: v3client.New(server.Server), server: server, logger: options.Logger}, nil
}

func connect(ctx context.Context, options Options) (*Store, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            options.Endpoints,
		TLS:                  options.TLS,
		DialTimeout:          5 * time.Second,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		MaxCallSendMsgSize:   maxRequestBytes,
		Logger:               etcdLogger(options.Logger),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the store: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := client.Get(ctx, root, clientv3.WithCountOnly()); err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("connect to the store at %v: %w", options.Endpoints, err)
	}
	return &Store{client: client, logger: options.Logger}, nil
}

// Ready fails while the store does not answer as of now.
func (s *Store) Ready(ctx context.Context) error {
	if _, err := s.client.Get(ctx, root, clientv3.WithCountOnly()); err != nil {
		return unavailable(err)
	}
	return nil
}

// Close disconnects, and stops etcd if it runs in this process. Closing twice does nothing.
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		err = s.client.Close()
		if s.server != nil {
			// Nobody may read from etcd while it closes its files: it ends the process then.
			s.server.Close()
			err = nil
		}
	})
	return err
}

// commit runs the operations if every condition holds, and answers with the revision it made. Its errors are
// ErrConflict, ErrUnknown, or one that says why nothing was written.
func (s *Store) commit(ctx context.Context, conditions []clientv3.Cmp, operations []clientv3.Op) (int64, error) {
	if err := s.room(0); err != nil {
		return 0, err
	}
	response, err := s.client.Txn(ctx).If(conditions...).Then(operations...).Commit()
	if err != nil {
		if definite(err) {
			return 0, fmt.Errorf("the store refused the write: %w", err)
		}
		return 0, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if !response.Succeeded {
		return 0, ErrConflict
	}
	return response.Header.Revision, nil
}

// definite tells whether err proves that the transaction was not applied.
func definite(err error) bool {
	code := status.Code(err)
	var etcdError rpctypes.EtcdError
	if errors.As(err, &etcdError) {
		code = etcdError.Code()
	}
	switch code {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.OutOfRange:
		return true
	}
	return false
}

func unavailable(err error) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
