package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

const hidden = "hunter2"

type wrapped struct{ S Secret }

func TestSecretShowsNothing(t *testing.T) {
	secret := NewSecret([]byte(hidden))
	type outer struct {
		Shown  Secret
		hidden Secret
	}
	o := outer{secret, secret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%e", "%t", "%p", "%T", "%10.3s"} {
		for _, value := range []any{secret, &secret, []Secret{secret}, map[string]Secret{"k": secret}, o, &o} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, hidden) || strings.Contains(strings.ToLower(text), "68756e") ||
				strings.Contains(text, "104 117") || strings.Contains(strings.ToLower(text), "0x68, 0x75") {
				t.Errorf("%s of %T shows %s", verb, value, text)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, secret); got != redacted {
			t.Errorf("%s is %s", verb, got)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "secret", secret, "outer", o)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "secret", secret, "outer", o)
	asJSON, err := json.Marshal(map[string]any{"a": secret, "b": o, "c": &secret})
	if err != nil {
		t.Fatal(err)
	}
	asXML, err := xml.Marshal(wrapped{secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{log.String(), string(asJSON), string(asXML), secret.String(), secret.GoString()} {
		if strings.Contains(text, hidden) || !strings.Contains(text, redacted) {
			t.Errorf("shows %s", text)
		}
	}
}

func TestSecretWipe(t *testing.T) {
	held := []byte(hidden)
	secret := NewSecret(held)
	other := secret
	if string(other.Bytes()) != hidden {
		t.Fatalf("holds %q", other.Bytes())
	}
	secret.Wipe()
	if !bytes.Equal(held, make([]byte, len(hidden))) {
		t.Errorf("the memory still holds %q", held)
	}
	if len(other.Bytes()) != 0 {
		t.Error("a copy survives")
	}
	if secret.IsZero() {
		t.Error("a wiped secret is absent")
	}
	Secret{}.Wipe()
}

func TestSecretEqual(t *testing.T) {
	for _, test := range []struct {
		a, b Secret
		want bool
	}{
		{NewSecret([]byte("a")), NewSecret([]byte("a")), true},
		{NewSecret([]byte("a")), NewSecret([]byte("b")), false},
		{NewSecret([]byte("a")), NewSecret([]byte("ab")), false},
		{Secret{}, Secret{}, true},
		{Secret{}, NewSecret(nil), false},
	} {
		if got := test.a.Equal(test.b); got != test.want {
			t.Errorf("Equal is %v", got)
		}
	}
}

func TestTimestamp(t *testing.T) {
	for _, test := range []struct {
		time time.Time
		want string
	}{
		{time.Unix(1714340834, 630_000_000), "1714340834.63"},
		{time.Unix(1714341253, 623_999_999), "1714341253.623"},
		{time.Unix(1714341253, 1_000_000), "1714341253.001"},
		{time.Unix(1714341253, 0), "1714341253"},
		{time.Unix(0, 0), "0"},
		{time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC), "253402300799.999"},
		{time.Unix(-2, 500_000_000), "-1.5"},
	} {
		got, err := json.Marshal(At(test.time))
		if err != nil || string(got) != test.want {
			t.Errorf("%v is %s, %v, not %s", test.time, got, err, test.want)
		}
	}
	var stamp Timestamp
	if err := json.Unmarshal([]byte("1714340834.63"), &stamp); err != nil || stamp.UnixMilli() != 1714340834630 {
		t.Errorf("reads %v, %v", stamp, err)
	}
	for _, wrong := range []string{`"1714340834"`, `1e300`, `-1e300`, `true`, `{}`} {
		if err := json.Unmarshal([]byte(wrong), &stamp); err == nil {
			t.Errorf("%s is read as a timestamp", wrong)
		}
	}
}
