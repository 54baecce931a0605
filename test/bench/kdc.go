package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

const (
	realm   = "BENCH.EXAMPLE.COM"
	service = "host/dc1.bench.example.com"

	// The first byte of a reply: APPLICATION 11 and 13 (RFC 4120 section 5.10).
	asReply, tgsReply = 0x6b, 0x6d
)

// center is a key distribution center, whoever runs it.
type center struct{ name, address string }

// tickets measures the AS and TGS exchanges beside MIT's krb5kdc and Samba, all with aes256-cts-hmac-sha1-96.
func tickets(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer s.discard()
	if _, err := s.resetAll(ctx); err != nil {
		return err
	}
	mit, stop, err := startKrb5kdc(ctx, filepath.Dir(program))
	if err != nil {
		return err
	}
	defer stop()
	domain, err := newServerOn(ctx, program, "samba", "--samba-address", sambaAddress, "--samba-controllers", "1")
	if err != nil {
		return err
	}
	defer domain.discard()
	if _, err := domain.resetAll(ctx); err != nil {
		return err
	}
	centers := []*center{{"embedded", s.KDC}, mit, {"Samba", sambaAddress + ":88"}}
	for _, each := range []struct {
		what  string
		reply byte
		ask   func(c *center, i int) (func() ([]byte, error), error)
	}{
		{"AS exchanges/s, with pre-authentication", asReply, (*center).logins},
		{"TGS exchanges/s", tgsReply, (*center).services},
	} {
		for _, clients := range []int{1, 8} {
			loads := make([]load, len(centers))
			for i, c := range centers {
				connect := c.asker(clients, each.reply, each.ask)
				loads[i] = func(ctx context.Context, d time.Duration) (rates, error) { return measure(ctx, clients, d, connect) }
			}
			r, err := byTurns(ctx, o.duration, loads...)
			if err != nil {
				return fmt.Errorf("%s: %w", each.what, err)
			}
			toMIT, toSamba := r[0].perSecond()/r[1].perSecond(), r[0].perSecond()/r[2].perSecond()
			mark := ""
			if clients == 8 {
				mark = goal("≥ krb5kdc", toMIT >= 1)
			}
			t.add(fmt.Sprintf("Kerberos: %s, %s", each.what, plural(clients)), r[0].String(), "krb5kdc "+r[1].String()+"; Samba "+r[2].String(),
				fmt.Sprintf("%.2f × krb5kdc · %.2f × Samba", toMIT, toSamba), mark)
		}
	}
	return nil
}

// perSlice is how many requests are made before a slice of measurement, for all clients: making them costs as much as answering.
const perSlice = 4000

// asker is a client that sends requests which were made before: no KDC takes one twice.
func (c *center) asker(clients int, reply byte, ask func(c *center, i int) (func() ([]byte, error), error)) connector {
	return func(_ context.Context, i int) (caller, func(), error) {
		next, err := ask(c, i)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name, err)
		}
		var made [][]byte
		for range perSlice/clients + 1 {
			message, err := next()
			if err != nil {
				return nil, nil, err
			}
			made = append(made, message)
		}
		return func() error {
			if len(made) == 0 {
				message, err := next()
				if err != nil {
					return err
				}
				made = append(made, message)
			}
			message := made[0]
			made = made[1:]
			answer, err := c.converse(message)
			if err == nil && answer[0] != reply {
				err = refused(answer)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			return nil
		}, func() {}, nil
	}
}

// converse is one exchange over TCP (RFC 4120 section 7.2.2), by a connection of its own, as clients do: a reply with a PAC is
// too long for a datagram.
func (c *center) converse(message []byte) ([]byte, error) {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(head[:])&0xfffff)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		return nil, errors.New("an empty answer")
	}
	return answer, nil
}

func refused(answer []byte) error {
	var no messages.KRBError
	if err := no.Unmarshal(answer); err != nil {
		return fmt.Errorf("not an answer: %x", answer[:min(len(answer), 16)])
	}
	return no
}

func clientConfig() *config.Config {
	c := config.New()
	c.LibDefaults.DefaultRealm = realm
	c.LibDefaults.DefaultTktEnctypeIDs, c.LibDefaults.DefaultTGSEnctypeIDs = []int32{etypeID.AES256_CTS_HMAC_SHA1_96}, []int32{etypeID.AES256_CTS_HMAC_SHA1_96}
	c.LibDefaults.NoAddresses = true
	return c
}

func principal(text string) types.PrincipalName {
	return types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, text)
}

