package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"latchkey/internal/app"
	"latchkey/internal/config"
	"latchkey/internal/masterkey"
)

// startEtcd runs an etcd of its own, as a cluster that somebody else runs would be, and gives its client URL.
func startEtcd(t *testing.T) string {
	t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	free := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.ListenPeerUrls = []url.URL{free}, nil
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(etcd.Close)
	<-etcd.Server.ReadyNotify()
	return "http://" + etcd.Clients[0].Addr().String()
}

func TestTwoServersOnOneCluster(t *testing.T) {
	endpoint := startEtcd(t)
	first := start(t, clusterSeed, func(c *config.Config) { c.StoreEndpoints = []string{endpoint} })
	key, err := os.ReadFile(filepath.Join(first.data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	second := start(t, "", func(c *config.Config) {
		c.StoreEndpoints = []string{endpoint}
		if err := os.WriteFile(filepath.Join(c.Data, "master.key"), key, 0o600); err != nil {
			t.Fatal(err)
		}
	})

	for i, password := range []string{"Summer-Rain-2026", "Autumn-Wind-2026", "Spring-Tide-2027"} {
		writer, reader := first, second
		if i%2 == 1 {
			writer, reader = second, first
		}
		call := goClient(t, writer)
		if got := call(t, "us-east-1", "ResetUserPassword", reset("d-00000000c1", "jane", password)); got.Exception != "" {
			t.Fatalf("%+v", got)
		}
		if data := login(t, writer, `CORP\jane`, password); data != "" {
			t.Errorf("the server that made the change refuses the new password: data %s", data)
		}
		// The other server follows the store: it knows a moment later.
		deadline := time.Now().Add(time.Minute)
		for login(t, reader, `CORP\jane`, password) != "" {
			if time.Now().After(deadline) {
				t.Fatal("the other server does not take the new password")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	searchStore(t, endpoint, "Summer-Rain-2026", "Autumn-Wind-2026", "Spring-Tide-2027", "Winter-Sun-2025", "Harbour-Light-11")
}

const clusterSeed = `
directories:
  - id: d-00000000c1
    type: SimpleAD
    name: corp.example.com
    password: Harbour-Light-11
    users: [{name: jane, password: Winter-Sun-2025}]
`

// searchStore reads everything in etcd by its own client, old versions too, and looks for passwords.
func searchStore(t *testing.T, endpoint string, passwords ...string) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	newest, err := client.Get(t.Context(), "/latchkey/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if newest.Count < 100 {
		t.Fatalf("only %d keys", newest.Count)
	}
	for revision := int64(2); revision <= newest.Header.Revision; revision++ {
		then, err := client.Get(t.Context(), "/latchkey/", clientv3.WithPrefix(), clientv3.WithRev(revision), clientv3.WithMinModRev(revision))
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range then.Kvs {
			for _, password := range passwords {
				wide := make([]byte, 0, 2*len(password))
				for _, unit := range utf16.Encode([]rune(password)) {
					wide = binary.LittleEndian.AppendUint16(wide, unit)
				}
				if strings.Contains(string(kv.Value), password) || bytes.Contains(kv.Value, wide) {
					t.Errorf("revision %d of %s holds the password %s", revision, kv.Key, password)
				}
			}
		}
	}
}

// A server whose master key is not the one that the store was sealed with could open no password: it must not start.
func TestForeignMasterKey(t *testing.T) {
	s := start(t, clusterSeed)
	s.stop()
	if err := os.WriteFile(filepath.Join(s.data, "master.key"), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Listen: "127.0.0.1:0", LDAPListen: "127.0.0.1:0", LDAPSListen: "127.0.0.1:0", Data: s.data, AccountID: "123456789012"}
	if _, err := app.New(t.Context(), cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), io.Discard); !errors.Is(err, masterkey.ErrForeign) {
		t.Errorf("got %v, want %v", err, masterkey.ErrForeign)
	}
}
