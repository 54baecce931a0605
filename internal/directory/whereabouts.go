package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Whereabouts is what decides who may look after a user.
type Whereabouts struct {
	Name string // sAMAccountName, as the directory writes it
	// Above is the DNs of all that the user is below, the nearest first and the domain last.
	Above []string
	// Groups is the sAMAccountNames of all groups that the user is in, also by way of others and by primaryGroupID.
	Groups []string
}

// FindWhereabouts is FindUser for those who ask where a user is. Its errors are ResetPassword's.
func FindWhereabouts(ctx context.Context, conn Conn, domain Domain, name string) (Whereabouts, error) {
	user, err := FindUser(ctx, conn, domain, name)
	if errors.Is(err, ErrNoSuchUser) {
		return Whereabouts{}, err
	}
	if err != nil {
		return Whereabouts{}, explain(err)
	}
	groups, err := allGroups(ctx, conn, domain, user)
	if err != nil {
		return Whereabouts{}, fmt.Errorf("groups of %s: %w", user.DN, explain(err))
	}
	return Whereabouts{user.Name, above(domain, user.DN), groups}, nil
}

// above is what is left of a DN when its first RDNs are taken off one by one.
func above(domain Domain, dn string) (all []string) {
	for len(dn) > len(domain.BaseDN()) {
		at := 0
		for ; at < len(dn) && dn[at] != ','; at++ {
			if dn[at] == '\\' {
				at++
			}
		}
		if at >= len(dn) {
			break
		}
		dn = dn[at+1:]
		all = append(all, dn)
	}
	return all
}

// groupsAtOnce bounds the size of one filter.
const groupsAtOnce = 100

func allGroups(ctx context.Context, conn Conn, domain Domain, user User) (names []string, err error) {
	entry, err := read(ctx, conn, user.DN, "tokenGroups")
	if err != nil {
		return nil, err
	}
	for tokens := entry.GetRawAttributeValues("tokenGroups"); len(tokens) > 0; {
		some := tokens[:min(len(tokens), groupsAtOnce)]
		tokens = tokens[len(some):]
		var filter strings.Builder
		filter.WriteString("(|")
		for _, token := range some {
			filter.WriteString("(objectSid=" + ldap.EscapeFilter(string(token)) + ")")
		}
		filter.WriteString(")")
		groups, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, filter.String(), []string{"sAMAccountName"})
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			names = append(names, group.GetAttributeValue("sAMAccountName"))
		}
	}
	return names, nil
}
