package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// encodings are the forms in which a text may lie in a file.
func encodings(text string) map[string][]byte {
	var wide []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	forms := map[string][]byte{}
	for name, raw := range map[string][]byte{"UTF-8": []byte(text), "UTF-16LE": wide} {
		forms[name] = raw
		forms[name+" in hex"] = []byte(hex.EncodeToString(raw))
		forms[name+" in HEX"] = []byte(strings.ToUpper(hex.EncodeToString(raw)))
		// Where a text begins in a run of three bytes decides how its base64 looks; its ends depend on what is around it.
		for shift := range 3 {
			padded := append(bytes.Repeat([]byte{0}, shift), raw...)
			padded = padded[:len(padded)/3*3]
			whole := base64.StdEncoding.EncodeToString(padded)
			if shift > 0 {
				whole = whole[4:]
			}
			forms[name+" in base64 at "+string(rune('0'+shift))] = []byte(whole)
		}
	}
	return forms
}

// leaks names the files below dir, and the forms, in which the text lies.
func leaks(t *testing.T, dir, text string) (found []string, files int) {
	t.Helper()
	forms := encodings(text)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for form, pattern := range forms {
			if bytes.Contains(content, pattern) {
				found = append(found, path+": "+form)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, files
}

// noSecrets fails when anything of a password is on the disk or in the log of a server that has stopped.
func noSecrets(t *testing.T, s *server) {
	t.Helper()
	found, files := leaks(t, s.data, marker)
	for _, each := range found {
		t.Errorf("a password lies in %s", each)
	}
	if files < 5 {
		t.Errorf("only %d files were searched", files)
	}
	log := strings.ToLower(s.log.String())
	if log == "" {
		t.Error("there is no log")
	}
	for form, pattern := range encodings(marker) {
		if strings.Contains(log, strings.ToLower(string(pattern))) {
			t.Errorf("a password is in the log, in %s", form)
		}
	}
}

// TestLeaks: the search finds what it is to find.
func TestLeaks(t *testing.T) {
	t.Parallel()
	for form, pattern := range encodings(marker) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "file"), append([]byte("before"), pattern...), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, _ := leaks(t, dir, marker); len(found) == 0 {
			t.Errorf("%s is not found", form)
		}
	}
	for shift := range 3 {
		dir := t.TempDir()
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", shift) + marker + "behind"))
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, _ := leaks(t, dir, marker); len(found) == 0 {
			t.Errorf("base64 after %d bytes is not found", shift)
		}
	}
}
