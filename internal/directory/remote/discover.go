package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

const discoverLimit = 5 * time.Second

// Controllers is the URLs of the domain controllers in the order in which they are to be asked: the PDC emulator first if it
// is preferred, then those that are given, then those that are discovered, by priority and weight (RFC 2782). Those that are
// given, and those that are asked without records, are in the answer also beside an error.
func (s Settings) Controllers(ctx context.Context, domainName string) ([]string, error) {
	urls := slices.Clone(s.URLs)
	if s.Discover {
		found, err := s.lookup(ctx, "dc", domainName)
		if err != nil {
			return append(urls, s.Otherwise...), err
		}
		urls = append(urls, found...)
	}
	if s.PreferPDC {
		found, err := s.lookup(ctx, "pdc", domainName)
		if err != nil {
			return urls, err
		}
		urls = append(found, urls...)
	}
	seen := map[string]bool{}
	urls = slices.DeleteFunc(urls, func(url string) bool {
		address, err := hostPort(url)
		key := strings.ToLower(address)
		if err != nil || seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
	return urls[:min(len(urls), maxURLs)], nil
}

// lookup asks for a role's records (MS-ADTS section 6.3.2.3). They name the port of plain LDAP; LDAPS has its own. What a
// record names has to prove that name by TLS.
func (s Settings) lookup(ctx context.Context, role, domainName string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverLimit)
	defer cancel()
	urls, err := ask(ctx, s.servers(), func(ctx context.Context, resolver *net.Resolver) (urls []string, err error) {
		_, records, err := resolver.LookupSRV(ctx, "ldap", "tcp", role+"._msdcs."+domainName+".")
		for _, record := range records {
			if host := strings.TrimSuffix(record.Target, "."); host != "" && net.ParseIP(host) == nil {
				urls = append(urls, "ldaps://"+strings.ToLower(host))
			}
		}
		if err == nil && len(urls) == 0 {
			err = errNoRecords
		}
		return urls, err
	})
	if err != nil {
		return nil, fmt.Errorf("_ldap._tcp.%s._msdcs.%s: %w", role, domainName, err)
	}
	return urls, nil
}

// server is a DNS server that is asked. Its address is "" for what the system asks.
type server struct {
	*net.Resolver
	address string
}

func (s Settings) servers() []server {
	addresses := s.resolvers()
	if len(addresses) == 0 {
		return []server{{net.DefaultResolver, ""}}
	}
	servers := make([]server, 0, len(addresses))
	for _, address := range addresses {
		servers = append(servers, server{&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, address)
		}}, address})
	}
	return servers
}

func (s Settings) resolvers() []string {
	if s.Resolver != "" {
		return []string{s.Resolver}
	}
	return s.Resolvers
}

// resolverOf is the DNS server that is first to know the host.
func (s Settings) resolverOf(ctx context.Context, host string) *net.Resolver {
	servers := s.servers()
	if len(servers) == 1 || net.ParseIP(host) != nil {
		return servers[0].Resolver
	}
	found, err := ask(ctx, servers, func(ctx context.Context, resolver *net.Resolver) (*net.Resolver, error) {
		_, err := resolver.LookupHost(ctx, host)
		return resolver, err
	})
	if err != nil {
		return servers[0].Resolver
	}
	return found
}

// ask puts a question to all servers at once, as one of them may be silent, and is content with the first answer. Without any
// it gives every server's error.
func ask[T any](ctx context.Context, servers []server, question func(context.Context, *net.Resolver) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		answer T
		err    error
	}
	results := make(chan result, len(servers))
	for _, server := range servers {
		go func() {
			answer, err := question(ctx, server.Resolver)
			// The resolver itself names the server that the system has.
			var failure *net.DNSError
			if errors.As(err, &failure) && server.address != "" {
				failure.Server = server.address
			}
			results <- result{answer, err}
		}()
	}
	var errs []error
	for range servers {
		select {
		case r := <-results:
			if r.err == nil {
				return r.answer, nil
			}
			errs = append(errs, r.err)
		// A resolver itself heeds the context's deadline, and not its end.
		case <-ctx.Done():
			return answer, errors.Join(append(errs, ctx.Err())...)
		}
	}
	return answer, errors.Join(errs...)
}
