package gateway

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"latchkey/internal/admission"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/throttle"
)

// Limits are how often calls are taken; a nil bounds nothing.
type Limits struct {
	Key       *throttle.Buckets // by access key
	Directory *throttle.Buckets // by directory that is called upon
	User      *throttle.Buckets // by user whose password is reset
	Failures  *throttle.Buckets // by network (see admission.Network) whose signatures prove nothing
}

// limited is why a call is refused. quiet is that the audit trail has had one like it within the last second: a flood of
// calls is no flood of records.
type limited struct {
	limit string // one of those below; "" where the call has another answer
	why   string
	quiet bool
}

func (l *limited) Error() string { return l.why }

// The limits that a call can be refused by.
const (
	limitKey       = "key"
	limitDirectory = "directory"
	limitUser      = "user"
	limitBodySize  = "api_body_size"
	limitBodyTime  = "api_body_time"

	LargeRequests = "large_requests"
)

func take(b *throttle.Buckets, name, limit, which string, now time.Time) error {
	ok, first := b.Take(name, now)
	if ok {
		return nil
	}
	return fault.New(fault.Throttling, "Rate exceeded").Because(&limited{limit, "too many calls " + which, !first})
}

// limitFailure is why the signature proves nothing. A network that fails too often is still answered, and recorded once a second.
func (g *Gateway) limitFailure(r *http.Request, err error) error {
	if ok, first := g.Limits.Failures.Take(networkOf(r), g.Now()); !ok && !first {
		return errors.Join(err, &limited{"", "too many calls from this address", true})
	}
	return err
}

func networkOf(r *http.Request) string {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return admission.Network(net.TCPAddrFromAddrPort(from)).String()
}

func (g *Gateway) limitKey(x *exchange) error {
	return take(g.Limits.Key, x.proof.Principal.Source(), limitKey, "by this access key", g.Now())
}

// limitSubject is asked only once the caller may do what it wants: nobody else can use up a directory's or a user's tokens.
func (g *Gateway) limitSubject(x *exchange) error {
	id := x.spec.Directory(x.request)
	if id == "" {
		return nil
	}
	if err := take(g.Limits.Directory, id, limitDirectory, "upon this directory", g.Now()); err != nil {
		return err
	}
	if x.name != "ResetUserPassword" || x.spec.Access != operation.Write {
		return nil
	}
	user, _ := x.service.Redact(x.name, x.request)["userName"].(string)
	return take(g.Limits.User, id+" "+foldName(user), limitUser, "for this user", g.Now())
}

// foldName is the same for all names that strings.EqualFold holds for equal, as whoever finds the user does.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

func quiet(err error) bool {
	t, ok := errors.AsType[*limited](err)
	return ok && t.quiet
}
