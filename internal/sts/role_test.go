package sts

import (
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"latchkey/internal/authz"
)

func TestReadRoles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("reader.json", `{"Statement":{"Effect":"Allow","Action":"ds:Describe*","Resource":"*"}}`)
	write("broken.json", `{"Statement":{"Effect":"Perhaps"}}`)
	write("no.pem", "nothing")
	certificate := httptest.NewTLSServer(nil)
	defer certificate.Close()
	write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate().Raw})))
	all, err := ReadRoles(write("good.yaml", `
providers:
  - {url: "https://token.example.com", audiences: [sts.amazonaws.com], caFile: ca.pem}
roles:
  - {name: reader, trusted: [ci], policies: [reader.json], maxSessionSeconds: 7200, tags: {team: blue, room: "7"}}
  - name: other
    trusted: [role/reader, role/other]
    federated:
      - provider: https://token.example.com
        condition:
          StringEquals:
            token.example.com:sub: [jane, joe]
          IpAddress: {aws:SourceIp: 192.0.2.0/24}
`), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if r := all.ByName["reader"]; r == nil || r.MaxSession != 2*time.Hour || !maps.Equal(r.Tags, map[string]string{"team": "blue", "room": "7"}) || len(r.Policies) != 1 || r.Policies[0].Name != "reader" {
		t.Errorf("got %+v", r)
	}
	if r := all.ByName["other"]; r == nil || r.MaxSession != time.Hour || !slices.Equal(r.Trusted, []string{"role/reader", "role/other"}) || len(r.Federated) != 1 || r.Federated[0].Provider != "https://token.example.com" {
		t.Errorf("got %+v", r)
	}
	if p := all.Providers["https://token.example.com"]; p == nil || p.URL() != "https://token.example.com" {
		t.Errorf("got %+v", p)
	}
	if all, err := ReadRoles(write("empty.yaml", "# none yet\n"), time.Now); err != nil || len(all.ByName) != 0 {
		t.Errorf("an empty file: %v, %v", all, err)
	}
	const known = "providers: [{url: https://p.example, audiences: [a]}]\n"
	trusts := func(condition string) string {
		return known + "roles: [{name: a, federated: [{provider: https://p.example, condition: " + condition + "}]}]"
	}
	for text, want := range map[string]string{
		"role: []":                                                          "bad.yaml:1: field role not found",
		"roles: [{name: a b}]":                                              "bad.yaml:1: role \"a b\": a name has",
		"roles: [{}]":                                                       "a name has",
		"roles: [{name: a}, {name: a}]":                                     "there twice",
		"roles:\n- name: a\n\n- name: a b":                                  "bad.yaml:4: role",
		"roles: &r\n- name: a b\nproviders: *r":                             "bad.yaml:2: field name not found",
		"roles: [":                                                          "bad.yaml:",
		"roles: [{name: a, trusted: [b/c]}]":                                "not a user's name",
		"roles: [{name: a, trusted: [role/b]}]":                             "trusted: there is no role \"b\" in this file",
		"roles: [{name: a, maxSessionSeconds: 900}]":                        "is from 3600 to 43200",
		"roles: [{name: a, maxSessionSeconds: 43201}]":                      "is from 3600 to 43200",
		"roles: [{name: a, maxSessionSeconds: long}]":                       "bad.yaml:1: cannot unmarshal",
		"roles: [{name: a, policies: [missing.json]}]":                      "no such file",
		"roles: [{name: a, policies: [broken.json]}]":                       "broken.json: line 1, column 24: Effect is Allow or Deny",
		"roles: [{name: a, tags: {'': x}}]":                                 "tag \"\": a key has 1 to 128 characters",
		"roles: [{name: a, tags: {x: '" + strings.Repeat("y", 257) + "'}}]": "a value at most 256",
		"roles: [{name: a, tags: [x]}]":                                     "cannot unmarshal",
		"roles: []\n---\nroles: []":                                         "more than one YAML document",
		"roles: [{name: a, extra: 1}]":                                      "field extra not found",

		"providers:\n- {url: https://p.example}":                                     "bad.yaml:2: provider \"https://p.example\": an issuer needs the audiences",
		"providers: [{url: http://p.example, audiences: [a]}]":                       "is not an issuer",
		"providers: [{url: https://p.example, audiences: [a], caFile: missing.pem}]": "no such file",
		"providers: [{url: https://p.example, audiences: [a], caFile: no.pem}]":      "no.pem holds no PEM certificate",
		known + "roles: [{name: a, federated: [{provider: https://q.example}]}]":     "there is no provider",
		known + "roles: [{name: a, federated: [{provider: https://p.example}]}]":     "has to say who is trusted",
		trusts("{StringEquals: {'p.example:aud': a}}"):                               "has to say who is trusted",
		trusts("{StringLike: {'p.example:sub': '*'}}"):                               "has to say who is trusted",
		trusts("{StringNotEquals: {'p.example:sub': jane}}"):                         "has to say who is trusted",
		trusts("{StringEqualsIfExists: {'p.example:sub': jane}}"):                    "has to say who is trusted",
		trusts("{'ForAllValues:StringEquals': {'p.example:sub': jane}}"):             "has to say who is trusted",
		trusts("{StringEquals: {'p.example:sub': []}}"):                              "condition: p.example:sub has no value",
		trusts("{StringEquals: {'q.example:sub': jane}}"):                            "there is no condition key q.example:sub",
		trusts("{StringEquals: {'ds-data:Realm': jane}}"):                            "there is no condition key ds-data:Realm",
		trusts("{StringEqual: {'p.example:sub': jane}}"):                             "there is no condition operator StringEqual",
		trusts("{NumericEquals: {'p.example:sub': '1'}}"):                            "NumericEquals compares no string",
		trusts("[]"): "bad.yaml:2: cannot unmarshal",
	} {
		if _, err := ReadRoles(write("bad.yaml", text), time.Now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestExamples reads the files of docs/credentials.md.
func TestExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/credentials.md")
	if err != nil {
		t.Fatal(err)
	}
	authority := httptest.NewTLSServer(nil)
	defer authority.Close()
	const policy = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	dir := t.TempDir()
	for name, text := range map[string]string{
		"reader.json": policy, "deploy.json": policy, "helpdesk.json": policy,
		"keycloak-ca.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, example := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(example[1], "roles:") {
			continue
		}
		path := filepath.Join(dir, "roles.yaml")
		if err := os.WriteFile(path, []byte(example[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := ReadRoles(path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		names = slices.AppendSeq(names, maps.Keys(all.ByName))
	}
	if !slices.Equal(names, []string{"reader", "deploy", "helpdesk"}) {
		t.Errorf("the roles %q", names)
	}
}

// TestFederated is about which claims a condition takes.
func TestFederated(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "roles.yaml")
	const provider = "https://p.example/realm"
	for _, c := range []struct {
		condition string
		claims    map[string]any
		want      bool
	}{
		{"StringEquals: {'p.example/realm:sub': jane}", map[string]any{"sub": "jane"}, true},
		{"StringEquals: {'p.example/realm:sub': jane}", map[string]any{"sub": "JANE"}, false},
		{"StringEquals: {'p.example/realm:sub': jane}", map[string]any{"sub": "jane", "SUB": "joe"}, false},
		{"StringEquals: {'p.example/realm:sub': jane}", map[string]any{}, false},
		{"StringEquals: {'p.example/realm:sub': 'j*'}", map[string]any{"sub": "jane"}, false},
		{"StringLike: {'p.example/realm:sub': 'repo:acme/*:ref:refs/heads/main'}", map[string]any{"sub": "repo:acme/app:ref:refs/heads/main"}, true},
		{"StringLike: {'p.example/realm:sub': 'repo:acme/*:ref:refs/heads/main'}", map[string]any{"sub": "repo:acme2/app:ref:refs/heads/main"}, false},
		{"StringEquals: {'p.example/realm:sub': [joe, jane]}", map[string]any{"sub": "jane"}, true},
		{"StringEquals: {'p.example/realm:groups': admins}", map[string]any{"groups": []any{"users", "admins"}}, true},
		{"StringEquals: {'p.example/realm:groups': admins}", map[string]any{"groups": []any{map[string]any{"admins": "admins"}}}, false},
		{"StringEquals: {'p.example/realm:preferredUsername': jane}", map[string]any{"preferredUsername": "jane"}, true},
		{"StringEquals: {'p.example/realm:email_verified': 'true', 'p.example/realm:level': '3'}", map[string]any{"email_verified": true, "level": 3.0}, true},
		{"StringEquals: {'p.example/realm:sub': jane, 'p.example/realm:aud': latchkey}", map[string]any{"sub": "jane", "aud": "other"}, false},
		{"{StringEquals: {'p.example/realm:sub': jane}, IpAddress: {'aws:SourceIp': 192.0.2.0/24}}", map[string]any{"sub": "jane"}, true},
		{"{StringEquals: {'p.example/realm:sub': jane}, IpAddress: {'aws:SourceIp': 198.51.100.7}}", map[string]any{"sub": "jane"}, false},
		{"StringEquals: {'p.example/realm:sub': '${aws:username}'}", map[string]any{"sub": "jane"}, false},
	} {
		if !strings.HasPrefix(c.condition, "{") {
			c.condition = "{" + c.condition + "}"
		}
		text := "providers: [{url: " + provider + ", audiences: [a]}]\nroles: [{name: a, federated: [{provider: " + provider + ", condition: " + c.condition + "}]}]"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := ReadRoles(path, time.Now)
		if err != nil {
			t.Errorf("%s: %v", c.condition, err)
			continue
		}
		asked := authz.Request{Values: func(key string) ([]string, error) {
			if key == "aws:sourceip" {
				return []string{"192.0.2.9"}, nil
			}
			return nil, nil
		}}
		trust := all.ByName["a"].Federated[0]
		if got, err := trust.accepts(provider, c.claims, asked); err != nil || got != c.want {
			t.Errorf("%s of %v: %v, %v", c.condition, c.claims, got, err)
		}
		if got, err := trust.accepts("https://q.example", c.claims, asked); err != nil || got {
			t.Errorf("%s of another provider: %v, %v", c.condition, got, err)
		}
	}
}
