package main

import (
	"context"
	"crypto/tls"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// directories measures the embedded directory beside OpenLDAP's slapd and Samba, with the same people in all.
func directories(ctx context.Context, o options, program string, t *table) error {
	embedded, discard, err := embeddedPeer(ctx, program, o.people)
	if err != nil {
		return err
	}
	defer discard()
	slapd, stop, err := startSlapd(ctx, filepath.Dir(program), o.people)
	if stop != nil {
		defer stop()
	}
	if err != nil {
		return err
	}
	peers := []*peer{embedded, slapd}
	if o.people <= mostOnSamba {
		samba, discard, err := sambaPeer(ctx, program, o.people)
		if err != nil {
			return err
		}
		defer discard()
		peers = append(peers, samba)
	}
	for _, each := range []struct {
		what     string
		connect  func(p *peer, people int) connector
		password bool // both spend their time on the hash
	}{
		{what: "searches/s by sAMAccountName", connect: (*peer).byName},
		{what: "searches/s by memberOf, 100 entries", connect: (*peer).byGroup},
		{what: "pages/s of 1,000 from the whole subtree", connect: (*peer).pages},
		{what: "binds/s", connect: (*peer).binds, password: true},
		{what: "modifies/s", connect: (*peer).modifies},
		{what: "adds/s", connect: (*peer).adds},
	} {
		for _, clients := range []int{1, 8} {
			loads := make([]load, len(peers))
			for i, p := range peers {
				connect := each.connect(p, o.people)
				loads[i] = func(ctx context.Context, d time.Duration) (rates, error) { return measure(ctx, clients, d, connect) }
			}
			if each.password {
				loads = append(loads, derivationsBy(clients))
			}
			r, err := byTurns(ctx, o.duration, loads...)
			if err != nil {
				return fmt.Errorf("%s: %w", each.what, err)
			}
			t.addPeers(fmt.Sprintf("LDAP %s, %d people, %s", each.what, o.people, plural(clients)), peers, r, each.password)
		}
	}
	return nil
}

// mostOnSamba is how many people a domain on Samba is given: it takes some milliseconds for each.
const mostOnSamba = 20_000

// addPeers adds a row with the ratios to each peer, and where logins are measured to the derivations that they need.
func (t *table) addPeers(what string, peers []*peer, r []rates, password bool) {
	var beside, ratios []string
	reached := true
	for i, p := range peers[1:] {
		ratio := r[0].perSecond() / r[i+1].perSecond()
		beside = append(beside, p.name+" "+r[i+1].String())
		ratios = append(ratios, fmt.Sprintf("%.2f × %s", ratio, p.name))
		least := 1.0
		if p.name == "Samba" {
			least = 10
		}
		reached = reached && (ratio >= least || password)
	}
	text := "≥ slapd, ≥ 10 × Samba"
	if password {
		ratio := r[0].perSecond() / r[len(r)-1].perSecond()
		beside = append(beside, fmt.Sprintf("%.0f derivations/s², as many at once", r[len(r)-1].perSecond()))
		ratios = append(ratios, fmt.Sprintf("%.2f²", ratio))
		text, reached = "≥ 0.95²", ratio >= 0.95
	}
	t.add(what, r[0].String(), strings.Join(beside, "; "), strings.Join(ratios, " · "), goal(text, reached))
}

// embeddedPeer is a server of its own with as many people in an embedded directory.
func embeddedPeer(ctx context.Context, program string, people int) (p *peer, discard func(), err error) {
	s, _, err := populated(ctx, program, people)
	if err != nil {
		return nil, nil, err
	}
	return s.peer("embedded", strings.TrimPrefix(s.LDAP, "ldap://"), nil), s.discard, nil
}

// resetAll gives every bench user a password.
func (s *server) resetAll(ctx context.Context) (rates, error) {
	return measure(ctx, benchUsers, 0, s.resetter)
}

func (s *server) peer(name, address string, trust *tls.Config) *peer {
	return &peer{
		name: name, address: address, trust: trust, base: domainDN, people: "CN=Users," + domainDN, admin: "Administrator@bench.example.com",
		password: adminPassword, class: "user", person: adPerson,
		login: func(i int) (string, string) { return fmt.Sprintf("user%d@bench.example.com", i), password(i) },
	}
}

//go:embed people.py
var peopleScript string

func sambaPeer(ctx context.Context, program string, people int) (p *peer, discard func(), err error) {
	s, err := newServerOn(ctx, program, "samba", "--samba-address", sambaAddress, "--samba-controllers", "1")
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			s.discard()
		}
	}()
	if _, err := s.resetAll(ctx); err != nil {
		return nil, nil, err
	}
	folder := s.controller("dc1")
	command := exec.CommandContext(ctx, "/usr/bin/python3", "-c", peopleScript, filepath.Join(folder, "etc", "smb.conf"), filepath.Join(folder, "private", "sam.ldb"), domainDN,
		fmt.Sprint(people), fmt.Sprint(teamSize))
	if said, err := command.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("fill the domain: %w: %s", err, said)
	}
	trust, err := s.trust()
	if err != nil {
		return nil, nil, err
	}
	return s.peer("Samba", sambaAddress+":636", trust), s.discard, nil
}

