package authz

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// rows is the lines of a table that are neither empty nor comments.
func rows(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return line == "" || strings.HasPrefix(line, "#") })
	if len(lines) < 50 {
		t.Fatalf("%s has %d lines", path, len(lines))
	}
	return lines
}

func fields(text, separator string) []string {
	parts := strings.Split(text, separator)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func TestConditions(t *testing.T) {
	for _, row := range rows(t, "testdata/conditions.txt") {
		f := fields(row, "|")
		if len(f) != 5 || f[4] != "yes" && f[4] != "no" {
			t.Fatalf("not a row: %s", row)
		}
		text, err := json.Marshal(map[string]any{"Version": versionNew, "Statement": map[string]any{
			"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": map[string]any{f[0]: map[string]any{f[1]: fields(f[2], ", ")}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		policy, err := Parse("test", text)
		if err != nil {
			t.Errorf("%s: %v", row, err)
			continue
		}
		var values []string
		if f[3] != "-" {
			values = fields(f[3], ", ")
		}
		held, err := policy.statements[0].conditions[0].holds(func(key string) ([]string, error) {
			switch {
			case strings.EqualFold(key, f[1]):
				return values, nil
			case key == "aws:userid":
				return []string{"AIDAANNA"}, nil
			}
			return nil, nil
		})
		if err != nil || held != (f[4] == "yes") {
			t.Errorf("%s: got %v, %v", row, held, err)
		}
	}
}

func TestDecisions(t *testing.T) {
	var policy *Policy
	for _, row := range rows(t, "testdata/decisions.txt") {
		if text, ok := strings.CutPrefix(row, "POLICY "); ok {
			policy = parse(t, text)
			continue
		}
		question, want, ok := strings.Cut(row, " -> ")
		words := strings.Fields(question)
		if !ok || len(words) < 2 {
			t.Fatalf("not a row: %s", row)
		}
		known, tags := map[string][]string{}, map[string]string{}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			if !IsKey(key) {
				t.Fatalf("%s: no key %s", row, key)
			}
			if tag, ok := strings.CutPrefix(key, "aws:PrincipalTag/"); ok {
				tags[tag] = value
			}
			known[key] = append(known[key], value)
		}
		r := asked(words[0], known)
		r.Resource, r.Grant = words[1], Grant{Policies: []*Policy{policy}, Tags: tags}
		if effect, steps, err := Evaluate(r); err != nil || string(effect) != want {
			t.Errorf("%s: got %s, %+v, %v", row, effect, steps, err)
		}
	}
}
