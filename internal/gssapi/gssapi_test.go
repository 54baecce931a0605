package gssapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const realm = "CORP.EXAMPLE.COM"

// now is a whole second, as tickets have no others.
var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// initiator makes tokens, as a test wants them.
type initiator struct {
	client, service    string
	etype              int32
	begins, ends, says time.Time
	flags              Flags
	subkey             bool
	ticketFlags        []int
	apOptions          []int
	authenticator      func(*types.Authenticator)

	session, key types.EncryptionKey
	send         uint64
	receive      uint64
	own          bool
}

func newInitiator() *initiator {
	return &initiator{
		client: "jane", service: "ldap/dc1.corp.example.com", etype: 18, begins: now.Add(-time.Minute), ends: now.Add(time.Hour), says: now,
		flags: Mutual | Sequence | Integrity | Confidentiality, subkey: true,
	}
}

func serviceKeys(t testing.TB) *keytab.Keytab {
	t.Helper()
	kt := keytab.New()
	for _, name := range []string{"ldap/dc1.corp.example.com", "krbtgt/" + realm} {
		for _, etype := range []int32{17, 18} {
			if err := kt.AddEntry(name, realm, "a password", now, 1, etype); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kt
}

// newAcceptor knows the key of one service.
func newAcceptor(t testing.TB) *Acceptor {
	t.Helper()
	kt := serviceKeys(t)
	return &Acceptor{Now: func() time.Time { return now }, Keys: func(of string, service []string) (keys []Key) {
		if of != realm || strings.Join(service, "/") != "ldap/dc1.corp.example.com" {
			return nil
		}
		keys = append(keys, Key{Owner: "other", Type: 18, Value: make([]byte, 32)})
		for _, etype := range []int32{17, 18} {
			key, _, err := kt.GetEncryptionKey(types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "ldap/dc1.corp.example.com"), realm, 1, etype)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, Key{Owner: "corp", Type: etype, Value: slices.Clone(key.KeyValue)})
		}
		return keys
	}}
}

// token is the AP-REQ, framed.
func (i *initiator) token(t testing.TB) []byte {
	t.Helper()
	cname := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, i.client)
	service := types.NewPrincipalName(nametype.KRB_NT_SRV_INST, i.service)
	ticket, session, err := messages.NewTicket(cname, realm, service, realm, kerberosFlags(i.ticketFlags...), serviceKeys(t), i.etype, 1, i.begins, i.begins, i.ends, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := types.NewAuthenticator(realm, cname)
	if err != nil {
		t.Fatal(err)
	}
	proof.CTime, proof.Cusec = i.says, 5
	if err := proof.GenerateSeqNumberAndSubKey(i.etype, len(session.KeyValue)); err != nil {
		t.Fatal(err)
	}
	i.session, i.key, i.send = session, proof.SubKey, uint64(proof.SeqNumber)
	if !i.subkey {
		proof.SubKey, i.key = types.EncryptionKey{}, session
	}
	proof.Cksum = types.Checksum{CksumType: checksumGSS, Checksum: binary.LittleEndian.AppendUint32(append([]byte{16, 0, 0, 0}, make([]byte, 16)...), uint32(i.flags))}
	if i.authenticator != nil {
		i.authenticator(&proof)
	}
	request, err := messages.NewAPReq(ticket, session, proof)
	if err != nil {
		t.Fatal(err)
	}
	request.APOptions = kerberosFlags(i.apOptions...)
	message, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	framed, err := frame(tokenAPReq, message)
	if err != nil {
		t.Fatal(err)
	}
	return framed
}

func kerberosFlags(set ...int) asn1.BitString {
	f := types.NewKrbFlags()
	types.SetFlags(&f, set)
	return f
}

