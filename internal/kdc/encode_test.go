package kdc

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// What this package encodes by itself is what gokrb5 makes of it.
func TestEncode(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	name := types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "CORP.EXAMPLE.COM"}}
	key := types.EncryptionKey{KeyType: aes256, KeyValue: bytes.Repeat([]byte{0x81}, 32)}
	sealed := types.EncryptedData{EType: aes256, KVNO: 300, Cipher: bytes.Repeat([]byte{7}, 300)}
	padata := []types.PAData{{PADataType: 19, PADataValue: []byte("salt")}, {PADataType: 136, PADataValue: []byte{}}}
	part := messages.EncTicketPart{
		Flags: kdcFlags(flags.Initial, flags.Renewable), Key: key, CRealm: "CORP.EXAMPLE.COM", CName: types.PrincipalName{NameType: 1, NameString: []string{"jane"}},
		Transited: messages.TransitedEncoding{TRType: 1, Contents: []byte{}}, AuthTime: now, EndTime: now.Add(time.Hour),
	}
	full := part
	full.StartTime, full.RenewTill = now, now.Add(48*time.Hour)
	full.CAddr = types.HostAddresses{{AddrType: 2, Address: []byte{127, 0, 0, 1}}}
	full.AuthorizationData = types.AuthorizationData{{ADType: 1, ADData: bytes.Repeat([]byte{9}, 70_000)}}
	for _, each := range []messages.EncTicketPart{part, full} {
		got, err := encodeTicketPart(&each)
		compare(t, "EncTicketPart", got, err, func() ([]byte, error) { return tagged(each, asnAppTag.EncTicketPart) })
	}
	reply := replyPart(&part, 1<<31-1, "CORP.EXAMPLE.COM", name, now)
	other := reply
	other.Nonce, other.KeyExpiration, other.StartTime, other.RenewTill = 0, now, now, now
	other.CAddr, other.EncPAData = full.CAddr, padata
	for _, each := range []messages.EncKDCRepPart{reply, other} {
		got, err := encodeReplyPart(each, asnAppTag.EncTGSRepPart)
		compare(t, "EncKDCRepPart", got, err, func() ([]byte, error) { return tagged(each, asnAppTag.EncTGSRepPart) })
	}
	ticket := messages.Ticket{TktVNO: 5, Realm: strings.Repeat("R", 200), SName: name, EncPart: sealed}
	sealed.KVNO = 0
	for _, data := range [][]types.PAData{nil, padata} {
		fields := messages.KDCRepFields{PVNO: 5, MsgType: 11, PAData: data, CRealm: "CORP", CName: name, Ticket: ticket, EncPart: sealed}
		got, err := encodeReply(fields, asnAppTag.ASREP)
		compare(t, "AS-REP", got, err, func() ([]byte, error) {
			message := messages.ASRep{KDCRepFields: fields}
			return message.Marshal()
		})
	}
	data, err := authorizationData([]byte("pac"))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "AD-WIN2K-PAC", data[0].ADData, nil, func() ([]byte, error) {
		return asn1.Marshal(types.AuthorizationData{{ADType: 128, ADData: []byte("pac")}})
	})
}

func compare(t *testing.T, what string, got []byte, err error, theirs func() ([]byte, error)) {
	t.Helper()
	want, problem := theirs()
	if err != nil || problem != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %v, %v:\n%x\n%x", what, err, problem, got, want)
	}
}
