package kdc

import (
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// FuzzInner is for what comes out of an encrypted part: somebody who has a key may have written it.
func FuzzInner(f *testing.F) {
	pac, _ := assemble([]buffer{{pacClientInfo, clientInfo("jane", time.Unix(0, 0))}, signature(pacServerChecksum, types.EncryptionKey{KeyType: aes256})})
	f.Add(pac)
	data, err := authorizationData(pac)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[0].ADData)
	key := types.EncryptionKey{KeyType: aes256, KeyValue: make([]byte, 32)}
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parsePAC(b)
		_, _ = ticketPAC(&messages.EncTicketPart{AuthorizationData: types.AuthorizationData{{ADType: 1, ADData: b}}}, key)
		defer func() { _ = recover() }() // exchange recovers as well: the decoders panic for some of it
		_, _ = (&request{}).unfold(b)
	})
}
