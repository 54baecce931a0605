package samba

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/directory"
)

// TrustDirection says who is let in, as trustDirection of a trustedDomain does (MS-ADTS 6.1.6.7.12).
type TrustDirection int

// The directions of a trust: Incoming lets this domain's users into the other one, Outgoing the other's users into this one.
const (
	Incoming TrustDirection = 1
	Outgoing TrustDirection = 2
	TwoWay                  = Incoming | Outgoing
)

// Trust is a domain's half of a trust.
type Trust struct {
	Domain    string // the other one's DNS name
	Direction TrustDirection
	// Forest makes it one between forests; otherwise it is between these two domains only.
	Forest bool
}

// attributes is trustAttributes (MS-ADTS 6.1.6.7.9).
func (t Trust) attributes() int {
	const quarantined, forestTransitive = 4, 8
	if t.Forest {
		return forestTransitive
	}
	return quarantined
}

// TrustError says what is wrong with a trust, or with the other domain, in an administrator's words.
type TrustError struct{ Reason string }

func (e *TrustError) Error() string { return e.Reason }

// reasons are what Samba's words for a trust that does not work mean.
var reasons = map[string]string{
	"WERR_ACCESS_DENIED":                "The two halves of the trust have different passwords.",
	"WERR_CANT_ACCESS_DOMAIN_INFO":      "No domain controller of the other domain can be reached.",
	"WERR_NO_LOGON_SERVERS":             "No domain controller of the other domain can be reached.",
	"WERR_NO_SUCH_DOMAIN":               "This domain has no half of the trust.",
	"WERR_NO_TRUST_LSA_SECRET":          "This domain has no half of the trust that lets the other one in.",
	"WERR_NO_TRUST_SAM_ACCOUNT":         "The other domain has no half of the trust that is the counterpart of this one.",
	"WERR_TRUSTED_RELATIONSHIP_FAILURE": "The other domain does not accept the trust.",
}

// trustLimit is how long a domain controller may take for something about a trust: the other domain may be far away.
const trustLimit = 30 * time.Second

//go:embed trust.py
var trustProgram []byte

// CreateTrust makes the domain's half of a trust, in place of one with the same domain if there is one; the other half is the
// other domain's business. The other domain is found by its name in DNS, and asked for what it is. The error is an *TrustError
// where trying again is of no use.
func (e *Engine) CreateTrust(ctx context.Context, d directory.Domain, t Trust, password []byte) error {
	return e.trust(ctx, d, func(ctx context.Context, source *running) error {
		err := e.trustTool(ctx, source, password, "create", t.Domain, strconv.Itoa(int(t.Direction)), strconv.Itoa(t.attributes()))
		if err != nil {
			return err
		}
		return e.spread(ctx, d, source)
	})
}

// DeleteTrust removes the domain's half of a trust, if there is one. Who came in by it is not let in any more.
func (e *Engine) DeleteTrust(ctx context.Context, d directory.Domain, domain string) error {
	return e.trust(ctx, d, func(ctx context.Context, source *running) error {
		if err := e.trustTool(ctx, source, nil, "delete", domain); err != nil {
			return err
		}
		return e.spread(ctx, d, source)
	})
}

// VerifyTrust proves at each of the domain's controllers that the other domain accepts this one's half of an outgoing or
// two-way trust. The error is an *TrustError if it does not.
func (e *Engine) VerifyTrust(ctx context.Context, d directory.Domain, domain string) error {
	return e.trust(ctx, d, func(ctx context.Context, source *running) error {
		// All of them, whatever one says: each also forgets what it had of the other domain.
		var errs []error
		for _, r := range e.domain(d.ID).all() {
			if r == source || r.health().Up {
				errs = append(errs, e.trustTool(ctx, r, nil, "verify", domain))
			}
		}
		return errors.Join(errs...)
	})
}

// trust lets a domain controller that works do something about trusts, while nobody changes which ones there are.
func (e *Engine) trust(ctx context.Context, d directory.Domain, do func(context.Context, *running) error) error {
	at, ctx, done, err := e.begin(ctx, d.ID)
	if err != nil {
		return err
	}
	defer done()
	source, err := at.working("")
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, trustLimit)
	defer cancel()
	err = do(limited, source)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return errors.Join(&TrustError{"The other domain does not answer within " + trustLimit.String() + "."}, err)
	}
	return err
}

// spread makes a changed trust known at all domain controllers: the others learn of it first. What they hold of the trusted
// domains' connections, and of who the trusted domains are, is of before.
func (e *Engine) spread(ctx context.Context, d directory.Domain, source *running) error {
	var errs []error
	for _, r := range e.domain(d.ID).all() {
		if !r.health().Up {
			continue // it begins with what is true then
		}
		if r != source {
			errs = append(errs, source.reaches(ctx, d, r))
		}
		errs = append(errs, e.trustTool(ctx, r, nil, "refresh"))
	}
	return errors.Join(errs...)
}

// trustTool runs the program for trusts as the domain controller would.
func (e *Engine) trustTool(ctx context.Context, r *running, password []byte, args ...string) error {
	path := r.folder.at("etc/trust.py")
	if err := os.WriteFile(path, trustProgram, 0o600); err != nil {
		return err
	}
	// The machine's own Python has Samba's modules, whatever is first in PATH.
	err := e.tool(ctx, r.folder, r.current(), password, append([]string{"/usr/bin/python3", "-I", path}, args...)...)
	if err == nil {
		return nil
	}
	if _, said, found := strings.Cut(err.Error(), "trust: "); found {
		reason, known := reasons[said]
		if !known {
			reason = said
		}
		return &TrustError{reason}
	}
	return err
}