// answered takes the acceptor's proof.
func (i *initiator) answered(t testing.TB, reply []byte) {
	t.Helper()
	var token spnego.KRB5Token
	if err := token.Unmarshal(reply); err != nil {
		t.Fatal(err)
	}
	plain, err := crypto.DecryptEncPart(token.APRep.EncPart, i.session, keyusage.AP_REP_ENCPART)
	if err != nil {
		t.Fatal(err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		t.Fatal(err)
	}
	if !part.CTime.Equal(i.says) || part.Cusec != 5 || part.SequenceNumber == 0 {
		t.Errorf("the acceptor proves %+v", part)
	}
	i.key, i.receive, i.own = part.Subkey, uint64(part.SequenceNumber), true
}

// wrap makes a token of the initiator's, sealed or signed.
func (i *initiator) wrap(t testing.TB, plain string, sealed bool, rotated uint16, extra int) []byte {
	t.Helper()
	kind := byte(0)
	if sealed {
		kind |= sealedFlag
	}
	if i.own {
		kind |= ownKeyFlag
	}
	number := i.send
	i.send++
	if !sealed {
		sum, err := checksum(append([]byte(plain), header(kind, 0, 0, number)...), i.key, keyusage.GSSAPI_INITIATOR_SEAL)
		if err != nil {
			t.Fatal(err)
		}
		return append(header(kind, checksumSize, rotated, number), rotate(append([]byte(plain), sum...), int(rotated))...)
	}
	inner := append([]byte(plain), make([]byte, extra)...)
	secret, err := encrypt(append(inner, header(kind, uint16(extra), 0, number)...), i.key, keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		t.Fatal(err)
	}
	return append(header(kind, uint16(extra), rotated, number), rotate(secret, int(rotated))...)
}

func rotate(b []byte, by int) []byte {
	by %= len(b)
	return slices.Concat(b[len(b)-by:], b[:len(b)-by])
}

// unwrap reads a token of the acceptor's: signed ones by gokrb5, which knows no other order than the RFC's example.
func (i *initiator) unwrap(t testing.TB, token []byte, sealed bool) string {
	t.Helper()
	if number := binary.BigEndian.Uint64(token[8:]); number != i.receive || token[2]&fromAcceptor == 0 || (token[2]&ownKeyFlag != 0) != i.own {
		t.Errorf("token %d with the flags %#x, want %d", number, token[2], i.receive)
	}
	i.receive++
	body := unrotate(token[headerSize:], int(binary.BigEndian.Uint16(token[6:])))
	if sealed {
		plain, err := decrypt(body, i.key, keyusage.GSSAPI_ACCEPTOR_SEAL)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain[:len(plain)-headerSize])
	}
	var wrapped gssapi.WrapToken
	if err := wrapped.Unmarshal(append(slices.Clone(token[:6]), append([]byte{0, 0}, append(slices.Clone(token[8:headerSize]), body...)...)...), true); err != nil {
		t.Fatal(err)
	}
	if ok, err := wrapped.Verify(i.key, keyusage.GSSAPI_ACCEPTOR_SEAL); !ok {
		t.Fatal(err)
	}
	return string(wrapped.Payload)
}

