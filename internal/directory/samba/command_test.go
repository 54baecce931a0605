package samba

import (
	"os"
	"path/filepath"
	"testing"
)

// A program that is held runs when it is released, and never when whoever holds it goes without that.
func TestHold(t *testing.T) {
	for _, run := range []bool{true, false} {
		file := filepath.Join(t.TempDir(), "file")
		held := command(t.Context(), environment(), "touch", file)
		release, err := hold(held)
		if err != nil {
			t.Fatal(err)
		}
		if err := held.Start(); err != nil {
			t.Fatal(err)
		}
		if err := release(run); err != nil {
			t.Error(err)
		}
		if err := held.Wait(); (err == nil) != run {
			t.Errorf("released with %t: %v", run, err)
		}
		if _, err := os.Stat(file); (err == nil) != run {
			t.Errorf("released with %t: %v", run, err)
		}
	}
}
