package kdc_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/kadmin"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
	"latchkey/internal/kdc"
	"latchkey/internal/throttle"
)

// gokrb5 is a client of another make than MIT's.
func (r *realm) gokrb5(user, password string) *client.Client {
	r.Helper()
	settings, err := config.NewFromString(fmt.Sprintf(`[libdefaults]
default_realm = CORP.EXAMPLE.COM
udp_preference_limit = 1
[realms]
CORP.EXAMPLE.COM = {
 kdc = %s
 kpasswd_server = %s
}
`, r.kdc, r.kpasswd))
	if err != nil {
		r.Fatal(err)
	}
	return client.NewWithPassword(user, "CORP.EXAMPLE.COM", password, settings, client.DisablePAFXFAST(true))
}

// login is the ticket of a client that has logged in, and its key.
func (r *realm) login(user, password string) (messages.Ticket, types.EncryptionKey) {
	r.Helper()
	c := r.gokrb5(user, password)
	if err := c.Login(); err != nil {
		r.Fatal(err)
	}
	ticket, key, err := c.GetServiceTicket("krbtgt/CORP.EXAMPLE.COM")
	if err != nil {
		r.Fatal(err)
	}
	return ticket, key
}

func codeOf(t testing.TB, reply []byte) int32 {
	t.Helper()
	var refusal messages.KRBError
	if err := refusal.Unmarshal(reply); err != nil {
		return 0
	}
	return refusal.ErrorCode
}

func grantRequest(t testing.TB, user string, ticket messages.Ticket, key types.EncryptionKey, service string) messages.TGSReq {
	t.Helper()
	request, err := messages.NewTGSReq(types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user), "CORP.EXAMPLE.COM", config.New(), ticket, key, types.NewPrincipalName(nametype.KRB_NT_SRV_INST, service), false)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func marshal(t testing.TB, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOtherClient(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	r.user("jane")
	r.set(r.domain.BaseDN(), "minPwdAge", "0")
	c := r.gokrb5("jane", password)
	if err := c.Login(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.GetServiceTicket("ldap/dc1.corp.example.com"); err != nil {
		t.Error(err)
	}
	// It sets the password in the newer form, and names itself as the target.
	if ok, err := c.ChangePasswd("N3w-Password"); !ok || err != nil {
		t.Errorf("change: %v", err)
	}
	if err := r.gokrb5("jane", "N3w-Password").Login(); err != nil {
		t.Error(err)
	}
	if err := r.gokrb5("jane", password).Login(); err == nil {
		t.Error("the old password is good")
	}
}

func TestReplay(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	r.user("jane")
	ticket, key := r.login("jane", password)
	request := grantRequest(t, "jane", ticket, key, "ldap/dc1")
	message := marshal(t, &request)
	for i := range 2 {
		if code := codeOf(t, r.server.Answer(t.Context(), message, kdc.Peer{})); code != 0 {
			t.Fatalf("the same message, time %d: %s", i+1, errorcode.Lookup(code))
		}
	}
	// The same proof within another message; what is added is not under its checksum.
	request.PAData = append(request.PAData, types.PAData{PADataType: 128, PADataValue: []byte{0x30, 0x05, 0xa0, 0x03, 1, 1, 0}})
	if code := codeOf(t, r.server.Answer(t.Context(), marshal(t, &request), kdc.Peer{})); code != errorcode.KRB_AP_ERR_REPEAT {
		t.Errorf("another message: %s", errorcode.Lookup(code))
	}
	// Another request with the same proof.
	request = grantRequest(t, "jane", ticket, key, "ldap/dc1")
	request.ReqBody.SName = types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "cifs/dc1")
	if code := codeOf(t, r.server.Answer(t.Context(), marshal(t, &request), kdc.Peer{})); code != errorcode.KRB_AP_ERR_MODIFIED {
		t.Errorf("another request: %s", errorcode.Lookup(code))
	}
}

func TestMalformed(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	ticket, key := r.login("Administrator", "Pa55-of-the-boss")
	request := grantRequest(t, "Administrator", ticket, key, "ldap/dc1")
	whole := marshal(t, &request)
	for i := range whole {
		r.server.Answer(t.Context(), whole[:i], kdc.Peer{})
		altered := slices.Clone(whole)
		altered[i] ^= 0x80
		r.server.Answer(t.Context(), altered, kdc.Peer{})
	}
	for _, message := range [][]byte{nil, {0}, {0x6a}, {0x6a, 0x80}, {0x6a, 0x84, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x6a, 0x82}, 1000)} {
		if reply := r.server.Answer(t.Context(), message, kdc.Peer{}); reply != nil {
			t.Errorf("%x: %x", message, reply)
		}
		if reply := r.server.AnswerPassword(t.Context(), message, kdc.Peer{}); reply != nil {
			t.Errorf("%x: %x", message, reply)
		}
	}
}

