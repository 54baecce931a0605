package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"latchkey/internal/config"
)

// parse is what `latchkey serve` makes of its arguments.
func parse(t *testing.T, args ...string) (*config.Config, error) {
	t.Helper()
	var c struct{ config.Config }
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return &c.Config, err
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := write(t, "c.yaml", "listen: 127.0.0.1:1\nldap-listen: 127.0.0.1:2\nldaps-listen: 127.0.0.1:3\nunlock-on-reset: false\naccount-id: 000000000042\n"+
		"store-endpoint: [\"http://a:1\", \"http://b:1\"]\n")
	t.Setenv("LATCHKEY_CONFIG", file)
	t.Setenv("LATCHKEY_LISTEN", "127.0.0.1:11")
	t.Setenv("LATCHKEY_LDAP_LISTEN", "127.0.0.1:12")
	c, err := parse(t, "--listen", "127.0.0.1:21")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Listen, c.LDAPListen, c.LDAPSListen, c.AccountID, c.Data}
	want := []string{"127.0.0.1:21", "127.0.0.1:12", "127.0.0.1:3", "000000000042", config.DefaultData}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flag, environment, file, file, default (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"http://a:1", "http://b:1"}, c.StoreEndpoints); diff != "" {
		t.Error(diff)
	}
	if c.UnlockOnReset {
		t.Error("unlock-on-reset: the file's false is lost")
	}
	if c, err = parse(t, "--unlock-on-reset"); err != nil || !c.UnlockOnReset {
		t.Errorf("unlock-on-reset: the flag does not go before the file: %v", err)
	}
	if c, err = parse(t, "--config", write(t, "other.yaml", "ldaps-listen: 127.0.0.1:4\n")); err != nil || c.LDAPSListen != "127.0.0.1:4" {
		t.Errorf("--config does not go before LATCHKEY_CONFIG: %q, %v", c.LDAPSListen, err)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.StoreTLS() != nil {
		t.Error("TLS without a cluster")
	}
	if c.Data != config.DefaultData || !c.UnlockOnReset {
		t.Errorf("%+v", c)
	}
}

func TestFlagsKeysAndVariablesAgree(t *testing.T) {
	parser, err := kong.New(&config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, flag := range parser.Model.Flags {
		if flag.Name == "help" {
			continue
		}
		checked++
		want := "LATCHKEY_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if diff := cmp.Diff([]string{want}, flag.Envs); diff != "" {
			t.Errorf("--%s: %s", flag.Name, diff)
		}
		for _, secret := range []string{"password", "secret", "access-key"} {
			if strings.Contains(flag.Name, secret) {
				t.Errorf("--%s: a secret must not be a flag", flag.Name)
			}
		}
	}
	if checked < 15 {
		t.Fatalf("only %d flags", checked)
	}
}

func TestFileProblems(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":   {"lisen: 127.0.0.1:1", `:1: unknown key "lisen"`},
		"case":          {"# c\nListen: 127.0.0.1:1", `:2: unknown key "Listen"`},
		"config itself": {"config: other.yaml", `:1: unknown key "config"`},
		"twice":         {"dev: true\n\ndev: false", `:3: dev: given twice, first on line 1`},
		"bool":          {"dev: 1", `:1: dev: want true or false, not a number`},
		"quoted bool":   {`dev: "true"`, `:1: dev: want true or false, not a string`},
		"number":        {"samba-controllers: two", `:1: samba-controllers: want a whole number, not a string`},
		"list":          {"listen: [a]", `:1: listen: want a string, not a list`},
		"no list":       {"store-endpoint: http://a:1", `:1: store-endpoint: want a list, not a string`},
		"null":          {"listen:", `:1: listen: want a string, not nothing`},
		"alias":         {"listen: &a 127.0.0.1:1\nldap-listen: *a", `:2: ldap-listen: want a string, not an alias`},
		"merge":         {"<<: {dev: true}", `:1: unknown key "<<"`},
		"a list":        {"- dev", `:1: the file has to be keys and values, not a list`},
		"two documents": {"dev: true\n---\ndev: false", `the file holds more than one YAML document`},
		"syntax":        {"dev: true\n\t- x", `:2: `},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "c.yaml", tc.text)
			_, err := parse(t, "--config", path)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, ok := errors.AsType[*config.Problem](err); !ok {
				t.Errorf("%T is no Problem", err)
			}
		})
	}
	for _, empty := range []string{"", "\n# nothing\n", "---\n", "{}"} {
		if _, err := parse(t, "--config", write(t, "c.yaml", empty)); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
	if _, err := parse(t, "--config", "/nowhere.yaml"); err == nil || !strings.Contains(err.Error(), "/nowhere.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestNearestKey(t *testing.T) {
	_, err := parse(t, "--config", write(t, "c.yaml", "lisen: x"))
	problem, ok := errors.AsType[*config.Problem](err)
	if !ok || problem.Hint != `did you mean "listen"?` {
		t.Errorf("%+v", problem)
	}
}

func TestEverythingAtOnce(t *testing.T) {
	path := write(t, "c.yaml", "lisen: x\ndev: 1\nlog-level: loud\n")
	_, err := parse(t, "--config", path, "--listen", "x", "--account-id", "1", "--tls-cert", "a", "--log-format", "xml", "--seed", "/nowhere.yaml")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"c.yaml:1:", "c.yaml:2:", "--listen:", "--account-id:", "--tls-cert:", "--log-level:", "--log-format:", "--seed:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in:\n%v", want, err)
		}
	}
}

