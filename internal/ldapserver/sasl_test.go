package ldapserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/client"
	krb5config "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/gssapi"
)

const (
	testRealm   = "CORP.EXAMPLE.COM"
	testService = "ldap/dc1.corp.example.com"
)

// kerberosTree is a fakeTree whose jane has tickets.
type kerberosTree struct {
	*fakeTree
	keytab *keytab.Keytab
}

func newKerberosTree(t testing.TB) kerberosTree {
	t.Helper()
	kt := keytab.New()
	if err := kt.AddEntry(testService, testRealm, "of the machine", time.Now(), 1, 18); err != nil {
		t.Fatal(err)
	}
	return kerberosTree{newFakeTree(), kt}
}

func (k kerberosTree) Keys(realm string, service []string) []gssapi.Key {
	key, _, err := k.keytab.GetEncryptionKey(types.PrincipalName{NameString: service}, realm, 1, 18)
	if err != nil {
		return nil
	}
	return []gssapi.Key{{Owner: "corp", Type: 18, Value: bytes.Clone(key.KeyValue)}}
}

func (k kerberosTree) Kerberos(_ context.Context, peer Peer, initiator gssapi.Initiator, identity string) (Session, error) {
	if initiator.Owner != "corp" || initiator.Realm != testRealm || !slices.Equal(initiator.Name, []string{"jane"}) || identity != "" && identity != "u:jane" {
		return nil, refuse(ldap.LDAPResultInvalidCredentials, "80090308: LdapErr: AcceptSecurityContext error, data 525, v4563")
	}
	return &fakeSession{tree: k.fakeTree, peer: peer, who: `u:CORP\jane`}, nil
}

// saslPeer is a client that binds by GSSAPI, step by step.
type saslPeer struct {
	*rawPeer
	session, key types.EncryptionKey
	number       uint64 // of the next token
	own          byte
	next         int32
}

func (f *fixture) saslPeer(t *testing.T) *saslPeer {
	t.Helper()
	return &saslPeer{rawPeer: f.raw(t), next: 1}
}