// setPassword is the message that sets somebody's password (RFC 3244, version 0xff80).
func (r *realm) setPassword(ticket messages.Ticket, key types.EncryptionKey, user, target, next string) []byte {
	r.Helper()
	data := kadmin.ChangePasswdData{NewPasswd: []byte(next), TargName: types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, target), TargRealm: "CORP.EXAMPLE.COM"}
	proof, err := types.NewAuthenticator("CORP.EXAMPLE.COM", types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user))
	if err != nil {
		r.Fatal(err)
	}
	if err := proof.GenerateSeqNumberAndSubKey(18, 32); err != nil {
		r.Fatal(err)
	}
	ap, err := messages.NewAPReq(ticket, key, proof)
	if err != nil {
		r.Fatal(err)
	}
	priv := messages.NewKRBPriv(messages.EncKrbPrivPart{UserData: marshal(r, &data), Timestamp: proof.CTime, Usec: proof.Cusec, SequenceNumber: proof.SeqNumber, SAddress: types.HostAddress{AddrType: 2, Address: []byte{127, 0, 0, 1}}})
	if err := priv.EncryptEncPart(proof.SubKey); err != nil {
		r.Fatal(err)
	}
	message := marshal(r, &kadmin.Request{APREQ: ap, KRBPriv: priv})
	reply := r.server.AnswerPassword(r.Context(), message, kdc.Peer{Local: netip.MustParseAddr("127.0.0.1")})
	if again := r.server.AnswerPassword(r.Context(), message, kdc.Peer{Local: netip.MustParseAddr("127.0.0.1")}); reply[4]|reply[5] != 0 && !bytes.Equal(reply, again) {
		r.Errorf("the same message again is answered otherwise")
	}
	return r.result(reply, proof.SubKey)
}

// result is the code and the text of a reply.
func (r *realm) result(reply []byte, key types.EncryptionKey) []byte {
	r.Helper()
	var read kadmin.Reply
	if err := read.Unmarshal(reply); err != nil {
		r.Fatal(err)
	}
	if read.IsKRBError {
		return read.KRBError.EData
	}
	if err := read.KRBPriv.DecryptEncPart(key); err != nil {
		r.Fatal(err)
	}
	return read.KRBPriv.DecryptedEncPart.UserData
}

func TestSetPassword(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	r.user("jane")
	r.user("john")
	changepw := func(user, password string) (messages.Ticket, types.EncryptionKey) {
		c := r.gokrb5(user, password)
		request, err := messages.NewASReqForChgPasswd("CORP.EXAMPLE.COM", c.Config, c.Credentials.CName())
		if err != nil {
			t.Fatal(err)
		}
		reply, err := c.ASExchange("CORP.EXAMPLE.COM", request, 0)
		if err != nil {
			t.Fatal(err)
		}
		return reply.Ticket, reply.DecryptedEncPart.Key
	}
	boss, bossKey := changepw("Administrator", "Pa55-of-the-boss")
	jane, janeKey := changepw("jane", password)
	for _, tc := range []struct {
		name string
		got  []byte
		code uint16
		text string
	}{
		{"an administrator sets a password", r.setPassword(boss, bossKey, "Administrator", "john", "N3w-Password"), 0, "Password changed"},
		{"which keeps to the policy", r.setPassword(boss, bossKey, "Administrator", "john", "short"), 4, "too short"},
		{"nobody else does", r.setPassword(jane, janeKey, "jane", "john", "Taken-0ver-now"), 5, "insufficient access rights"},
		{"one's own is a change", r.setPassword(jane, janeKey, "jane", "JANE", password), 4, "minPwdAge"},
		{"of somebody who is not there", r.setPassword(boss, bossKey, "Administrator", "nobody", "N3w-Password"), 2, "no such account"},
	} {
		if code := binary.BigEndian.Uint16(tc.got); code != tc.code || !strings.Contains(string(tc.got[2:]), tc.text) {
			t.Errorf("%s: %d %s, want %d %s", tc.name, code, tc.got[2:], tc.code, tc.text)
		}
	}
	if err := r.gokrb5("john", "N3w-Password").Login(); err != nil {
		t.Error(err)
	}
	// A ticket that was got with another ticket proves no password.
	c := r.gokrb5("jane", password)
	if err := c.Login(); err != nil {
		t.Fatal(err)
	}
	found, key, err := c.GetServiceTicket("kadmin/changepw")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.setPassword(found, key, "jane", "jane", "N3w-Password"); binary.BigEndian.Uint16(got) != 7 {
		t.Errorf("with a ticket that is not initial: %d %s", got[:2], got[2:])
	}
	// Nor is any other ticket good for it.
	other, key := r.login("jane", password)
	if got := r.setPassword(other, key, "jane", "jane", "N3w-Password"); binary.BigEndian.Uint16(got) != 3 {
		t.Errorf("with a ticket for another service: %d %s", got[:2], got[2:])
	}
}

