package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"latchkey/internal/durable"
)

const (
	defaultControllers = 2 // as many as AWS gives a directory
	defaultAddresses   = 200
)

// sambaAddresses are those that domain controllers may use: the configured ones, or a range below 127 that is this node's
// own, so that two servers of one machine do not meet.
func sambaAddresses(configured []string, node string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	for _, text := range configured {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	if len(addresses) > 0 {
		return addresses, nil
	}
	digits, err := hex.DecodeString(node[:4])
	if err != nil {
		return nil, err
	}
	for last := range defaultAddresses {
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 128 | digits[0]/2, digits[1], byte(last + 1)}))
	}
	return addresses, nil
}

var nodePattern = regexp.MustCompile(`^[0-9a-f]{10}$`)

// nodeName is this server's name among those that share a store: made up once, and kept in the data directory with the
// domain controllers that the server runs.
func nodeName(dir string) (string, error) {
	path := filepath.Join(dir, "node")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var random [5]byte
		_, _ = rand.Read(random[:]) // never fails
		text = fmt.Appendf(nil, "%x\n", random)
		err = durable.Replace(path, 0o600, text)
	}
	name := strings.TrimSpace(string(text))
	if err == nil && !nodePattern.MatchString(name) {
		err = fmt.Errorf("%s: %q is not 10 digits from 0 to f", path, name)
	}
	return name, err
}