// caller is a client of its own, which does one call of that kind after another.
func (p *peer) caller(prepare func(c *ldapConn, i int) caller) connector {
	return func(_ context.Context, i int) (caller, func(), error) {
		conn, err := p.dial()
		if err != nil {
			return nil, nil, err
		}
		return prepare(conn, i), func() { _ = conn.Close() }, nil
	}
}

func (p *peer) byName(people int) connector {
	return p.caller(func(c *ldapConn, _ int) caller {
		return func() error {
			filter := equality("sAMAccountName", personName(1+rand.IntN(people)))
			entries, _, err := c.call(searchOf(p.base, filter, "cn", "mail", "memberOf"))
			return expect(p, 1, entries, err)
		}
	})
}

func (p *peer) byGroup(people int) connector {
	return p.caller(func(c *ldapConn, _ int) caller {
		return func() error {
			entries, _, err := c.call(searchOf(p.base, equality("memberOf", p.teamDN(rand.IntN(people/teamSize))), "cn", "mail"))
			return expect(p, teamSize, entries, err)
		}
	})
}

const pageSize = 1000

// pages turns over all people again and again.
func (p *peer) pages(int) connector {
	return p.caller(func(c *ldapConn, _ int) caller {
		var cookie []byte
		return func() (err error) {
			first := len(cookie) == 0
			var entries int
			entries, cookie, err = c.call(searchOf(p.base, equality("objectClass", p.class), "cn", "mail"), page(pageSize, cookie))
			if first || len(cookie) > 0 {
				return expect(p, pageSize, entries, err)
			}
			return err
		}
	})
}

func (p *peer) binds(int) connector {
	return p.caller(func(c *ldapConn, i int) caller {
		name, password := p.login(i % benchUsers)
		return func() error { return expect(p, 0, 0, c.bind(name, password)) }
	})
}

func (p *peer) modifies(people int) connector {
	return p.caller(func(c *ldapConn, i int) caller {
		count := 0
		return func() error {
			count++
			change := element(tagSequence, number(tagEnumerated, 2), element(tagSequence, octets("description"), element(tagSet, octets(fmt.Sprintf("change %d of client %d", count, i)))))
			_, _, err := c.call(element(tagModify, octets(p.personDN(1+rand.IntN(people))), element(tagSequence, change)))
			return expect(p, 0, 0, err)
		}
	})
}

func (p *peer) adds(int) connector {
	var count atomic.Int64
	count.Store(time.Now().UnixMilli()) // a later load makes others
	return p.caller(func(c *ldapConn, _ int) caller {
		return func() error {
			i := int(count.Add(1))
			values := map[string][][]byte{}
			var order []string
			for _, pair := range p.person(i) {
				if values[pair[0]] == nil {
					order = append(order, pair[0])
				}
				values[pair[0]] = append(values[pair[0]], octets(pair[1]))
			}
			var list [][]byte
			for _, name := range order {
				list = append(list, element(tagSequence, octets(name), element(tagSet, values[name]...)))
			}
			_, _, err := c.call(element(tagAdd, octets(fmt.Sprintf("CN=new%d,%s", i, p.people)), element(tagSequence, list...)))
			return expect(p, 0, 0, err)
		}
	})
}

func expect(p *peer, want, entries int, err error) error {
	if err == nil && entries != want {
		err = fmt.Errorf("%d entries, want %d", entries, want)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}