// TestSameRealm: two owners have directories of one name; who is meant, the key decides.
func TestSameRealm(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	second := &realm{TB: t, engine: r.engine, server: r.server, kdc: r.kdc, kpasswd: r.kpasswd}
	second.domain, second.conn = newDomain(t, r.engine, "d-0987654321", directory.SimpleAD)
	r.user("jane")
	second.user("john")
	boss := "CN=Administrator,CN=Users," + second.domain.BaseDN()
	second.set(boss, "unicodePwd", encoded("An0ther-boss-here"))
	for user, password := range map[string]string{"jane": password, "john": password} {
		c := r.gokrb5(user, password)
		if err := c.Login(); err != nil {
			t.Errorf("%s: %v", user, err)
		} else if _, _, err := c.GetServiceTicket("ldap/dc1"); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	for _, password := range []string{"Pa55-of-the-boss", "An0ther-boss-here"} {
		if err := r.gokrb5("Administrator", password).Login(); err != nil {
			t.Errorf("%s: %v", password, err)
		}
	}
	if err := r.gokrb5("Administrator", "neither").Login(); err == nil {
		t.Error("any password is good")
	}
}

func TestEvents(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	dn := r.user("jane")
	r.set(r.domain.BaseDN(), "minPwdAge", "0")
	var mu sync.Mutex
	var got []string
	r.engine.Observer = func(string) func(directory.SecurityEvent) {
		return func(e directory.SecurityEvent) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%d %s %s", e.EventID, e.Target, e.Code))
		}
	}
	c := r.gokrb5("jane", password)
	if err := c.Login(); err != nil {
		t.Fatal(err)
	}
	_ = r.gokrb5("jane", "wrong").Login()
	mu.Lock()
	defer mu.Unlock()
	want := []string{"4624 " + dn + " ", "4625 " + dn + " 52e"}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Error(diff)
	}
}

// bounded is a server with limits, and its address.
func bounded(t *testing.T, limits kdc.Limits) (address string, o *told) {
	t.Helper()
	engine := newEngine(t, time.Now)
	newDomain(t, engine, "d-1234567890", directory.SimpleAD)
	o = &told{}
	_, address, _ = serve(t, kdc.Options{Engine: engine, Limits: limits, Observer: o})
	return address, o
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func asRequest(t testing.TB, user string) []byte {
	t.Helper()
	request, err := messages.NewASReqForTGT("CORP.EXAMPLE.COM", config.New(), types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user))
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, &request)
}

