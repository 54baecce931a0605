package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/audit/delivery"
	"latchkey/internal/event"
	"latchkey/internal/sts"
	"latchkey/internal/throttle"
)

// Validate reports everything that is wrong with the file and with the values, joined; every part is a *Problem. It
// reads the files that are named, and changes nothing.
func (c *Config) Validate() error {
	v := &validation{}
	v.problems = append(v.problems, c.File.problems()...)
	v.listeners(c)
	v.api(c)
	v.dev(c)
	v.files(c)
	v.store(c)
	v.engines(c)
	v.events(c)
	v.roles(c)
	v.watching(c)
	for _, each := range []struct{ flag, text string }{
		{"--throttle-key", c.ThrottleKey},
		{"--throttle-directory", c.ThrottleDirectory},
		{"--throttle-user", c.ThrottleUser},
		{"--throttle-source", c.ThrottleSource},
		{"--throttle-account", c.ThrottleAccount},
	} {
		if _, err := throttle.Parse(each.text); err != nil {
			v.add("", "%s: %v", each.flag, err)
		}
	}
	for _, each := range []struct {
		flag  string
		value int
	}{{"--max-connections", c.MaxConnections}, {"--max-address-connections", c.MaxAddressConnections}} {
		if each.value < 0 || each.value > maxConnections {
			v.add("", "%s: %d is not a number up to %d", each.flag, each.value, maxConnections)
		}
	}
	if c.AuditFileSize < 0 || c.AuditFileSize > maxAuditFile {
		v.add("", "--audit-file-size: %d is not a number of MiB up to %d", c.AuditFileSize, maxAuditFile)
	}
	if c.AuditKeep != 0 && c.AuditKeep < minAuditKeep {
		v.add("", "--audit-keep: %s is less than a day", c.AuditKeep)
	}
	v.audit(c)
	if !accountID.MatchString(c.AccountID) {
		v.add("", "--account-id: %q is not an AWS account number: 12 digits", c.AccountID)
	}
	var level slog.Level
	if level.UnmarshalText([]byte(c.LogLevel)) != nil {
		v.add("", "--log-level: %q is none of debug, info, warn, error", c.LogLevel)
	}
	switch c.LogFormat {
	case "auto", "text", "json":
	default:
		v.add("", "--log-format: %q is none of auto, text, json", c.LogFormat)
	}
	return errors.Join(v.problems...)
}

func (v *validation) roles(c *Config) {
	if c.Roles == "" {
		return
	}
	if _, err := sts.ReadRoles(c.Roles, time.Now); err != nil {
		for problem := range strings.Lines(err.Error()) {
			v.add("", "--roles: %s", strings.TrimSuffix(problem, "\n"))
		}
	}
}

func (v *validation) events(c *Config) {
	for _, option := range []struct {
		flag  string
		texts []string
		web   bool
	}{{"--log-group", c.LogGroup, false}, {"--event-topic", c.EventTopic, true}} {
		seen := map[string]bool{}
		for _, text := range option.texts {
			name, target, err := event.Parse(text)
			switch {
			case err != nil:
				v.add("", "%s: %v", option.flag, err)
			case option.web && target.URL() == nil:
				v.add("", "%s: the target of %s is not an http or https URL", option.flag, name)
			case seen[name]:
				v.add("", "%s: %s is given twice", option.flag, name)
			}
			seen[name] = true
		}
	}
}

func (v *validation) audit(c *Config) {
	switch c.AuditOnFailure {
	case "", "refuse", "continue":
	default:
		v.add("", "--audit-on-failure: %q is none of refuse, continue", c.AuditOnFailure)
	}
	seen := map[string]bool{}
	for _, text := range c.AuditSink {
		sink, err := delivery.Parse(text)
		if err != nil {
			v.add("", "--audit-sink: %v", err)
			continue
		}
		if seen[sink.String()] {
			v.add("", "--audit-sink: %s is given twice", sink)
		}
		seen[sink.String()] = true
	}
}

const (
	maxConnections = 1 << 20
	maxAuditFile   = 1 << 20
	minAuditKeep   = 24 * time.Hour
)

var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

type validation struct{ problems []error }

func (v *validation) add(hint, format string, args ...any) {
	v.problems = append(v.problems, &Problem{Text: fmt.Sprintf(format, args...), Hint: hint})
}

