package samba

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// present says whether the machine has the address itself. One below 127 answers in any case, but Samba serves addresses of
// interfaces only.
func present(address netip.Addr) (bool, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	for _, each := range all {
		if network, ok := each.(*net.IPNet); ok && network.IP.Equal(address.AsSlice()) {
			return true, nil
		}
	}
	return false, nil
}

func removeAddress(ctx context.Context, address netip.Addr) error {
	there, err := present(address)
	if err != nil || !there {
		return err
	}
	return ip(ctx, "del", address)
}

// claimAddress gives the loopback interface a domain controller's address below 127 where the machine lacks it, and notes
// beside the folder that it did.
func (f folder) claimAddress(ctx context.Context, address netip.Addr) error {
	there, err := present(address)
	switch {
	case err != nil || there:
		return err
	case !loopback.Contains(address):
		return fmt.Errorf("%w: the machine has no address %s (add it to an interface, or name other addresses with --samba-address)", ErrNotPermitted, address)
	}
	// The note first: an address that nobody knows of would stay for ever.
	if err := os.MkdirAll(filepath.Dir(f.address()), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(f.address(), []byte(address.String()+"\n"), 0o600); err != nil {
		return err
	}
	if err := ip(ctx, "add", address); err != nil {
		return errors.Join(fmt.Errorf("%w: %s can't be added to the loopback interface (grant CAP_NET_ADMIN, or run in a network namespace of its own, or let an administrator run: ip address add %s/32 dev lo): %w",
			ErrNotPermitted, address, address, err), os.Remove(f.address()))
	}
	return nil
}

func (f folder) address() string { return string(f) + addressNote }

// addressNote ends the name of the file beside a folder that says which address was added.
const addressNote = ".address"

// releaseAddress removes the address, if it was added.
func (f folder) releaseAddress(ctx context.Context) error {
	text, err := os.ReadFile(f.address())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", f.address(), err)
	}
	if err := removeAddress(ctx, address); err != nil {
		return err
	}
	return os.Remove(f.address())
}

func ip(ctx context.Context, verb string, address netip.Addr) error {
	return run(ctx, "ip address "+verb, nil, func(ctx context.Context) *exec.Cmd {
		return command(ctx, environment(), "ip", "address", verb, address.String()+"/32", "dev", "lo")
	})
}

// ports are those that a domain controller listens on.
var ports = map[string][]string{
	"tcp": {"53", "88", "135", "389", "445", "464", "636", "3268", "3269"},
	"udp": {"53", "88", "389", "464"},
}

// listening says at which port of the address nobody takes connections.
func listening(ctx context.Context, address netip.Addr, ports []string) error {
	var dialer net.Dialer
	for _, port := range ports {
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address.String(), port))
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
	return nil
}

// portsFree says which port of the address is taken, or may not be used.
func portsFree(ctx context.Context, address netip.Addr) error {
	for network, list := range ports {
		for _, port := range list {
			err := portFree(ctx, network, net.JoinHostPort(address.String(), port))
			switch {
			case errors.Is(err, fs.ErrPermission):
				return fmt.Errorf("%w: ports below 1024 take the capability CAP_NET_BIND_SERVICE: %w", ErrNotPermitted, err)
			case err != nil:
				return fmt.Errorf("%s port %s of %s is not free (to see who has it: ss --listening --numeric --processes --%s src %s): %w", network, port, address, network, address, err)
			}
		}
	}
	return nil
}

// portFree tries for a moment: a program that is being started holds copies of all sockets of this process until it runs, those
// of an earlier look with them.
func portFree(ctx context.Context, network, address string) (err error) {
	const tries, pause = 5, 50 * time.Millisecond
	for try := range tries {
		if try > 0 {
			time.Sleep(pause)
		}
		if err = portFreeNow(ctx, network, address); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return err
}

func portFreeNow(ctx context.Context, network, address string) error {
	var (
		config net.ListenConfig
		socket io.Closer
		err    error
	)
	if network == "udp" {
		socket, err = config.ListenPacket(ctx, network, address)
	} else {
		socket, err = config.Listen(ctx, network, address)
	}
	if err != nil {
		return err
	}
	return socket.Close()
}
