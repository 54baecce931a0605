// Command bench measures the server from outside, next to what bounds it in the same run, and prints one table in
// Markdown. Machines are noisy: what is compared is measured by turns, in short slices; read the ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var clientCounts = []int{1, 8, 64}

// options are the command's flags.
type options struct {
	duration time.Duration
	users    int
	people   int
	only     string
	// sambaUsers is how many users the domain on Samba has when it is measured again.
	sambaUsers []int
}

func main() {
	var o options
	short := flag.Bool("short", false, "measure for a second each, with 10,000 users")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long each rate is measured")
	flag.IntVar(&o.users, "users", 100_000, "users for the measurements of memory and of sizes")
	flag.IntVar(&o.people, "people", 10_000, "people in the directories that are measured beside each other")
	flag.StringVar(&o.only, "only", "", "measure one part: ldap, start, passwords, describes, memory, sizes, lists, signature, samba, failover or kdc")
	flag.Func("samba-users", "measure the domain on Samba again with so many users; repeatable", func(text string) error {
		n, err := strconv.Atoi(text)
		o.sambaUsers = append(o.sambaUsers, n)
		return err
	})
	flag.Parse()
	if *short {
		o.duration, o.users = time.Second, 10_000
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// table collects rows, shows them while they come, and prints them when they are known.
type table struct{ rows []string }

func (t *table) add(what, value, beside, ratio, goal string) {
	row := "| " + strings.Join([]string{what, value, beside, ratio, goal}, " | ") + " |"
	fmt.Fprintln(os.Stderr, row)
	t.rows = append(t.rows, row)
}

// goal tells whether one was reached.
func goal(text string, reached bool) string {
	if reached {
		return text + ": reached"
	}
	return text + ": **missed**"
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
	for _, part := range []struct {
		name    string
		measure func(context.Context, options, string, *table) error
	}{{"start", startUp}, {"passwords", passwords}, {"describes", describes}, {"memory", memory}, {"sizes", sizes}, {"lists", lists}, {"signature", verify}, {"samba", samba}, {"failover", failover}, {"ldap", directories}, {"kdc", tickets}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := part.measure(ctx, o, program, &t); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Printf("%s, %d cores, %s, Linux %s, %s. Client and server share the cores; etcd runs in the server's process; signatures are checked, the audit trail is on, every change is on the disk before its answer.\n\n",
		processor(), runtime.NumCPU(), runtime.Version(), kernel(), time.Now().UTC().Format(time.DateOnly))
	fmt.Println("| what | here | beside it, in the same run | ratio | goal |")
	fmt.Println("|---|---|---|---|---|")
	for _, row := range t.rows {
		fmt.Println(row)
	}
	fmt.Println("\n¹ of both keys derived each by itself, as RFC 3962 has it (gokrb5's StringToKey). ² of both keys from one PBKDF2, as the server does it; a login needs as much.")
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

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(text))
}

// passwords measures resets and logins next to the floor: the derivation of the keys, which both need.
func passwords(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer s.discard()
	store, err := newEtcd()
	if err != nil {
		return err
	}
	defer store.close()
	naive, once := derivations(naiveKeys), derivations(keysAtOnce)
	for _, clients := range clientCounts {
		r, err := byTurns(ctx, o.duration, naive, once, store.puts(clients), s.load(clients, s.resetter))
		if err != nil {
			return err
		}
		mark := ""
		if clients == clientCounts[len(clientCounts)-1] {
			mark = goal("≥ 0.85¹", r[3].perSecond() >= 0.85*r[0].perSecond())
		}
		t.add(fmt.Sprintf("resets/s, %s", plural(clients)), r[3].String(),
			fmt.Sprintf("%.0f¹ and %.0f² derivations/s on all cores; %.0f etcd puts/s; Samba 30–37", r[0].perSecond(), r[1].perSecond(), r[2].perSecond()),
			fmt.Sprintf("%.2f¹, %.2f²", r[3].perSecond()/r[0].perSecond(), r[3].perSecond()/r[1].perSecond()), mark)
	}
	for _, clients := range clientCounts {
		r, err := byTurns(ctx, o.duration, once, s.load(clients, s.binder))
		if err != nil {
			return err
		}
		mark := ""
		if clients == clientCounts[len(clientCounts)-1] {
			mark = goal("≥ 0.85²", r[1].perSecond() >= 0.85*r[0].perSecond())
		}
		t.add(fmt.Sprintf("LDAP logins/s, %s", plural(clients)), r[1].String(), fmt.Sprintf("%.0f² derivations/s on all cores", r[0].perSecond()),
			fmt.Sprintf("%.2f²", r[1].perSecond()/r[0].perSecond()), mark)
	}
	return nil
}

func plural(clients int) string {
	if clients == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", clients)
}

func describes(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer s.discard()
	for _, clients := range clientCounts {
		server, client := s.cpu(), ownCPU()
		r, err := byTurns(ctx, o.duration, s.load(clients, s.describer))
		if err != nil {
			return err
		}
		server, client = s.cpu()-server, ownCPU()-client
		mark := ""
		if clients == clientCounts[len(clientCounts)-1] {
			mark = goal("≥ 15,000/s", r[0].perSecond() >= 15_000)
		}
		thousands := float64(len(r[0].times)) / 1000
		t.add(fmt.Sprintf("DescribeDirectories/s, %s", plural(clients)), r[0].String(),
			fmt.Sprintf("CPU time of 1,000 calls: server %s, load generator %s", milliseconds(perThousand(server, thousands)), milliseconds(perThousand(client, thousands))), "", mark)
	}
	r, err := byTurns(ctx, o.duration, s.load(8, s.searcher))
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("LDAP searches/s by sAMAccountName, 8 clients, %d users", benchUsers), r[0].String(), "", "", "")
	return nil
}

func perThousand(d time.Duration, thousands float64) time.Duration {
	return time.Duration(float64(d) / thousands)
}