type listener struct{ flag, address string }

func (c *Config) listeners() []listener {
	all := []listener{{"--listen", c.Listen}, {"--ldap-listen", c.LDAPListen}, {"--ldaps-listen", c.LDAPSListen}}
	for _, optional := range []listener{{"--dns-listen", c.DNSListen}, {"--kdc-listen", c.KDCListen}, {"--kpasswd-listen", c.KpasswdListen}, {"--metrics-listen", c.MetricsListen}} {
		if optional.address != "" {
			all = append(all, optional)
		}
	}
	return all
}

func (v *validation) listeners(c *Config) {
	taken := map[string]string{}
	for _, l := range c.listeners() {
		if err := checkAddress(l.address); err != nil {
			v.add("an address is HOST:PORT, such as 127.0.0.1:4389", "%s: %q: %v", l.flag, l.address, err)
			continue
		}
		if other, ok := taken[l.address]; ok && !freePort(c.At(l.address)) {
			v.add("", "%s: %s is the address of %s as well", l.flag, l.address, other)
		}
		taken[l.address] = l.flag
	}
	if c.DNSForward == "" {
		return
	}
	if address, err := netip.ParseAddrPort(c.DNSForward); err != nil || address.Port() == 0 {
		v.add("such as 192.0.2.53:53", "--dns-forward: %q is not an address with a port", c.DNSForward)
	} else if c.DNSForward == c.DNSListen {
		v.add("", "--dns-forward: %s is the address of --dns-listen", c.DNSForward)
	}
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		// AddrError repeats the address.
		if e, ok := errors.AsType[*net.AddrError](err); ok {
			return errors.New(e.Err)
		}
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return nil
}

func freePort(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	return port == "0"
}

// loopback tells whether only this machine reaches an address. An address that is malformed has been reported already.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (v *validation) api(c *Config) {
	if !loopback(c.Listen) && !c.TLS() && c.TLSKey == "" && !c.InsecureHTTP && !c.Dev {
		v.add("give --tls-cert and --tls-key, or --acme-domain, or --insecure-http behind a proxy that ends TLS",
			"--listen: %s is reachable from other machines, and without TLS passwords would cross the network in the clear", c.Listen)
	}
	if c.InsecureHTTP && c.TLS() {
		v.add("leave one of the two out", "--insecure-http: contradicts --tls-cert and --acme-domain")
	}
	v.acme(c)
}

func (v *validation) acme(c *Config) {
	if len(c.ACMEDomain) == 0 {
		return
	}
	if c.TLSCert != "" {
		v.add("leave one of the two out", "--acme-domain: contradicts --tls-cert")
	}
	for _, name := range c.ACMEDomain {
		if !domainName.MatchString(name) {
			v.add("such as ds.example.com", "--acme-domain: %q is not a DNS name in small letters", name)
		}
	}
	if at, err := url.Parse(c.ACMEDirectory); err != nil || at.Scheme != "https" || at.Host == "" {
		v.add("", "--acme-directory: %q is not an https URL", c.ACMEDirectory)
	}
	if c.ACMECA != "" {
		v.authority("--acme-ca", c.ACMECA)
	}
	if _, err := mail.ParseAddress(c.ACMEEmail); c.ACMEEmail != "" && err != nil {
		v.add("", "--acme-email: %q is not an address: %v", c.ACMEEmail, err)
	}
}

func (v *validation) dev(c *Config) {
	for _, text := range c.DevDelay {
		what, length, _ := strings.Cut(text, "=")
		d, err := time.ParseDuration(length)
		if !slices.Contains([]string{"create", "delete", "restore", "snapshot"}, what) || err != nil || d < 0 || d > time.Hour {
			v.add("such as create=5s", "--dev-delay: %q is not create, delete, restore or snapshot with a time of at most an hour", text)
		}
	}
	if !c.Dev {
		if len(c.DevDelay) > 0 {
			v.add("", "--dev-delay is for --dev")
		}
		return
	}
	for _, l := range c.listeners() {
		if !loopback(l.address) {
			v.add("with --dev anybody who reaches the server may do anything: listen on 127.0.0.1, or leave --dev out",
				"%s: --dev refuses %s, which is reachable from other machines", l.flag, l.address)
		}
	}
	if c.Data != DefaultData {
		v.add("leave --dev out to keep the data", "--data: --dev keeps nothing, and would not use %s", c.Data)
	}
	if len(c.StoreEndpoints) > 0 {
		v.add("leave --dev out to use a cluster", "--store-endpoint: --dev keeps everything in the process")
	}
}

