package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	failovers       = 5
	failoverClients = 8
)

var failoverAddresses = []string{"127.84.1.1", "127.84.1.2"}

// failover kills the preferred of two domain controllers under a load of resets, and measures the longest time in which none is
// acknowledged. What was acknowledged logs in at either of them afterwards.
func failover(ctx context.Context, _ options, program string, t *table) error {
	s, err := newServerOn(ctx, program, "samba", "--samba-address", failoverAddresses[0], "--samba-address", failoverAddresses[1], "--samba-controllers", "2")
	if err != nil {
		return err
	}
	defer s.discard()
	var gaps []time.Duration
	acknowledged := 0
	for round := range failovers {
		if err := s.untilActive(ctx); err != nil {
			return err
		}
		gap, n, err := s.survive(ctx, round)
		if err != nil {
			return err
		}
		gaps, acknowledged = append(gaps, gap), acknowledged+n
	}
	slices.Sort(gaps)
	t.add(fmt.Sprintf("Samba: longest time without an acknowledged reset when the preferred domain controller is killed, %d clients", failoverClients),
		fmt.Sprintf("%s (median of %d; at the most %s)", milliseconds(gaps[len(gaps)/2]), failovers, milliseconds(gaps[len(gaps)-1])),
		fmt.Sprintf("%d resets acknowledged, none lost", acknowledged), "", goal("< 2 s", gaps[len(gaps)-1] < 2*time.Second))
	return nil
}

// untilActive waits until all domain controllers work.
func (s *server) untilActive(ctx context.Context) error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		stage, err := s.stage(ctx)
		if err != nil || stage == "Active" {
			return err
		}
	}
	return errors.New("the directory does not become Active")
}

func (s *server) stage(ctx context.Context) (string, error) {
	body, err := s.ask(ctx, "DescribeDirectories", fmt.Sprintf(`{"DirectoryIds":["%s"]}`, directoryID))
	if err != nil {
		return "", err
	}
	var answer struct{ DirectoryDescriptions []struct{ Stage string } }
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.DirectoryDescriptions) != 1 {
		return "", fmt.Errorf("%w: %s", err, body)
	}
	return answer.DirectoryDescriptions[0].Stage, nil
}

// survive kills the preferred domain controller once. Clients repeat a reset until it is acknowledged.
func (s *server) survive(ctx context.Context, round int) (gap time.Duration, acknowledged int, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var acks []time.Time
	last := make([]string, failoverClients)
	var group sync.WaitGroup
	for i := range failoverClients {
		group.Go(func() {
			for n := 0; running.Err() == nil; n++ {
				password := fmt.Sprintf("Storm-Wind-%d-%d", round, n)
				for {
					_, err := s.ask(ctx, "ResetUserPassword", resetOf(directoryID, i, password))
					if err == nil {
						break
					}
					if ctx.Err() != nil {
						return
					}
				}
				mu.Lock()
				acks, last[i] = append(acks, time.Now()), password
				mu.Unlock()
			}
		})
	}
	time.Sleep(3 * time.Second)
	text, err := os.ReadFile(filepath.Join(s.controller("dc1"), "process.json"))
	var process struct{ PID int }
	if err == nil {
		err = json.Unmarshal(text, &process)
	}
	killed := time.Now()
	if err == nil {
		err = syscall.Kill(process.PID, syscall.SIGKILL)
	}
	time.Sleep(5 * time.Second)
	stop()
	group.Wait()
	if err != nil {
		return 0, 0, err
	}
	before := killed
	for _, at := range acks {
		if at.After(killed) {
			gap, before = max(gap, at.Sub(before)), at
		}
	}
	if err := s.untilActive(ctx); err != nil {
		return 0, 0, err
	}
	for _, address := range failoverAddresses {
		for i, password := range last {
			if err := s.knows(address, i, password); err != nil {
				return 0, 0, fmt.Errorf("a reset that was acknowledged is lost: user%d at %s: %w", i, address, err)
			}
		}
	}
	return gap, len(acks), nil
}

// knows waits until a domain controller takes a password.
func (s *server) knows(address string, user int, password string) error {
	trust, err := s.trust()
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		err := login(address, trust, user, password)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func login(address string, trust *tls.Config, user int, password string) error {
	conn, err := ldap.DialURL("ldaps://"+address, ldap.DialWithTLSConfig(trust))
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Bind(fmt.Sprintf("user%d@bench.example.com", user), password)
}
