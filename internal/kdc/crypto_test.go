package kdc

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/rfc3961"
	"github.com/jcmturner/gokrb5/v8/types"
)

// What this package does by itself is what gokrb5 does, and what it refuses is everything that was touched.
func TestCrypto(t *testing.T) {
	for _, kind := range []int32{aes256, aes128} {
		key, err := newKey(kind)
		if err != nil {
			t.Fatal(err)
		}
		e, err := cipherOf(kind)
		if err != nil {
			t.Fatal(err)
		}
		for size := range 70 {
			plain := make([]byte, size)
			_, _ = rand.Read(plain)
			usage := uint32(size)*7919 + 1
			ours, err := seal(plain, key, usage, 3)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := crypto.DecryptEncPart(ours, key, usage); err != nil || !bytes.Equal(got[:size], plain) {
				t.Errorf("%d bytes: gokrb5 opens %x as %x, %v", size, plain, got, err)
			}
			theirs, err := crypto.GetEncryptedData(plain, key, usage, 3)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := open(theirs, key, usage); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: %x is opened as %x, %v", size, plain, got, err)
			}
			sum, err := checksum(plain, key, usage)
			want, problem := e.GetChecksumHash(key.KeyValue, plain, usage)
			if err != nil || problem != nil || !bytes.Equal(sum.Checksum, want) {
				t.Errorf("checksum of %x: %x, want %x", plain, sum.Checksum, want)
			}
			for _, at := range []int{0, len(ours.Cipher) / 2, len(ours.Cipher) - 1} {
				touched := ours
				touched.Cipher = slices.Clone(ours.Cipher)
				touched.Cipher[at] ^= 1
				if _, err := open(touched, key, usage); err == nil {
					t.Errorf("%d bytes: opened although byte %d was changed", size, at)
				}
			}
			if _, err := open(ours, key, usage+1); err == nil {
				t.Error("opened for another usage")
			}
		}
		short := types.EncryptionKey{KeyType: kind, KeyValue: key.KeyValue[1:]}
		if _, err := seal(nil, short, 1, 0); err == nil {
			t.Error("a short key seals")
		}
		if _, err := checksum(nil, short, 1); err == nil {
			t.Error("a short key makes checksums")
		}
		if _, err := open(types.EncryptedData{EType: kind, Cipher: make([]byte, 27)}, key, 1); err == nil {
			t.Error("27 bytes are opened")
		}
	}
	for _, usage := range []uint32{0, 1, 3, 0x7fffffff, 0xffffffff, 0x80000001} {
		for _, purpose := range []byte{forEncryption, forIntegrity, forChecksum, 0, 0xff} {
			want := rfc3961.Nfold([]byte{byte(usage >> 24), byte(usage >> 16), byte(usage >> 8), byte(usage), purpose}, 128)
			if got := fold(usage, purpose)[:16]; !bytes.Equal(got, want) {
				t.Errorf("fold(%x, %x) = %x, want %x", usage, purpose, got, want)
			}
		}
	}
}