// token is the AP-REQ of jane, with these flags of the GSS-API.
func (p *saslPeer) token(k kerberosTree, flags ...int) []byte {
	p.t.Helper()
	cname := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "jane")
	now := time.Now()
	ticket, session, err := messages.NewTicket(cname, testRealm, types.NewPrincipalName(nametype.KRB_NT_SRV_INST, testService), testRealm, types.NewKrbFlags(), k.keytab, 18, 1,
		now, now, now.Add(time.Hour), time.Time{})
	if err != nil {
		p.t.Fatal(err)
	}
	who := client.NewWithPassword("jane", testRealm, "", krb5config.New())
	token, err := spnego.NewKRB5TokenAPREQ(who, ticket, session, flags, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := token.APReq.DecryptAuthenticator(session); err != nil {
		p.t.Fatal(err)
	}
	p.session, p.key, p.number, p.own = session, token.APReq.Authenticator.SubKey, uint64(token.APReq.Authenticator.SeqNumber), 0
	b, err := token.Marshal()
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// step sends one message of a bind, and gives back its result with the server's credentials.
func (p *saslPeer) step(mechanism string, credentials []byte) (code int64, answer []byte) {
	p.t.Helper()
	p.rawPeer.send(bindSASL(p.next, mechanism, credentials))
	p.next++
	got, err := p.receive()
	if err != nil {
		p.t.Fatal(err)
	}
	body := cursor(got.body)
	code, _ = body.integer(tagEnumerated)
	_, _ = body.text()
	_, _ = body.text()
	answer, _, _ = body.optional(tagServerCredentials)
	return code, bytes.Clone(answer)
}

func bindSASL(id int32, mechanism string, credentials []byte) []byte {
	inner := appendText(nil, mechanism)
	if credentials != nil {
		inner = appendOctets(inner, tagOctetString, credentials)
	}
	return pdu(id, tagBindRequest, appendInteger(nil, tagInteger, 3), appendText(nil, ""), appendOctets(nil, tagSASL, inner))
}

// proved takes the server's proof.
func (p *saslPeer) proved(reply []byte) {
	p.t.Helper()
	var token spnego.KRB5Token
	if err := token.Unmarshal(reply); err != nil {
		p.t.Fatal(err)
	}
	plain, err := crypto.DecryptEncPart(token.APRep.EncPart, p.session, keyusage.AP_REP_ENCPART)
	if err != nil {
		p.t.Fatal(err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		p.t.Fatal(err)
	}
	p.key, p.own = part.Subkey, 4
}

func (p *saslPeer) wrap(plain []byte, sealed bool) []byte {
	p.t.Helper()
	e, err := crypto.GetEtype(p.key.KeyType)
	if err != nil {
		p.t.Fatal(err)
	}
	header := func(flags byte, extra uint16) []byte {
		h := binary.BigEndian.AppendUint16([]byte{5, 4, flags | p.own, 0xff}, extra)
		return binary.BigEndian.AppendUint64(append(h, 0, 0), p.number)
	}
	defer func() { p.number++ }()
	if sealed {
		_, secret, err := e.EncryptMessage(p.key.KeyValue, slices.Concat(plain, header(2, 0)), keyusage.GSSAPI_INITIATOR_SEAL)
		if err != nil {
			p.t.Fatal(err)
		}
		return append(header(2, 0), secret...)
	}
	sum, err := e.GetChecksumHash(p.key.KeyValue, slices.Concat(plain, header(0, 0)), keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		p.t.Fatal(err)
	}
	return slices.Concat(header(0, uint16(len(sum))), plain, sum)
}

// unwrap takes what is in a token of the server's, whatever its form.
func (p *saslPeer) unwrap(token []byte) []byte {
	p.t.Helper()
	if token[2]&2 != 0 {
		plain, err := crypto.DecryptMessage(token[16:], p.key, keyusage.GSSAPI_ACCEPTOR_SEAL)
		if err != nil {
			p.t.Fatal(err)
		}
		return plain[:len(plain)-16]
	}
	return token[16+12:] // the checksum is in front
}

// covered reads and writes under the layer.
type covered struct {
	net.Conn
	p      *saslPeer
	sealed bool
	plain  []byte
}

func (c *covered) Write(b []byte) (int, error) {
	token := c.p.wrap(b, c.sealed)
	_, err := c.Conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...))
	return len(b), err
}

