package main

import (
	"bytes"
	"os"
	"testing"
)

func TestPageIsFresh(t *testing.T) {
	got, err := os.ReadFile("../../../../docs/engines.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, document()) {
		t.Error("docs/engines.md is not what the conformance suite says: run go generate ./internal/directory/directorytest")
	}
}
