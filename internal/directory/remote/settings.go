package remote

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Settings is how a domain is reached that somebody else runs. Files are read on this server.
type Settings struct {
	// URLs are the domain controllers, ldaps://HOST[:PORT], in the order of preference.
	URLs []string `json:"urls,omitempty"`
	// Discover finds further ones by their SRV records, _ldap._tcp.dc._msdcs.DOMAIN (MS-ADTS section 6.3.2.3).
	Discover bool `json:"discover,omitempty"`
	// PreferPDC asks the PDC emulator before the others, as _ldap._tcp.pdc._msdcs.DOMAIN names it.
	PreferPDC bool `json:"preferPdc,omitempty"`
	// Resolver is the address of a DNS server, HOST:PORT, for records and names; "" is the system's.
	Resolver string `json:"resolver,omitempty"`
	// BindDN is a DN, NAME@DOMAIN or DOMAIN\NAME.
	BindDN string `json:"bindDn"`
	// BindPasswordFile holds the password, and nothing but a line's end after it. It is read again when it changes.
	BindPasswordFile string `json:"bindPasswordFile"`
	// CAFile holds the certificates (PEM) that the domain controllers' are signed by; "" is the system's.
	CAFile string `json:"caFile,omitempty"`

	// Sealed is the password where it is in no file, and Unseal opens it.
	Sealed []byte                       `json:"-"`
	Unseal func([]byte) ([]byte, error) `json:"-"`
	// Trust is certificates (PEM) that are trusted besides those of CAFile or the system.
	Trust []string `json:"-"`
	// Resolvers are asked at once, where there are several, in Resolver's form.
	Resolvers []string `json:"-"`
	// Otherwise is the domain controllers, in the form of URLs, for as long as no records of them were found.
	Otherwise []string `json:"-"`
}

// same says whether two settings reach the same domain in the same way.
func (s Settings) same(other Settings) bool {
	s.Unseal, other.Unseal = nil, nil
	return reflect.DeepEqual(s, other)
}

const maxURLs = 32

// Validate reports everything that is wrong with the settings, without looking at the network or at files.
func (s Settings) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(s.URLs) == 0 && !s.Discover && !s.PreferPDC {
		add("the domain controllers are neither given by their URLs nor to be discovered")
	}
	if len(s.URLs) > maxURLs {
		add("%d URLs are more than %d", len(s.URLs), maxURLs)
	}
	for i, text := range s.URLs {
		if _, err := hostPort(text); err != nil {
			problems = append(problems, err)
		}
		if slices.Contains(s.URLs[:i], text) {
			add("%s is given twice", text)
		}
	}
	if strings.TrimSpace(s.BindDN) == "" {
		add("the account to bind as is missing")
	}
	if s.BindPasswordFile == "" && s.Unseal == nil {
		add("the file with the password to bind with is missing")
	}
	for _, resolver := range s.resolvers() {
		if _, _, err := net.SplitHostPort(resolver); err != nil {
			add("the resolver %q is not HOST:PORT", resolver)
		}
	}
	return errors.Join(problems...)
}

// hostPort is where a URL's domain controller listens.
func hostPort(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not a URL", text)
	case u.Scheme == "ldap":
		return "", fmt.Errorf("%s: passwords travel over TLS only: give ldaps://", text)
	case u.Scheme != "ldaps" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
		return "", fmt.Errorf("%q is not ldaps://HOST or ldaps://HOST:PORT", text)
	}
	port := u.Port()
	if port == "" {
		port = "636"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
