package main

import (
	"bytes"
	"os"
	"testing"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 10 {
		t.Errorf("%d files are generated, not 10", len(files))
	}
	for path, want := range files {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./internal/wire", path)
		}
	}
}

func TestIdentifier(t *testing.T) {
	for value, want := range map[string]string{
		"Active":            "Active",
		"One-Way: Outgoing": "OneWayOutgoing",
		"SERVER_2012":       "SERVER2012",
		"Topic not found":   "TopicNotFound",
		"MS-CHAPv1":         "MSCHAPv1",
	} {
		if got := identifier(value); got != want {
			t.Errorf("identifier(%q) = %q, not %q", value, got, want)
		}
	}
}

func TestRecursiveShapeIsRefused(t *testing.T) {
	m := &model{
		Operations: map[string]operation{"Op": {Name: "Op", Input: ref{"In"}, Output: ref{"In"}}},
		Shapes: map[string]*shape{
			"In": {Type: "structure", Members: members{{Name: "Inner", Shape: "In"}}},
		},
	}
	if _, err := m.reachable(); err == nil {
		t.Error("a shape that holds itself is accepted")
	}
}