func (c *covered) Read(b []byte) (int, error) {
	if len(c.plain) == 0 {
		var length [4]byte
		if _, err := io.ReadFull(c.Conn, length[:]); err != nil {
			return 0, err
		}
		token := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(c.Conn, token); err != nil {
			return 0, err
		}
		c.plain = c.p.unwrap(token)
	}
	n := copy(b, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

const (
	mutual   = 2
	sequence = 8
	conf     = 16
	integ    = 32
)

// bindLayer binds by GSSAPI and chooses a layer; the connection is then under it.
func (p *saslPeer) bindLayer(k kerberosTree, layer byte, most uint32, identity string) (code int64) {
	p.t.Helper()
	code, reply := p.step("GSSAPI", p.token(k, mutual, sequence, conf, integ))
	if code != ldap.LDAPResultSaslBindInProgress {
		p.t.Fatalf("the token: %d", code)
	}
	p.proved(reply)
	code, offer := p.step("GSSAPI", []byte{})
	if code != ldap.LDAPResultSaslBindInProgress {
		p.t.Fatalf("the offer: %d", code)
	}
	if got := p.unwrap(offer); !bytes.Equal(got, []byte{7, 1, 0, 0}) {
		p.t.Fatalf("offered % x", got)
	}
	code, _ = p.step("GSSAPI", p.wrap(append(binary.BigEndian.AppendUint32(nil, uint32(layer)<<24|most), identity...), false))
	if code == 0 && layer > 1 {
		under := &covered{Conn: p.Conn, p: p, sealed: layer == 4}
		p.Conn, p.in.stream = under, under
	}
	return code
}

func newKerberosFixture(t *testing.T, limits Limits) (*fixture, kerberosTree) {
	t.Helper()
	k := newKerberosTree(t)
	f := newFixtureOf(t, k, k.fakeTree, limits, nil)
	return f, k
}

// TestSASLLayers: under each layer a client is served, and what it is known as follows it.
func TestSASLLayers(t *testing.T) {
	f, k := newKerberosFixture(t, Limits{})
	for _, layer := range []byte{layerNone, layerSign, layerSeal} {
		for _, most := range []uint32{gssapi.Overhead + 1, 1000, 0xffffff} {
			p := f.saslPeer(t)
			if code := p.bindLayer(k, layer, most, "u:jane"); code != 0 {
				t.Fatalf("layer %d of %d: %d", layer, most, code)
			}
			p.rawPeer.send(searchRequest(90, rootDN, 2, present("cn")))
			for entries := 0; ; entries++ {
				got, err := p.receive()
				if err != nil {
					t.Fatal(err)
				}
				if got.tag != tagSearchEntry {
					if entries != 26 {
						t.Errorf("layer %d of %d: %d entries", layer, most, entries)
					}
					break
				}
			}
			// Only where nobody can read it may a password pass.
			p.rawPeer.send(pdu(91, tagExtendedRequest, appendOctets(nil, tagRequestName, oidPasswordModify), appendOctets(nil, tagRequestValue, appendOctets(nil, tagSequence, appendOctets(nil, tagNewPassword, janeSecret)))))
			got, err := p.receive()
			if err != nil {
				t.Fatal(err)
			}
			body := cursor(got.body)
			if code, _ := body.integer(tagEnumerated); (code == 0) != (layer == layerSeal) {
				t.Errorf("layer %d: a password is set: %d", layer, code)
			}
		}
	}
}

// TestSASLRefused: what a client can do wrong on its way.
func TestSASLRefused(t *testing.T) {
	f, k := newKerberosFixture(t, Limits{})
	const refused = ldap.LDAPResultInvalidCredentials
	choose := func(layer byte, most uint32, identity string) func(*saslPeer) int64 {
		return func(p *saslPeer) int64 { return p.bindLayer(k, layer, most, identity) }
	}
	first := func(mechanism string, token func(*saslPeer) []byte) func(*saslPeer) int64 {
		return func(p *saslPeer) int64 { code, _ := p.step(mechanism, token(p)); return code }
	}
	bytesOf := func(b []byte) func(*saslPeer) []byte { return func(*saslPeer) []byte { return b } }
	for name, c := range map[string]struct {
		run  func(*saslPeer) int64
		code int64
	}{
		"a layer that is none of the offered": {choose(8, 1000, ""), refused},
		"two layers":                          {choose(6, 1000, ""), refused},
		"a layer without room":                {choose(layerSeal, gssapi.Overhead, ""), refused},
		"somebody else":                       {choose(layerNone, 0, "u:chief"), refused},
		"an identity that is no text":         {choose(layerNone, 0, "u:\xff"), refused},
		"nonsense":                            {first("GSSAPI", bytesOf([]byte("nonsense"))), refused},
		"nonsense, negotiated":                {first("GSS-SPNEGO", bytesOf([]byte("nonsense"))), refused},
		"no negotiation":                      {first("GSS-SPNEGO", func(p *saslPeer) []byte { return p.token(k, mutual) }), refused},
		"an unknown mechanism":                {first("PLAIN", bytesOf([]byte("\x00jane\x00x"))), ldap.LDAPResultAuthMethodNotSupported},
		"EXTERNAL":                            {first("EXTERNAL", bytesOf(nil)), ldap.LDAPResultAuthMethodNotSupported},
		"the server is to begin":              {first("GSSAPI", bytesOf([]byte{})), ldap.LDAPResultSaslBindInProgress},
		"the server is to negotiate":          {first("GSS-SPNEGO", bytesOf(nil)), ldap.LDAPResultSaslBindInProgress},
		"nothing, twice": {func(p *saslPeer) int64 {
			_, _ = p.step("GSSAPI", nil)
			code, _ := p.step("GSSAPI", nil)
			return code
		}, refused},
		"the same token twice": {func(p *saslPeer) int64 {
			token := p.token(k, mutual)
			_, _ = p.step("GSSAPI", token)
			_, _ = p.step("EXTERNAL", nil) // ends the first
			code, _ := p.step("GSSAPI", token)
			return code
		}, refused},
		"another mechanism in between": {func(p *saslPeer) int64 {
			_, reply := p.step("GSSAPI", p.token(k, mutual, sequence))
			p.proved(reply)
			_, _ = p.step("EXTERNAL", nil)
			code, _ := p.step("GSSAPI", nil) // begins anew
			return code
		}, ldap.LDAPResultSaslBindInProgress},
		"a choice that is not wrapped": {func(p *saslPeer) int64 {
			_, reply := p.step("GSSAPI", p.token(k, mutual, sequence))
			p.proved(reply)
			_, _ = p.step("GSSAPI", nil)
			code, _ := p.step("GSSAPI", []byte{1, 0, 0, 0})
			return code
		}, refused},
		"no layer without an order": {func(p *saslPeer) int64 {
			_, reply := p.step("GSSAPI", p.token(k, mutual, conf, integ))
			p.proved(reply)
			_, offer := p.step("GSSAPI", nil)
			if got := p.unwrap(offer); !bytes.Equal(got, []byte{1, 0, 0, 0}) {
				p.t.Errorf("offered % x", got)
			}
			code, _ := p.step("GSSAPI", p.wrap([]byte{4, 1, 0, 0}, false))
			return code
		}, refused},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.saslPeer(t)
			if code := c.run(p); code != c.code {
				t.Errorf("%d, want %d", code, c.code)
			}
			// The connection goes on, and is nobody's.
			p.rawPeer.send(pdu(99, tagExtendedRequest, appendOctets(nil, tagRequestName, oidWhoAmI)))
			got, err := p.receive()
			if err != nil || !bytes.HasSuffix(got.body, []byte{tagResponseValue, 0}) {
				t.Errorf("who is it: % x, %v", got.body, err)
			}
		})
	}
}

