package directory_test

import (
	"testing"

	"latchkey/internal/directory"
)

// TestGenerate: passwords that are made up meet the settings that they are made for.
func TestGenerate(t *testing.T) {
	settings := directory.DefaultPasswordSettings()
	seen := map[string]bool{}
	for _, length := range []int{0, 7, 24, 128, directory.MaxPasswordUnits} {
		settings.MinLength = length
		for range 50 {
			password, err := settings.Generate("jane", "Jane Doe")
			if err != nil {
				t.Fatal(err)
			}
			if err := settings.Check(password, "jane", "Jane Doe"); err != nil {
				t.Error(err)
			}
			if seen[string(password)] {
				t.Errorf("%d characters: twice the same", length)
			}
			seen[string(password)] = true
		}
	}
	settings.MinLength = directory.MaxPasswordUnits + 1
	if _, err := settings.Generate("jane", ""); err == nil {
		t.Error("a password is longer than one can be")
	}
}
