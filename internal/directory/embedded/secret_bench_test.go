package embedded

import "testing"

func BenchmarkDeriveKeys(b *testing.B) {
	password := []byte("Summer-Rain-2026")
	for b.Loop() {
		if _, err := deriveKeys(password, "CORP.EXAMPLE.COMjane"); err != nil {
			b.Fatal(err)
		}
	}
}
