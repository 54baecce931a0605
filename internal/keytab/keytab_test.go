package keytab

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gokrb5 "github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

var (
	long  = Key{Type: AES256, Version: 300, Value: bytes.Repeat([]byte{7}, 32)}
	short = Key{Type: AES128, Version: 300, Value: bytes.Repeat([]byte{8}, 16)}
)

func TestMarshal(t *testing.T) {
	file := Marshal("CORP.EXAMPLE.COM", []string{"WEB01$", "host/web01.corp.example.com"}, []Key{long, short}, time.Unix(1764115200, 0))
	keys, err := Keys(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Key{long, short, long, short}, keys); diff != "" {
		t.Error(diff)
	}
	other := gokrb5.New()
	if err := other.Unmarshal(file); err != nil {
		t.Fatal(err)
	}
	key, version, err := other.GetEncryptionKey(types.NewPrincipalName(1, "host/web01.corp.example.com"), "CORP.EXAMPLE.COM", 300, AES256)
	if err != nil || version != 300 || !bytes.Equal(key.KeyValue, long.Value) {
		t.Errorf("gokrb5 reads %v, version %d: %v", key, version, err)
	}
}

// MIT's own program reads it.
func TestKlist(t *testing.T) {
	path, err := exec.LookPath("klist")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("klist is not installed")
		}
		t.Skip("klist is not installed (hint: apt-get install krb5-user)")
	}
	name := filepath.Join(t.TempDir(), "a.keytab")
	if err := os.WriteFile(name, Marshal("CORP.EXAMPLE.COM", []string{"WEB01$", "host/web01"}, []Key{long, short}, time.Unix(1764115200, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "-k", "-e", "-K", name).CombinedOutput()
	for _, want := range []string{
		"300 WEB01$@CORP.EXAMPLE.COM (aes256-cts-hmac-sha1-96)  (0x" + strings.Repeat("07", 32) + ")",
		"300 host/web01@CORP.EXAMPLE.COM (aes128-cts-hmac-sha1-96)  (0x" + strings.Repeat("08", 16) + ")",
	} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("klist (%v) does not say %q:\n%s", err, want, out)
		}
	}
}

func TestKeys(t *testing.T) {
	entry := Marshal("R", []string{"a"}, []Key{long}, time.Unix(1, 0))
	hole := append([]byte(magic), 0xff, 0xff, 0xff, 0xfe, 1, 2)
	for name, c := range map[string]struct {
		file []byte
		want []Key
		bad  bool
	}{
		"empty":                {[]byte(magic), nil, false},
		"a hole":               {append(bytes.Clone(hole), entry[2:]...), []Key{long}, false},
		"RC4":                  {Marshal("R", []string{"a"}, []Key{{Type: 23, Value: make([]byte, 16)}, short}, time.Unix(1, 0)), []Key{short}, false},
		"the old end":          {append([]byte{5, 2, 0, 0, 0, 0x21 - 4 + 8}, entry[6:len(entry)-4]...), nil, true},
		"nothing":              {nil, nil, true},
		"version 1":            {append([]byte{5, 1}, entry[2:]...), nil, true},
		"cut":                  {entry[:len(entry)-1], nil, true},
		"a hole over the end":  {hole[:7], nil, true},
		"an entry of no bytes": {append([]byte(magic), 0, 0, 0, 0), nil, true},
	} {
		got, err := Keys(c.file)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	Wipe([]Key{long})
	if !bytes.Equal(long.Value, make([]byte, 32)) {
		t.Error("not wiped")
	}
}

// FuzzKeys: whatever a file has in it, reading it ends, with an error or without.
func FuzzKeys(f *testing.F) {
	f.Add(Marshal("R", []string{"a/b"}, []Key{long, short}, time.Unix(1, 0)))
	f.Add([]byte("\x05\x02\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if keys, err := Keys(file); err != nil && keys != nil {
			t.Error("both")
		}
	})
}