// TestSASLLayerHostile: who leaves the layer loses the connection.
func TestSASLLayerHostile(t *testing.T) {
	f, k := newKerberosFixture(t, Limits{})
	framed := func(token []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)
	}
	whoAmIRequest := pdu(50, tagExtendedRequest, appendOctets(nil, tagRequestName, oidWhoAmI))
	for name, send := range map[string]func(*saslPeer) []byte{
		"in the clear": func(*saslPeer) []byte { return whoAmIRequest },
		"too large":    func(*saslPeer) []byte { return []byte{0x7f, 0xff, 0xff, 0xff} },
		"empty":        func(*saslPeer) []byte { return []byte{0, 0, 0, 0} },
		"short":        func(*saslPeer) []byte { return framed([]byte{5, 4, 0}) },
		"signed only":  func(p *saslPeer) []byte { return framed(p.wrap(whoAmIRequest, false)) },
		"altered": func(p *saslPeer) []byte {
			token := p.wrap(whoAmIRequest, true)
			token[len(token)-1] ^= 1
			return framed(token)
		},
		"out of turn": func(p *saslPeer) []byte {
			p.number++
			return framed(p.wrap(whoAmIRequest, true))
		},
		"cut": func(p *saslPeer) []byte { return framed(p.wrap(whoAmIRequest, true))[:30] },
	} {
		t.Run(name, func(t *testing.T) {
			p := f.saslPeer(t)
			raw := p.Conn
			if code := p.bindLayer(k, layerSeal, 1000, ""); code != 0 {
				t.Fatal(code)
			}
			if _, err := raw.Write(send(p)); err != nil {
				t.Fatal(err)
			}
			if half, ok := raw.(interface{ CloseWrite() error }); ok && name == "cut" {
				_ = half.CloseWrite()
			}
			_ = raw.SetReadDeadline(time.Now().Add(soon))
			if _, err := p.receive(); err == nil || errors.Is(err, errIdle) {
				t.Errorf("it goes on: %v", err)
			}
		})
	}
	t.Run("what follows the last step in the clear", func(t *testing.T) {
		p := f.saslPeer(t)
		_, reply := p.step("GSSAPI", p.token(k, mutual, sequence, conf, integ))
		p.proved(reply)
		_, _ = p.step("GSSAPI", nil)
		last := bindSASL(p.next, "GSSAPI", p.wrap([]byte{4, 1, 0, 0}, false))
		p.rawPeer.send(append(last, whoAmIRequest...))
		p.wantNotice(ldap.LDAPResultProtocolError)
	})
	t.Run("again, and TLS", func(t *testing.T) {
		p := f.saslPeer(t)
		if code := p.bindLayer(k, layerSign, 1000, ""); code != 0 {
			t.Fatal(code)
		}
		p.rawPeer.send(pdu(60, tagExtendedRequest, appendOctets(nil, tagRequestName, oidStartTLS)))
		got, err := p.receive()
		body := cursor(got.body)
		if code, _ := body.integer(tagEnumerated); err != nil || code != ldap.LDAPResultOperationsError {
			t.Errorf("StartTLS: %d %v", code, err)
		}
		p.rawPeer.send(bindSASL(61, "GSSAPI", []byte("x")))
		got, err = p.receive()
		body = cursor(got.body)
		if code, _ := body.integer(tagEnumerated); err != nil || code != ldap.LDAPResultUnwillingToPerform {
			t.Errorf("another bind: %d %v", code, err)
		}
	})
}