func (v *validation) files(c *Config) {
	v.pair("--tls-cert", c.TLSCert, "--tls-key", c.TLSKey)
	v.pair("--ldap-tls-cert", c.LDAPTLSCert, "--ldap-tls-key", c.LDAPTLSKey)
	if c.ClientCA != "" {
		v.authority("--client-ca", c.ClientCA)
		if !c.TLS() {
			v.add("", "--client-ca: clients show certificates only over TLS: it needs --tls-cert or --acme-domain")
		}
	}
	if c.Seed != "" {
		v.readable("--seed", c.Seed)
	}
	if c.MasterKeyFile != "" {
		v.readable("--master-key-file", c.MasterKeyFile)
		if c.MasterKeyCommand != "" {
			v.add("leave one of the two out", "--master-key-command: contradicts --master-key-file")
		}
	}
	if c.Data == "" {
		v.add("", "--data: the directory's name is empty")
	} else if info, err := os.Stat(c.Data); err == nil && !info.IsDir() {
		v.add("", "--data: %s is not a directory", c.Data)
	}
}

func (v *validation) readable(flag, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		v.add("", "%s: %v", flag, err)
	case info.IsDir():
		v.add("", "%s: %s is a directory", flag, path)
	default:
		file, err := os.Open(path)
		if err != nil {
			v.add("", "%s: %v", flag, err)
			return
		}
		_ = file.Close()
	}
}

// pair checks a certificate and its key, which only make sense together.
func (v *validation) pair(certFlag, cert, keyFlag, key string) {
	switch {
	case cert == "" && key == "":
		return
	case key == "":
		v.add("", "%s: needs %s", certFlag, keyFlag)
		return
	case cert == "":
		v.add("", "%s: needs %s", keyFlag, certFlag)
		return
	}
	before := len(v.problems)
	v.readable(certFlag, cert)
	v.readable(keyFlag, key)
	if len(v.problems) > before {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		v.add("", "%s, %s: %v", certFlag, keyFlag, err)
	}
}

func (v *validation) store(c *Config) {
	secure := false
	for _, endpoint := range c.StoreEndpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Port() == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") {
			v.add("an endpoint is http://HOST:PORT or https://HOST:PORT", "--store-endpoint: %q is not an endpoint", endpoint)
			continue
		}
		secure = secure || u.Scheme == "https"
	}
	v.pair("--store-cert", c.StoreCert, "--store-key", c.StoreKey)
	if c.StoreCA != "" {
		v.authority("--store-ca", c.StoreCA)
	}
	if !secure && (c.StoreCA != "" || c.StoreCert != "") {
		v.add("", "--store-ca, --store-cert: no --store-endpoint begins with https://")
	}
}

// maxControllers is AWS's limit for a directory (API reference, UpdateNumberOfDomainControllers).
const maxControllers = 20

func (v *validation) engines(c *Config) {
	switch c.Engine {
	case "", "embedded", "samba":
	default:
		v.add("a domain that somebody else runs is attached: latchkey directory attach", "--engine: %q is neither embedded nor samba", c.Engine)
	}
	seen := map[netip.Addr]bool{}
	for _, text := range c.SambaAddress {
		address, err := netip.ParseAddr(text)
		switch {
		case err != nil || !address.Is4() || address.IsUnspecified() || address.IsMulticast():
			v.add("", "--samba-address: %q is not an IPv4 address of a host", text)
		case seen[address]:
			v.add("", "--samba-address: %s is given twice", text)
		}
		seen[address] = true
	}
	if c.SambaControllers < 0 || c.SambaControllers > maxControllers {
		v.add("", "--samba-controllers: %d is not a number from 1 to %d", c.SambaControllers, maxControllers)
	}
}

func (v *validation) authority(flag, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		v.add("", "%s: %v", flag, err)
		return
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		v.add("", "%s: %s holds no PEM certificate", flag, path)
	}
}
