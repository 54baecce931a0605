package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	directoryID   = "d-00000000be"
	besideID      = "d-00000000bf"
	domainDN      = "DC=bench,DC=example,DC=com"
	adminPassword = "Harbour-Light-11"
	benchUsers    = 64
	accessKey     = "AKIABENCHBENCHBENCHB"
	secretKey     = "bench-bench-bench-bench-bench-bench-0000"
	clockTick     = 100 // USER_HZ, the unit of /proc/<pid>/stat
)

// server is the program in a process of its own.
type server struct {
	API  string `json:"api"`
	LDAP string `json:"ldap"`
	KDC  string `json:"kdc"`

	data    string
	process *exec.Cmd
	ready   time.Duration // from the start of the process to its ready line
}

func build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "latchkey")
	said, err := exec.CommandContext(ctx, "go", "build", "-o", program, "latchkey/cmd/latchkey").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, said)
	}
	return program, nil
}

func newServer(ctx context.Context, program string) (*server, error) {
	return newServerOn(ctx, program, "embedded")
}

// newServerOn has a directory with users, on that engine, and beside one on Samba another one, embedded.
func newServerOn(ctx context.Context, program, engine string, more ...string) (*server, error) {
	data, err := os.MkdirTemp(filepath.Dir(program), "data-")
	if err != nil {
		return nil, err
	}
	seed := filepath.Join(data, "seed.yaml")
	var text strings.Builder
	text.WriteString("directories:\n")
	add := func(id, name, engine string) {
		fmt.Fprintf(&text, "  - id: %s\n    type: SimpleAD\n    name: %s\n    engine: %s\n    password: %s\n    users:\n", id, name, engine, adminPassword)
		for i := range benchUsers {
			fmt.Fprintf(&text, "      - {name: user%d}\n", i)
		}
	}
	add(directoryID, "bench.example.com", engine)
	if engine != "embedded" {
		add(besideID, "beside.example.com", "embedded")
	}
	if err := os.WriteFile(seed, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	return startServer(ctx, program, data, seed, more...)
}

func startServer(ctx context.Context, program, data, seed string, more ...string) (*server, error) {
	s := &server{data: data}
	arguments := []string{"serve", "--data", data, "--free-ports", "--log-level", "error"}
	if seed != "" {
		arguments = append(arguments, "--seed", seed)
	}
	arguments = append(arguments, more...)
	s.process = exec.CommandContext(ctx, program, arguments...)
	s.process.Env = append(os.Environ(), "LATCHKEY_ROOT_ACCESS_KEY_ID="+accessKey, "LATCHKEY_ROOT_SECRET_ACCESS_KEY="+secretKey)
	s.process.Stderr = os.Stderr
	// It has domain controllers to stop.
	s.process.Cancel = func() error { return s.process.Process.Signal(syscall.SIGTERM) }
	s.process.WaitDelay = 30 * time.Second
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	s.ready = time.Since(begun)
	if err == nil {
		err = json.Unmarshal(line, s)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not become ready: %w", err), s.stop())
	}
	return s, nil
}

func (s *server) stop() error {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	return s.process.Wait()
}

func (s *server) discard() {
	_ = s.stop()
	_ = os.RemoveAll(s.data)
}

// cpu is the CPU time that the server has used.
func (s *server) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / clockTick
}

// ownCPU is the CPU time that this process has used: the load generator's.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// footprint is what memory a process holds, in bytes. Its file pages are the program itself and etcd's database, which the
// system may take back at any time.
type footprint struct{ rss, pss, anonymous int64 }

func (f footprint) String() string {
	return fmt.Sprintf("%s RSS, %s PSS, %s without pages of files", mebibytes(f.rss), mebibytes(f.pss), mebibytes(f.anonymous))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func (s *server) memory() (f footprint) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.process.Process.Pid))
	if err != nil {
		return f
	}
	for _, field := range []struct {
		name  string
		value *int64
	}{{"Rss:", &f.rss}, {"Pss:", &f.pss}, {"Anonymous:", &f.anonymous}} {
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, field.name); ok {
				kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				*field.value = kib << 10
			}
		}
	}
	return f
}

// startUp measures how long it takes from exec to a ready server, and to a user who is reset.
func startUp(ctx context.Context, _ options, program string, t *table) error {
	const times = 9
	var empty, seeded, seededReset, again, againReset []time.Duration
	for range times {
		data, err := os.MkdirTemp(filepath.Dir(program), "data-")
		if err != nil {
			return err
		}
		s, err := startServer(ctx, program, data, "")
		if err != nil {
			return err
		}
		s.discard()
		empty = append(empty, s.ready)

		s, err = newServer(ctx, program)
		if err != nil {
			return err
		}
		reset, err := s.firstReset(ctx)
		if err != nil {
			s.discard()
			return err
		}
		seeded, seededReset = append(seeded, s.ready), append(seededReset, reset)
		if err := s.stop(); err != nil {
			return err
		}
		if s, err = startServer(ctx, program, s.data, ""); err != nil {
			return err
		}
		reset, err = s.firstReset(ctx)
		s.discard()
		if err != nil {
			return err
		}
		again, againReset = append(again, s.ready), append(againReset, reset)
	}
	for _, row := range []struct {
		what  string
		times []time.Duration
		goal  bool
	}{
		{"from exec to ready, no data yet", empty, true},
		{fmt.Sprintf("from exec to ready, no data yet, with a seed of a directory and %d users", benchUsers), seeded, false},
		{"from exec to the first reset acknowledged, with that seed", seededReset, false},
		{"from exec to ready, the same data again", again, true},
		{"from exec to the first reset acknowledged, the same data again", againReset, false},
	} {
		mark, m := "", median(row.times)
		if row.goal {
			mark = goal("≤ 200 ms", m <= 200*time.Millisecond)
		}
		t.add(row.what, fmt.Sprintf("%s (median of %d)", milliseconds(m), times), "", "", mark)
	}
	return nil
}

// firstReset resets a user, and answers with how long that took from the server's exec on.
func (s *server) firstReset(ctx context.Context) (time.Duration, error) {
	r, err := measure(ctx, 1, 0, s.resetter)
	return s.ready + r.elapsed, err
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