// TestSASLSlow: a token in pieces is a token.
func TestSASLSlow(t *testing.T) {
	f, k := newKerberosFixture(t, Limits{})
	p := f.saslPeer(t)
	raw := p.Conn
	if code := p.bindLayer(k, layerSeal, 1000, ""); code != 0 {
		t.Fatal(code)
	}
	token := p.wrap(pdu(50, tagExtendedRequest, appendOctets(nil, tagRequestName, oidWhoAmI)), true)
	for _, b := range append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...) {
		if _, err := raw.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := p.receive(); err != nil || !strings.HasSuffix(string(got.body), `u:CORP\jane`) {
		t.Errorf("% x, %v", got.body, err)
	}
}

// FuzzLayer lets a connection under a layer hear any bytes: it ends, and holds no more memory than its limit.
func FuzzLayer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 5, 4, 2, 255, 0})
	f.Add([]byte{0, 1, 0, 0})
	f.Add(append([]byte{0, 0, 0, 60}, make([]byte, 60)...))
	k := newKerberosTree(f)
	p := &saslPeer{rawPeer: &rawPeer{t: f}}
	acceptor := gssapi.Acceptor{Keys: k.Keys, Now: time.Now}
	context, _, err := acceptor.Accept(p.token(k, mutual, sequence, conf, integ))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newLayer(&script{Reader: bytes.NewReader(data)}, secured{context, true, 1000}, 1<<12)
		if n, err := io.Copy(io.Discard, l); n != 0 {
			t.Errorf("%d bytes, %v", n, err)
		}
		if cap(l.token) > 1<<12+lengthSize+512 {
			t.Errorf("%d bytes of memory", cap(l.token))
		}
	})
}

// FuzzSASL lets binds of SASL have any credentials: none is taken.
func FuzzSASL(f *testing.F) {
	k := newKerberosTree(f)
	p := &saslPeer{rawPeer: &rawPeer{t: f}}
	f.Add("GSSAPI", p.token(k, mutual)[:100], []byte{})
	f.Add("GSS-SPNEGO", []byte{0x60, 0x20}, []byte{1})
	f.Add("GSSAPI", []byte{}, []byte{0x60})
	server, err := New(Options{Backend: k, TLS: &tls.Config{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(server.stop)
	f.Fuzz(func(t *testing.T, mechanism string, one, two []byte) {
		c := newConnection(server, &script{Reader: bytes.NewReader(nil)}, Peer{Loopback: true, Addr: "fuzz"})
		defer c.cancel()
		for _, credentials := range [][]byte{one, two} {
			m, err := decodeMessage(bindSASL(1, mechanism, credentials))
			if err != nil {
				t.Fatal(err)
			}
			if step, err := c.authenticate(m); step.session != nil || err == nil {
				t.Errorf("%s % x is taken: %v", mechanism, credentials, err)
			}
		}
	})
}