func TestLimits(t *testing.T) {
	t.Run("a message that is too long is refused", func(t *testing.T) {
		address, o := bounded(t, kdc.Limits{MessageBytes: 100})
		conn := dial(t, "tcp", address)
		_, _ = conn.Write([]byte{0x80, 0, 0, 101})
		reply, err := io.ReadAll(conn)
		if err != nil || len(reply) < 4 || codeOf(t, reply[4:]) != errorcode.KRB_ERR_FIELD_TOOLONG {
			t.Errorf("%x, %v", reply, err)
		}
		o.want(t, kdc.LimitMessageSize)
	})
	t.Run("who says nothing is hung up on", func(t *testing.T) {
		address, o := bounded(t, kdc.Limits{Idle: 50 * time.Millisecond})
		conn := dial(t, "tcp", address)
		if reply, err := io.ReadAll(conn); len(reply) > 0 || err != nil {
			t.Errorf("%x, %v", reply, err)
		}
		o.want(t)
	})
	t.Run("so is who does not come to an end", func(t *testing.T) {
		address, o := bounded(t, kdc.Limits{Message: 50 * time.Millisecond})
		conn := dial(t, "tcp", address)
		_, _ = conn.Write([]byte{0, 0, 0, 10, 0x6a})
		if reply, err := io.ReadAll(conn); len(reply) > 0 || err != nil {
			t.Errorf("%x, %v", reply, err)
		}
		o.want(t, kdc.LimitMessageTime)
	})
	t.Run("too many connections of one address are closed", func(t *testing.T) {
		address, o := bounded(t, kdc.Limits{ConnectionsPerAddress: 1})
		first := dial(t, "tcp", address)
		message := asRequest(t, "nobody")
		ask := func() {
			_, _ = first.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
			if _, err := io.ReadFull(first, make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
		}
		ask() // it is taken over by now
		if reply, err := io.ReadAll(dial(t, "tcp", address)); len(reply) > 0 || err != nil {
			t.Errorf("%x, %v", reply, err)
		}
		o.want(t, "AS 6 true", kdc.LimitConnections)
	})
	t.Run("an answer that is too large for a datagram is to be asked for over TCP", func(t *testing.T) {
		address, _ := bounded(t, kdc.Limits{DatagramBytes: 10})
		conn := dial(t, "udp", address)
		_, _ = conn.Write(asRequest(t, "nobody"))
		reply := make([]byte, 2000)
		n, err := conn.Read(reply)
		if err != nil || codeOf(t, reply[:n]) != errorcode.KRB_ERR_RESPONSE_TOO_BIG {
			t.Errorf("%x, %v", reply[:n], err)
		}
	})
}

// as is the answer to a request of the AS exchange that needs no pre-authentication, opened with a password's key.
func (r *realm) as(user, password string, padata ...types.PAData) (messages.Ticket, types.EncryptionKey) {
	r.Helper()
	request, err := messages.NewASReqForTGT("CORP.EXAMPLE.COM", config.New(), types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user))
	if err != nil {
		r.Fatal(err)
	}
	request.PAData = padata
	answer := r.server.Answer(r.Context(), marshal(r, &request), kdc.Peer{})
	var reply messages.ASRep
	if err := reply.Unmarshal(answer); err != nil {
		r.Fatal(err)
	}
	key, _, err := crypto.GetKeyFromPassword(password, reply.CName, reply.CRealm, reply.EncPart.EType, reply.PAData)
	if err != nil {
		r.Fatal(err)
	}
	plain, err := crypto.DecryptEncPart(reply.EncPart, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		r.Fatal(err)
	}
	var part messages.EncKDCRepPart
	if err := part.Unmarshal(plain); err != nil {
		r.Fatal(err)
	}
	return reply.Ticket, part.Key
}

// TestUnproved: an account that need not prove anything gets its ticket, and whoever asks for it ends no count of wrong passwords.
// The ticket brings authorization data to services, unless its client has said that it wants none (KERB-PA-PAC-REQUEST).
func TestUnproved(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	dn := r.user("jane", "userAccountControl", "4194816") // DONT_REQ_PREAUTH
	r.user("web", "servicePrincipalName", "HTTP/web")
	r.set(r.domain.BaseDN(), "lockoutThreshold", "5")
	if _, err := r.engine.Bind(t.Context(), true, "jane", []byte("wrong")); err == nil {
		t.Fatal("any password is good")
	}
	for asked, want := range map[byte]int{0: 0, 0xff: 1} {
		ticket, key := r.as("jane", password, types.PAData{PADataType: 128, PADataValue: []byte{0x30, 5, 0xa0, 3, 1, 1, asked}})
		request := grantRequest(t, "jane", ticket, key, "HTTP/web")
		var reply messages.TGSRep
		if err := reply.Unmarshal(r.server.Answer(t.Context(), marshal(t, &request), kdc.Peer{})); err != nil {
			t.Fatal(err)
		}
		web, _, err := crypto.GetKeyFromPassword(password, types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "web"), "CORP.EXAMPLE.COM", 18, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := reply.Ticket.Decrypt(web); err != nil {
			t.Fatal(err)
		}
		if got := len(reply.Ticket.DecryptedEncPart.AuthorizationData); got != want {
			t.Errorf("asked %x: %d pieces of authorization data", asked, got)
		}
	}
	entry, err := r.conn.Search(t.Context(), ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"badPwdCount"}, nil))
	if err != nil || entry.Entries[0].GetAttributeValue("badPwdCount") != "1" {
		t.Errorf("the count of wrong passwords: %v, %v", entry, err)
	}
	r.set(dn, "userAccountControl", "4194818")
	if code := codeOf(t, r.server.Answer(t.Context(), asRequest(t, "jane"), kdc.Peer{})); code != errorcode.KDC_ERR_CLIENT_REVOKED {
		t.Errorf("disabled: %s", errorcode.Lookup(code))
	}
}

