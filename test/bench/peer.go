package main

import (
	"bufio"
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// teamSize is how many people are in each group.
const teamSize = 100

// peer is a directory with people and groups in it, whoever serves it.
type peer struct {
	name     string
	address  string
	trust    *tls.Config // nil: without TLS
	base     string
	people   string // the DN above them
	admin    string
	password string
	class    string // what people are, in filters
	login    func(i int) (name, password string)
	person   func(i int) [][2]string // the attributes of one more
}

func (p *peer) dial() (*ldapConn, error) {
	conn, err := dialLDAP(p.address, p.trust)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	if err := conn.bind(p.admin, p.password); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.name, err), conn.Close())
	}
	return conn, nil
}

// personName is the account name of a person, teamDN a group of whose members he is one.
func personName(i int) string { return fmt.Sprintf("person%d", i) }

func (p *peer) personDN(i int) string { return "CN=" + personName(i) + "," + p.people }

func (p *peer) teamDN(team int) string { return fmt.Sprintf("CN=team%d,%s", team, p.people) }

// adPerson is the attributes of a new user of Active Directory.
func adPerson(i int) [][2]string {
	name := fmt.Sprintf("new%d", i)
	return [][2]string{
		{"objectClass", "user"},
		{"sAMAccountName", name},
		{"userPrincipalName", name + "@bench.example.com"},
		{"displayName", fmt.Sprintf("New Person %d", i)},
		{"mail", name + "@example.com"},
	}
}

const slapdBase = "dc=bench,dc=example,dc=com"

// slapdConfig has what the others have: uniqueness is theirs alone. Each change is on the disk before its answer, as mdb does
// unless told otherwise (dbnosync).
const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include %[1]s/ad.schema
pidfile %[1]s/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload pw-pbkdf2
database mdb
suffix "%[2]s"
rootdn "cn=admin,%[2]s"
rootpw %[3]s
directory %[1]s/db
maxsize 17179869184
index objectClass,sAMAccountName,userPrincipalName,mail,member,memberOf eq
index cn,displayName eq,sub
overlay memberof
`

const slapdSchema = `attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'userPrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'adAccount' SUP top AUXILIARY MAY ( sAMAccountName $ userPrincipalName ) )
`

// startSlapd serves as many people by OpenLDAP's slapd.
func startSlapd(ctx context.Context, dir string, people int) (p *peer, stop func(), err error) {
	if _, err := os.Stat("/usr/lib/ldap/pw-pbkdf2.so"); err != nil {
		return nil, nil, errors.New("slapd is not installed: apt-get install slapd slapd-contrib")
	}
	dir, err = os.MkdirTemp(dir, "slapd-")
	if err != nil {
		return nil, nil, err
	}
	config := filepath.Join(dir, "slapd.conf")
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "db"), 0o700),
		os.WriteFile(filepath.Join(dir, "ad.schema"), []byte(slapdSchema), 0o600),
		os.WriteFile(config, fmt.Appendf(nil, slapdConfig, dir, slapdBase, adminPassword), 0o600),
		writeLDIF(filepath.Join(dir, "people.ldif"), people),
	); err != nil {
		return nil, nil, err
	}
	if said, err := exec.CommandContext(ctx, "/usr/sbin/slapadd", "-q", "-f", config, "-l", filepath.Join(dir, "people.ldif")).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("slapadd: %w: %s", err, said)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	process := exec.CommandContext(ctx, "/usr/sbin/slapd", "-f", config, "-h", "ldap://"+address, "-d", "0")
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
		_ = os.RemoveAll(dir)
	}
	p = &peer{
		name: "slapd", address: address, base: slapdBase, people: "ou=people," + slapdBase, admin: "cn=admin," + slapdBase, password: adminPassword,
		class: "inetOrgPerson", login: func(i int) (string, string) { return fmt.Sprintf("cn=user%d,ou=people,%s", i, slapdBase), password(i) },
		person: func(i int) [][2]string {
			return append([][2]string{{"objectClass", "inetOrgPerson"}, {"objectClass", "adAccount"}, {"sn", "Person"}}, adPerson(i)[1:]...)
		},
	}
	return p, stop, p.await(ctx)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (p *peer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := p.dial()
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// hashRounds is what makes a hash by slapd's module, of one block, cost what a login costs here, where two blocks of 4,096 are
// derived.
const hashRounds = 2 * 4096

func writeLDIF(path string, people int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	fmt.Fprintf(w, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: bench\no: bench\n\ndn: ou=people,%[1]s\nobjectClass: organizationalUnit\nou: people\n\n", slapdBase)
	entry := func(name, display string) {
		fmt.Fprintf(w, "dn: cn=%s,ou=people,%s\nobjectClass: inetOrgPerson\nobjectClass: adAccount\ncn: %[1]s\nsn: Person\nsAMAccountName: %[1]s\n", name, slapdBase)
		fmt.Fprintf(w, "userPrincipalName: %s@bench.example.com\ndisplayName: %s\nmail: %[1]s@example.com\n", name, display)
	}
	for i := range benchUsers {
		entry(fmt.Sprintf("user%d", i), fmt.Sprintf("User %d", i))
		hash, err := slapdHash(password(i))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "userPassword: %s\n\n", hash)
	}
	for i := 1; i <= people; i++ {
		entry(personName(i), fmt.Sprintf("Person Number %d", i))
		fmt.Fprintf(w, "memberOf: cn=team%d,ou=people,%s\n\n", (i-1)/teamSize, slapdBase)
	}
	for team := range people / teamSize {
		fmt.Fprintf(w, "dn: cn=team%d,ou=people,%s\nobjectClass: groupOfNames\ncn: team%[1]d\n", team, slapdBase)
		for i := range teamSize {
			fmt.Fprintf(w, "member: cn=%s,ou=people,%s\n", personName(team*teamSize+i+1), slapdBase)
		}
		fmt.Fprintln(w)
	}
	return errors.Join(w.Flush(), file.Close())
}

// slapdHash is the form of pw-pbkdf2: base 64 with a dot for the plus, and no padding.
func slapdHash(password string) (string, error) {
	salt := []byte("0123456789abcdef")
	key, err := pbkdf2.Key(sha1.New, password, salt, hashRounds, sha1.Size)
	if err != nil {
		return "", err
	}
	text := func(b []byte) string {
		return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(b), "+", ".")
	}
	return fmt.Sprintf("{PBKDF2-SHA1}%d$%s$%s", hashRounds, text(salt), text(key)), nil
}
