package sts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	roles, err := ReadRoles(write("good.yaml", "roles:\n  - {name: reader, trusted: [ci], policies: [reader.json], maxSessionSeconds: 7200}\n  - {name: other}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := roles["reader"]; r == nil || r.MaxSession != 2*time.Hour || len(r.Policies) != 1 || r.Policies[0].Name != "reader" {
		t.Errorf("got %+v", r)
	}
	if r := roles["other"]; r == nil || r.MaxSession != time.Hour || r.Trusted != nil {
		t.Errorf("got %+v", r)
	}
	if roles, err := ReadRoles(write("empty.yaml", "# none yet\n")); err != nil || len(roles) != 0 {
		t.Errorf("an empty file: %v, %v", roles, err)
	}
	for text, want := range map[string]string{
		"role: []":                                     "field role not found",
		"roles: [{name: a b}]":                         "a name has",
		"roles: [{}]":                                  "a name has",
		"roles: [{name: a}, {name: a}]":                "there twice",
		"roles: [{name: a, trusted: [b/c]}]":           "not a user's name",
		"roles: [{name: a, maxSessionSeconds: 900}]":   "is from 3600 to 43200",
		"roles: [{name: a, maxSessionSeconds: 43201}]": "is from 3600 to 43200",
		"roles: [{name: a, policies: [missing.json]}]": "no such file",
		"roles: [{name: a, policies: [broken.json]}]":  "Effect is Allow or Deny",
		"roles: []\n---\nroles: []":                    "more than one YAML document",
		"roles: [{name: a, extra: 1}]":                 "field extra not found",
	} {
		if _, err := ReadRoles(write("bad.yaml", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