// TestGuesses: wrong passwords beyond the limit are not looked at, nor are right ones for that moment; another address is not concerned.
func TestGuesses(t *testing.T) {
	engine := newEngine(t, time.Now)
	newDomain(t, engine, "d-1234567890", directory.SimpleAD)
	still := time.Now()
	server := kdc.New(kdc.Options{Engine: engine, Now: func() time.Time { return still }, Failures: throttle.New(throttle.Rate{PerSecond: 1, Burst: 2})})
	request, err := messages.NewASReqForTGT("CORP.EXAMPLE.COM", config.New(), types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "Administrator"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := types.EncryptedData{EType: 18, Cipher: make([]byte, 64)}
	request.PAData = types.PADataSequence{{PADataType: 2, PADataValue: marshal(t, &sealed)}}
	message := marshal(t, &request)
	near, far := kdc.Peer{Network: netip.MustParsePrefix("192.0.2.1/32")}, kdc.Peer{Network: netip.MustParsePrefix("192.0.2.2/32")}
	for i, want := range []int32{errorcode.KDC_ERR_PREAUTH_FAILED, errorcode.KDC_ERR_PREAUTH_FAILED, errorcode.KDC_ERR_SVC_UNAVAILABLE} {
		if code := codeOf(t, server.Answer(t.Context(), message, near)); code != want {
			t.Errorf("guess %d: %s", i+1, errorcode.Lookup(code))
		}
	}
	if code := codeOf(t, server.Answer(t.Context(), message, far)); code != errorcode.KDC_ERR_PREAUTH_FAILED {
		t.Errorf("from elsewhere: %s", errorcode.Lookup(code))
	}
	still = still.Add(time.Second)
	if code := codeOf(t, server.Answer(t.Context(), message, near)); code != errorcode.KDC_ERR_PREAUTH_FAILED {
		t.Errorf("a second later: %s", errorcode.Lookup(code))
	}
}

// TestAtOnce: many clients, no answer lost over TCP.
func TestAtOnce(t *testing.T) {
	r := newRealm(t, directory.SimpleAD)
	r.user("jane")
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			c := r.gokrb5("jane", password)
			if err := c.Login(); err != nil {
				t.Error(err)
				return
			}
			if _, _, err := c.GetServiceTicket("ldap/dc1"); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
}

func FuzzAnswer(f *testing.F) {
	r := newRealm(f, directory.SimpleAD)
	ticket, key := r.login("Administrator", "Pa55-of-the-boss")
	request := grantRequest(f, "Administrator", ticket, key, "ldap/dc1")
	f.Add(marshal(f, &request))
	f.Add(asRequest(f, "Administrator"))
	f.Fuzz(func(t *testing.T, message []byte) {
		reply := r.server.Answer(t.Context(), message, kdc.Peer{})
		if reply == nil {
			return
		}
		var refusal messages.KRBError
		var as messages.ASRep
		var tgs messages.TGSRep
		if refusal.Unmarshal(reply) != nil && as.Unmarshal(reply) != nil && tgs.Unmarshal(reply) != nil {
			t.Errorf("the answer can't be read: %x", reply)
		}
	})
}

func FuzzAnswerPassword(f *testing.F) {
	r := newRealm(f, directory.SimpleAD)
	f.Add([]byte{0, 10, 0, 1, 0, 2, 0x6e, 0, 0x75, 0})
	f.Add([]byte{0, 10, 0xff, 0x80, 0, 2, 0x6e, 0, 0x75, 0})
	ticket, key := r.login("Administrator", "Pa55-of-the-boss")
	proof, err := types.NewAuthenticator("CORP.EXAMPLE.COM", types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "Administrator"))
	if err != nil {
		f.Fatal(err)
	}
	ap, err := messages.NewAPReq(ticket, key, proof)
	if err != nil {
		f.Fatal(err)
	}
	priv := messages.NewKRBPriv(messages.EncKrbPrivPart{UserData: []byte("x")})
	if err := priv.EncryptEncPart(key); err != nil {
		f.Fatal(err)
	}
	f.Add(marshal(f, &kadmin.Request{APREQ: ap, KRBPriv: priv}))
	f.Fuzz(func(t *testing.T, message []byte) {
		reply := r.server.AnswerPassword(t.Context(), message, kdc.Peer{Local: netip.MustParseAddr("127.0.0.1")})
		if reply != nil && int(binary.BigEndian.Uint16(reply)) != len(reply) {
			t.Errorf("the answer's length is wrong: %x", reply)
		}
	})
}