// logins makes AS requests of a bench user.
func (c *center) logins(i int) (func() ([]byte, error), error) {
	name := principal(fmt.Sprintf("user%d", i%benchUsers))
	key, _, err := crypto.GetKeyFromPassword(password(i), name, realm, etypeID.AES256_CTS_HMAC_SHA1_96, nil)
	if err != nil {
		return nil, err
	}
	return func() ([]byte, error) {
		request, err := messages.NewASReqForTGT(realm, clientConfig(), name)
		if err != nil {
			return nil, err
		}
		stamp, err := types.GetPAEncTSEncAsnMarshalled()
		if err != nil {
			return nil, err
		}
		sealed, err := crypto.GetEncryptedData(stamp, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, 0)
		if err != nil {
			return nil, err
		}
		value, err := sealed.Marshal()
		if err != nil {
			return nil, err
		}
		request.PAData = types.PADataSequence{{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value}}
		return request.Marshal()
	}, nil
}

// services makes TGS requests of a bench user, who logs in before.
func (c *center) services(i int) (func() ([]byte, error), error) {
	login, err := c.logins(i)
	if err != nil {
		return nil, err
	}
	message, err := login()
	if err != nil {
		return nil, err
	}
	answer, err := c.converse(message)
	if err != nil {
		return nil, err
	}
	var reply messages.ASRep
	if err := reply.Unmarshal(answer); err != nil {
		return nil, errors.Join(err, refused(answer))
	}
	user := credentials.New(fmt.Sprintf("user%d", i%benchUsers), realm).WithPassword(password(i))
	if _, err := reply.DecryptEncPart(user); err != nil {
		return nil, err
	}
	return func() ([]byte, error) {
		request, err := messages.NewTGSReq(reply.CName, realm, clientConfig(), reply.Ticket, reply.DecryptedEncPart.Key, principal(service), false)
		if err != nil {
			return nil, err
		}
		return request.Marshal()
	}, nil
}

const krb5Config = `[libdefaults]
	default_realm = %[1]s
	permitted_enctypes = aes256-cts-hmac-sha1-96
	dns_lookup_kdc = false
[realms]
	%[1]s = {
		kdc = %[2]s
	}
`

// kdcConfig spares krb5kdc the write of each login's time, which the others do not make either.
const kdcConfig = `[kdcdefaults]
	kdc_listen = %[2]s
	kdc_tcp_listen = %[2]s
[realms]
	%[1]s = {
		database_name = %[3]s/principal
		key_stash_file = %[3]s/stash
		acl_file = %[3]s/acl
		master_key_type = aes256-cts-hmac-sha1-96
		supported_enctypes = aes256-cts-hmac-sha1-96:normal
	}
[dbmodules]
	%[1]s = {
		db_library = db2
		database_name = %[3]s/principal
		disable_last_success = true
	}
`

// startKrb5kdc has the bench's users in MIT's KDC, with as many workers as there are cores.
func startKrb5kdc(ctx context.Context, dir string) (c *center, stop func(), err error) {
	if _, err := os.Stat("/usr/sbin/krb5kdc"); err != nil {
		return nil, nil, errors.New("krb5kdc is not installed: apt-get install krb5-kdc krb5-admin-server")
	}
	if dir, err = os.MkdirTemp(dir, "krb5kdc-"); err != nil {
		return nil, nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "krb5.conf"), fmt.Appendf(nil, krb5Config, realm, address), 0o600),
		os.WriteFile(filepath.Join(dir, "kdc.conf"), fmt.Appendf(nil, kdcConfig, realm, address, dir), 0o600),
	); err != nil {
		return nil, nil, err
	}
	environment := append(os.Environ(), "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"), "KRB5_KDC_PROFILE="+filepath.Join(dir, "kdc.conf"))
	var script strings.Builder
	for i := range benchUsers {
		fmt.Fprintf(&script, "addprinc +requires_preauth -pw %s user%d\n", password(i), i)
	}
	fmt.Fprintf(&script, "addprinc -randkey %s\n", service)
	for _, each := range []struct{ command, input string }{
		{"/usr/sbin/kdb5_util create -s -W -P " + adminPassword + " -r " + realm, ""}, {"/usr/sbin/kadmin.local", script.String()},
	} {
		words := strings.Fields(each.command)
		command := exec.CommandContext(ctx, words[0], words[1:]...)
		command.Env, command.Stdin = environment, strings.NewReader(each.input)
		if said, err := command.CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("%s: %w: %s", each.command, err, said)
		}
	}
	process := exec.CommandContext(ctx, "/usr/sbin/krb5kdc", "-n", "-w", strconv.Itoa(runtime.NumCPU()))
	process.Env = environment
	if err := process.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
		_ = os.RemoveAll(dir)
	}
	return &center{"krb5kdc", address}, stop, nil
}