// TestAccept: both sides prove themselves, and understand each other from then on.
func TestAccept(t *testing.T) {
	for name, change := range map[string]func(*initiator){
		"aes256":            func(*initiator) {},
		"aes128":            func(i *initiator) { i.etype = 17 },
		"without a subkey":  func(i *initiator) { i.subkey = false },
		"without an answer": func(i *initiator) { i.flags &^= Mutual },
		"neither":           func(i *initiator) { i.flags &^= Mutual; i.subkey = false },
	} {
		t.Run(name, func(t *testing.T) {
			i := newInitiator()
			change(i)
			c, reply, err := newAcceptor(t).Accept(i.token(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Initiator{Owner: "corp", Realm: realm, Name: []string{"jane"}}, c.Initiator); diff != "" || c.Flags != i.flags {
				t.Errorf("flags %#x %s", c.Flags, diff)
			}
			if (reply != nil) != (i.flags&Mutual != 0) {
				t.Fatalf("the answer is % x", reply)
			}
			i.receive = i.send
			if reply != nil {
				i.answered(t, reply)
			}
			for round := range 3 {
				for _, sealed := range []bool{false, true} {
					said := strings.Repeat("hello ", round*1000)
					token, err := c.Wrap([]byte(said), sealed)
					if err != nil || len(token) > len(said)+Overhead {
						t.Fatalf("%d bytes, %v", len(token), err)
					}
					if sealed && round > 0 && bytes.Contains(token, []byte("hello")) {
						t.Error("a sealed token can be read")
					}
					if got := i.unwrap(t, token, sealed); got != said {
						t.Errorf("the initiator reads %q", got)
					}
					for _, rotated := range []uint16{0, 1, 12, 28, 60000} {
						plain, was, err := c.Unwrap(i.wrap(t, said, sealed, rotated, 16))
						if err != nil || string(plain) != said || was != sealed {
							t.Errorf("rotated by %d: the acceptor reads %q, sealed %t, %v", rotated, plain, was, err)
						}
					}
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*initiator)
		want   string
	}{
		"expired":              {func(i *initiator) { i.ends = now.Add(-Skew - time.Second) }, "has expired"},
		"not yet valid":        {func(i *initiator) { i.begins = now.Add(Skew + time.Second) }, "not yet valid"},
		"marked as invalid":    {func(i *initiator) { i.ticketFlags = []int{flags.Invalid} }, "not yet valid"},
		"a clock that is slow": {func(i *initiator) { i.says = now.Add(-Skew - time.Second) }, "too far apart"},
		"a clock that is fast": {func(i *initiator) { i.says = now.Add(Skew + time.Second) }, "too far apart"},
		"somebody else's name": {func(i *initiator) {
			i.authenticator = func(a *types.Authenticator) { a.CName.NameString = []string{"chief"} }
		}, "somebody else's"},
		"another realm": {func(i *initiator) { i.authenticator = func(a *types.Authenticator) { a.CRealm = "OTHER" } }, "somebody else's"},
		"no checksum":   {func(i *initiator) { i.authenticator = func(a *types.Authenticator) { a.Cksum = types.Checksum{} } }, "not of the GSS-API"},
		"a short checksum": {func(i *initiator) {
			i.authenticator = func(a *types.Authenticator) { a.Cksum.Checksum = a.Cksum.Checksum[:23] }
		}, "not of the GSS-API"},
		"DCE style": {func(i *initiator) { i.flags |= dceStyle }, "DCE style"},
		"a subkey for RC4": {func(i *initiator) {
			i.authenticator = func(a *types.Authenticator) { a.SubKey = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)} }
		}, "not AES"},
		"a subkey that is too short": {func(i *initiator) {
			i.authenticator = func(a *types.Authenticator) { a.SubKey.KeyValue = a.SubKey.KeyValue[:16] }
		}, "not AES"},
		"a ticket for tickets": {func(i *initiator) { i.service = "krbtgt/" + realm }, "another kind"},
		"user-to-user":         {func(i *initiator) { i.apOptions = []int{flags.APOptionUseSessionKey} }, "another kind"},
	} {
		i := newInitiator()
		c.change(i)
		if _, reply, err := newAcceptor(t).Accept(i.token(t)); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want) || reply != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, i := newAcceptor(t), newInitiator()
	token := i.token(t)
	a.Keys = func(string, []string) []Key { return []Key{{Owner: "other", Type: 18, Value: make([]byte, 32)}} }
	if _, _, err := a.Accept(token); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `no key opens a ticket for "ldap/dc1.corp.example.com"`) {
		t.Errorf("a ticket of another service: %v", err)
	}
}

// TestReplay: an authenticator is good once, for as long as it could be taken for a new one.
func TestReplay(t *testing.T) {
	a, i := newAcceptor(t), newInitiator()
	token := i.token(t)
	if _, _, err := a.Accept(token); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Accept(token); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "came before") {
		t.Errorf("the same again: %v", err)
	}
	if _, _, err := a.Accept(newInitiator().token(t)); err != nil {
		t.Errorf("another one: %v", err)
	}
	if !a.replays.first([]byte("later"), now.Add(2*Skew+time.Second)) || len(a.replays.seen) != 1 || len(a.replays.order) != 1 {
		t.Errorf("%d are remembered", len(a.replays.seen))
	}
}

// TestAltered: no octet of a token can be changed.
func TestAltered(t *testing.T) {
	a, i := newAcceptor(t), newInitiator()
	c, reply, err := a.Accept(i.token(t))
	if err != nil {
		t.Fatal(err)
	}
	i.answered(t, reply)
	for _, sealed := range []bool{true, false} {
		token := i.wrap(t, "four", sealed, 0, 0)
		i.send--
		for at := range token {
			altered := bytes.Clone(token)
			altered[at] ^= 1
			if at == 6 || at == 7 { // a rotation is not protected, but of use to nobody
				continue
			}
			if plain, _, err := c.Unwrap(altered); err == nil {
				t.Fatalf("sealed %t: octet %d was changed: %q", sealed, at, plain)
			}
		}
		for _, short := range []int{0, 1, headerSize, len(token) - 1} {
			if _, _, err := c.Unwrap(token[:short]); err == nil {
				t.Errorf("%d octets are taken", short)
			}
		}
		if _, _, err := c.Unwrap(token); err != nil {
			t.Fatal(err)
		}
		i.send++
		if _, _, err := c.Unwrap(token); !errors.Is(err, ErrRefused) {
			t.Errorf("the same again: %v", err)
		}
		i.send++
		if _, _, err := c.Unwrap(i.wrap(t, "behind a gap", sealed, 0, 0)); !errors.Is(err, ErrRefused) {
			t.Errorf("behind a gap: %v", err)
		}
		i.send -= 2
	}
	own, err := c.Wrap([]byte("x"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Unwrap(own); err == nil {
		t.Error("the acceptor takes what it has said itself")
	}
}

func negotiated(t testing.TB, inner []byte, mechanisms ...[]byte) []byte {
	t.Helper()
	explicit := func(b *cryptobyte.Builder, tag uint8, content func(*cryptobyte.Builder)) {
		b.AddASN1(casn1.Tag(tag).ContextSpecific().Constructed(), content)
	}
	var b cryptobyte.Builder
	b.AddASN1(mechanismTag, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(negotiation) })
		explicit(b, 0, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				explicit(b, 0, func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, m := range mechanisms {
							b.AddASN1(casn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(m) })
						}
					})
				})
				explicit(b, 1, func(b *cryptobyte.Builder) { b.AddASN1BitString([]byte{0}) })
				if inner != nil {
					explicit(b, 2, func(b *cryptobyte.Builder) { b.AddASN1OctetString(inner) })
				}
			})
		})
	})
	return b.BytesOrPanic()
}

