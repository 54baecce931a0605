// Command bench measures the server from outside, next to what bounds it in the same run, and prints one table in
// Markdown. Machines are noisy: read the ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

var clientCounts = []int{1, 8, 64}

// options are the command's flags.
type options struct {
	duration time.Duration
	users    int
}

func main() {
	var o options
	short := flag.Bool("short", false, "measure for a second each, with 10,000 users")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long each rate is measured")
	flag.IntVar(&o.users, "users", 100_000, "users for the measurement of memory")
	flag.Parse()
	if *short {
		o.duration, o.users = time.Second, 10_000
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// table collects rows and prints them when they are known.
type table struct{ rows []string }

func (t *table) add(what, value, beside, ratio, goal string) {
	row := "| " + strings.Join([]string{what, value, beside, ratio, goal}, " | ") + " |"
	fmt.Fprintln(os.Stderr, row)
	t.rows = append(t.rows, row)
}

func run(ctx context.Context, o options) error {
	var t table
	dir, err := os.MkdirTemp("", "latchkey-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := build(ctx, dir)
	if err != nil {
		return err
	}
	for _, measure := range []func(context.Context, options, string, *table) error{startUp, passwords, describes, memory} {
		if err := measure(ctx, o, program, &t); err != nil {
			return err
		}
	}
	verify(&t)
	fmt.Printf("%s, %d cores, %s, %s; client and server on the same cores\n\n", processor(), runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	fmt.Println("| what | here | beside it, in the same run | ratio | goal |")
	fmt.Println("|---|---|---|---|---|")
	for _, row := range t.rows {
		fmt.Println(row)
	}
	return nil
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, "\t :\n")
		}
	}
	return "unknown processor"
}

// passwords measures resets and logins next to the floor: the derivation of the keys, which both need.
func passwords(ctx context.Context, o options, program string, t *table) error {
	naive, once := derivations(ctx, o.duration, naiveKeys), derivations(ctx, o.duration, keysAtOnce)
	t.add("key derivations/s, all cores: aes256 and aes128 each by itself (RFC 3962, gokrb5)", fmt.Sprintf("%.0f", naive), "", "", "")
	t.add("key derivations/s, all cores: both from one PBKDF2, as here", fmt.Sprintf("%.0f", once), fmt.Sprintf("%.0f each by itself", naive), fmt.Sprintf("%.2f", once/naive), "")
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer s.discard()
	for _, clients := range clientCounts {
		puts, err := etcdPuts(ctx, o.duration, clients)
		if err != nil {
			return err
		}
		r, err := s.rate(ctx, clients, o.duration, s.resetter)
		if err != nil {
			return err
		}
		goal := ""
		if clients == clientCounts[len(clientCounts)-1] {
			goal = "≥ 0.85 of the floor"
		}
		t.add(fmt.Sprintf("resets/s, %d clients", clients), fmt.Sprintf("%.0f (p50 %s, p99 %s)", r.perSecond, r.p50, r.p99),
			fmt.Sprintf("%.0f and %.0f derivations/s; %.0f etcd puts/s; Samba 4.17, measured elsewhere: 30–37 resets/s", naive, once, puts),
			fmt.Sprintf("%.2f and %.2f of the derivations", r.perSecond/naive, r.perSecond/once), goal)
	}
	for _, clients := range clientCounts {
		r, err := s.rate(ctx, clients, o.duration, s.binder)
		if err != nil {
			return err
		}
		goal := ""
		if clients == clientCounts[len(clientCounts)-1] {
			goal = "≥ 0.85 of the floor"
		}
		t.add(fmt.Sprintf("LDAP binds/s, %d clients", clients), fmt.Sprintf("%.0f (p50 %s, p99 %s)", r.perSecond, r.p50, r.p99),
			fmt.Sprintf("%.0f derivations/s", once), fmt.Sprintf("%.2f", r.perSecond/once), goal)
	}
	return nil
}

func describes(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer s.discard()
	for _, clients := range clientCounts {
		before := s.cpu()
		r, err := s.rate(ctx, clients, o.duration, s.describer)
		if err != nil {
			return err
		}
		spent := (s.cpu() - before).Seconds() * 1e6 / (r.perSecond * o.duration.Seconds())
		t.add(fmt.Sprintf("DescribeDirectories/s, %d clients, signatures checked, audit on", clients), fmt.Sprintf("%.0f (p50 %s, p99 %s)", r.perSecond, r.p50, r.p99),
			fmt.Sprintf("%.0f µs of the server's CPU time a call", spent), "", "≥ 15,000/s")
	}
	r, err := s.rate(ctx, 8, o.duration, s.searcher)
	if err != nil {
		return err
	}
	t.add("LDAP searches/s by sAMAccountName, 8 clients", fmt.Sprintf("%.0f (p50 %s, p99 %s)", r.perSecond, r.p50, r.p99), "", "", "")
	return nil
}