func TestValidate(t *testing.T) {
	notPEM := write(t, "x.pem", "no certificate")
	for name, tc := range map[string]struct {
		args []string
		want string // empty: valid
	}{
		"localhost":               {[]string{"--listen", "localhost:1"}, ""},
		"loopback 6":              {[]string{"--listen", "[::1]:1"}, ""},
		"127/8":                   {[]string{"--listen", "127.8.9.1:1"}, ""},
		"beyond loopback":         {[]string{"--listen", "0.0.0.0:1"}, "--listen: 0.0.0.0:1 is reachable"},
		"all interfaces":          {[]string{"--listen", ":1"}, "--listen: :1 is reachable"},
		"by name":                 {[]string{"--listen", "example.com:1"}, "--listen: example.com:1 is reachable"},
		"insecure":                {[]string{"--listen", ":1", "--insecure-http"}, ""},
		"LDAP beyond loopback":    {[]string{"--ldap-listen", ":1", "--ldaps-listen", ":2"}, ""},
		"dev beyond loopback":     {[]string{"--dev", "--listen", ":1", "--insecure-http"}, "--listen: --dev refuses"},
		"dev LDAP":                {[]string{"--dev", "--ldap-listen", ":1"}, "--ldap-listen: --dev refuses"},
		"dev LDAPS":               {[]string{"--dev", "--ldaps-listen", ":1"}, "--ldaps-listen: --dev refuses"},
		"dev and data":            {[]string{"--dev", "--data", "/x"}, "--data: --dev keeps nothing"},
		"dev and cluster":         {[]string{"--dev", "--store-endpoint", "http://a:1"}, "--store-endpoint: --dev"},
		"one port for two":        {[]string{"--listen", "127.0.0.1:1", "--ldap-listen", "127.0.0.1:1"}, "is the address of --listen"},
		"free ports":              {[]string{"--listen", "127.0.0.1:0", "--ldap-listen", "127.0.0.1:0"}, ""},
		"DNS":                     {[]string{"--dns-listen", "127.0.0.1:5300", "--dns-forward", "192.0.2.53:53"}, ""},
		"no DNS":                  {[]string{"--dns-listen", ""}, ""},
		"one address for all":     {[]string{"--ldap-listen", "127.0.0.1:4389"}, "--ldap-listen: 127.0.0.1:4389 is the address of --listen as well"},
		"free ports of it":        {[]string{"--free-ports", "--ldap-listen", "127.0.0.1:4389"}, ""},
		"dev DNS":                 {[]string{"--dev", "--dns-listen", ":1"}, "--dns-listen: --dev refuses"},
		"forward by name":         {[]string{"--dns-forward", "dns.example.com:53"}, "--dns-forward: \"dns.example.com:53\" is not an address"},
		"forward without a port":  {[]string{"--dns-forward", "192.0.2.53"}, "is not an address with a port"},
		"forward in a circle":     {[]string{"--dns-listen", "127.0.0.1:53", "--dns-forward", "127.0.0.1:53"}, "is the address of --dns-listen"},
		"port by name":            {[]string{"--listen", "127.0.0.1:http"}, `port "http"`},
		"port too large":          {[]string{"--listen", "127.0.0.1:65536"}, `port "65536"`},
		"cert without key":        {[]string{"--tls-cert", notPEM}, "--tls-cert: needs --tls-key"},
		"key without cert":        {[]string{"--tls-key", notPEM}, "--tls-key: needs --tls-cert"},
		"not a pair":              {[]string{"--tls-cert", notPEM, "--tls-key", notPEM}, "--tls-cert, --tls-key: tls:"},
		"no such file":            {[]string{"--tls-cert", "/a", "--tls-key", "/b"}, "--tls-key: stat /b"},
		"roles not there":         {[]string{"--roles", "/nowhere.yaml"}, "--roles: open /nowhere.yaml"},
		"roles":                   {[]string{"--roles", notPEM}, "--roles: " + notPEM + ":1: "},
		"seed is a directory":     {[]string{"--seed", "/"}, "--seed: / is a directory"},
		"data is a file":          {[]string{"--data", notPEM}, "is not a directory"},
		"endpoint":                {[]string{"--store-endpoint", "a:1"}, "is not an endpoint"},
		"endpoint without a port": {[]string{"--store-endpoint", "http://a"}, "is not an endpoint"},
		"client CA":               {[]string{"--client-ca", notPEM}, "--client-ca: " + notPEM + " holds no PEM certificate"},
		"clients without TLS":     {[]string{"--client-ca", notPEM}, "--client-ca: clients show certificates only over TLS"},
		"LDAP cert without key":   {[]string{"--ldap-tls-cert", notPEM}, "--ldap-tls-cert: needs --ldap-tls-key"},
		"LDAP's not a pair":       {[]string{"--ldap-tls-cert", notPEM, "--ldap-tls-key", notPEM}, "--ldap-tls-cert, --ldap-tls-key: tls:"},
		"audit file size":         {[]string{"--audit-file-size=-1"}, "--audit-file-size: -1 is not"},
		"audit failure":           {[]string{"--audit-on-failure", "ignore"}, `--audit-on-failure: "ignore" is none of refuse, continue`},
		"audit sinks":             {[]string{"--audit-sink", "stdout", "--audit-sink", "https://a/b?c=1,2", "--audit-on-failure", "continue"}, ""},
		"audit sink":              {[]string{"--audit-sink", "ftp://a"}, `--audit-sink: "ftp" is none of`},
		"audit sink twice":        {[]string{"--audit-sink", "stdout", "--audit-sink", "stdout"}, "--audit-sink: stdout is given twice"},
		"audit kept for an hour":  {[]string{"--audit-keep", "1h"}, "--audit-keep: 1h0m0s is less than a day"},
		"audit kept":              {[]string{"--audit-keep", "2160h", "--audit-file-size", "16"}, ""},
		"throttle":                {[]string{"--throttle-user", "0.1:5", "--throttle-key", "50:100"}, ""},
		"throttle without burst":  {[]string{"--throttle-directory", "10"}, `--throttle-directory: "10" is not RATE:BURST`},
		"throttle, failures":      {[]string{"--throttle-source", "1:0", "--throttle-account", "x"}, `--throttle-source: "1:0" is not RATE:BURST`},
		"no limit of failures":    {[]string{"--throttle-source="}, ""},
		"connections":             {[]string{"--max-connections=-1"}, "--max-connections: -1 is not a number"},
		"connections of one":      {[]string{"--max-address-connections", "2000000"}, "--max-address-connections: 2000000 is not a number"},
		"ACME":                    {[]string{"--acme-domain", "ds.example.com", "--listen", "192.0.2.1:443", "--acme-email", "a@example.com"}, ""},
		"ACME and files":          {[]string{"--acme-domain", "ds.example.com", "--tls-cert", notPEM, "--tls-key", notPEM}, "--acme-domain: contradicts --tls-cert"},
		"ACME for no name":        {[]string{"--acme-domain", "192.0.2.1"}, `--acme-domain: "192.0.2.1" is not a DNS name`},
		"ACME without TLS":        {[]string{"--acme-domain", "ds.example.com", "--acme-directory", "http://ca.example.com"}, "--acme-directory: \"http://ca.example.com\" is not an https URL"},
		"ACME by whom":            {[]string{"--acme-domain", "ds.example.com", "--acme-ca", notPEM}, "--acme-ca: " + notPEM + " holds no PEM certificate"},
		"ACME for whom":           {[]string{"--acme-domain", "ds.example.com", "--acme-email", "nobody"}, `--acme-email: "nobody" is not an address`},
		"metrics":                 {[]string{"--metrics-listen", "127.0.0.1:9389"}, ""},
		"metrics at the API's":    {[]string{"--metrics-listen", "127.0.0.1:4389"}, "--metrics-listen: 127.0.0.1:4389 is the address of --listen as well"},
		"metrics of dev":          {[]string{"--dev", "--metrics-listen", ":9389"}, "--metrics-listen: --dev refuses"},
		"traces":                  {[]string{"--otlp-endpoint", "https://collector:4318/base"}, ""},
		"traces without a scheme": {[]string{"--otlp-endpoint", "127.0.0.1:4318"}, "--otlp-endpoint: it is not"},
		"traces with a password":  {[]string{"--otlp-endpoint", "http://me:secret@a:4318"}, "--otlp-endpoint: it is not"},
		"profiles":                {[]string{"--pprof-socket", "/run/latchkey/pprof"}, ""},
		"profiles too far":        {[]string{"--pprof-socket", "/" + strings.Repeat("x", 80)}, "--pprof-socket: the path is longer than 80 bytes"},
		"profiles nowhere":        {[]string{"--pprof-socket", ".."}, "names no file"},
		"store CA":                {[]string{"--store-endpoint", "https://a:1", "--store-ca", notPEM}, "holds no PEM certificate"},
		"engine":                  {[]string{"--engine", "remote"}, `--engine: "remote" is neither`},
		"samba address":           {[]string{"--samba-address", "127.0.0"}, `--samba-address: "127.0.0" is not an IPv4 address`},
		"samba address 6":         {[]string{"--samba-address", "::1"}, `--samba-address: "::1" is not an IPv4 address`},
		"samba address twice":     {[]string{"--samba-address", "127.1.1.1", "--samba-address", "127.1.1.1"}, "--samba-address: 127.1.1.1 is given twice"},
		"samba controllers":       {[]string{"--samba-controllers", "21"}, "--samba-controllers: 21 is not"},
		"samba":                   {[]string{"--engine", "samba", "--samba-address", "127.1.1.1", "--samba-controllers", "1"}, ""},
		"store TLS for nothing":   {[]string{"--store-endpoint", "http://a:1", "--store-ca", notPEM}, "begins with https://"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, tc.args...)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