func TestNegotiate(t *testing.T) {
	ntlm := []byte{0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a}
	for _, mechanisms := range [][][]byte{{kerberos}, {oldKerberos, kerberos, ntlm}} {
		i := newInitiator()
		c, reply, err := newAcceptor(t).Negotiate(negotiated(t, i.token(t), mechanisms...))
		if err != nil || c.Initiator.Name[0] != "jane" {
			t.Fatal(err)
		}
		var answer spnego.NegTokenResp
		if err := answer.Unmarshal(reply); err != nil {
			t.Fatal(err)
		}
		if oid, _ := answer.SupportedMech.String(), 0; answer.NegState != acceptCompleted || !strings.HasPrefix(oid, "1.2.840.") {
			t.Errorf("the answer is %v of %s", answer.NegState, oid)
		}
		i.answered(t, answer.ResponseToken)
	}
	many := slices.Repeat([][]byte{kerberos}, maxMechanisms+1)
	for name, c := range map[string]struct {
		token []byte
		want  error
	}{
		"nothing":        {nil, ErrToken},
		"no mechanism":   {negotiated(t, []byte{1}), ErrRefused},
		"NTLM":           {negotiated(t, []byte{1}, ntlm), ErrRefused},
		"NTLM first":     {negotiated(t, []byte{1}, ntlm, kerberos), ErrRefused},
		"no token":       {negotiated(t, nil, kerberos), ErrToken},
		"too many":       {negotiated(t, []byte{1}, many...), ErrToken},
		"not negotiated": {newInitiator().token(t), ErrToken},
		"too large":      {negotiated(t, make([]byte, MaxToken), kerberos), ErrToken},
		"behind it":      {append(negotiated(t, newInitiator().token(t), kerberos), 0), ErrToken},
	} {
		if _, _, err := newAcceptor(t).Negotiate(c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	offer, err := Offer()
	if err != nil {
		t.Fatal(err)
	}
	if mechanism, _, err := readInit(append(offer[:0:0], offer...)); !errors.Is(err, ErrToken) || mechanism != nil {
		t.Errorf("the offer has a token: %v", err) // it names mechanisms and no more
	}
}

// FuzzAccept: whatever comes is refused.
func FuzzAccept(f *testing.F) {
	altered := newInitiator().token(f)
	altered[len(altered)-1] ^= 1
	f.Add(altered)
	f.Add(negotiated(f, altered, kerberos))
	f.Add(altered[:40])
	a := newAcceptor(f)
	f.Fuzz(func(t *testing.T, token []byte) {
		for _, accept := range []func([]byte) (*Context, []byte, error){a.Accept, a.Negotiate} {
			if c, reply, err := accept(token); err == nil || c != nil || reply != nil {
				t.Errorf("% x is taken", token)
			} else if !errors.Is(err, ErrToken) && !errors.Is(err, ErrRefused) {
				t.Errorf("%v", err)
			}
		}
	})
}

// FuzzUnwrap: whatever comes over a connection with a layer is refused.
func FuzzUnwrap(f *testing.F) {
	i := newInitiator()
	c, reply, err := newAcceptor(f).Accept(i.token(f))
	if err != nil {
		f.Fatal(err)
	}
	i.answered(f, reply)
	f.Add(i.wrap(f, "hello", true, 28, 3)[:40])
	f.Add(i.wrap(f, "hello", false, 12, 0)[:20])
	f.Add(header(sealedFlag|ownKeyFlag, 65535, 65535, 0))
	f.Fuzz(func(t *testing.T, token []byte) {
		if plain, _, err := c.Unwrap(token); err == nil || plain != nil {
			t.Errorf("% x is taken", token)
		}
	})
}
