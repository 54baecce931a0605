package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// ErrNoKeyholder says that no account has that name, or none whose keys are given away. The text around it says why.
var ErrNoKeyholder = errors.New("there is no such account whose keys can be had")

// Keyholder is an account that a service can run as.
type Keyholder struct {
	User
	Services []string // its service principal names
}

// FindKeyholder is the user or computer of that sAMAccountName, with or without a computer's $, or service principal name;
// HOST stands for the services of its host. The domain's own accounts have keys that open everything, and are not found. Its
// errors wrap ErrNoKeyholder, ErrProtected for whom AWS's rules keep out of reach, or are the connection's.
func FindKeyholder(ctx context.Context, conn Conn, domain Domain, name string) (Keyholder, error) {
	filters := []string{"(sAMAccountName=" + ldap.EscapeFilter(name) + ")", "(sAMAccountName=" + ldap.EscapeFilter(name) + "$)"}
	if _, host, service := strings.Cut(name, "/"); service {
		filters = []string{"(servicePrincipalName=" + ldap.EscapeFilter(name) + ")", "(servicePrincipalName=HOST/" + ldap.EscapeFilter(host) + ")"}
	}
	for _, filter := range filters {
		found, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, "(&"+filter+"(objectClass=user))", append([]string{"servicePrincipalName"}, userAttributes...))
		if err != nil {
			return Keyholder{}, fmt.Errorf("search for %q: %w", name, err)
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			return newKeyholder(ctx, conn, domain, found[0])
		}
		return Keyholder{}, fmt.Errorf("%w: %q is the name of %d accounts", ErrNoKeyholder, name, len(found))
	}
	return Keyholder{}, fmt.Errorf("%w: %q is the name of none", ErrNoKeyholder, name)
}

func newKeyholder(ctx context.Context, conn Conn, domain Domain, entry *ldap.Entry) (Keyholder, error) {
	holder := Keyholder{Services: entry.GetAttributeValues("servicePrincipalName")}
	var err error
	holder.User, err = readUser(entry)
	switch {
	case err != nil:
		return Keyholder{}, err
	case holder.SID.RID() == RIDKrbtgt || entry.GetAttributeValue("msDS-SecondaryKrbTgtNumber") != "":
		return Keyholder{}, fmt.Errorf("%w: %s is the key distribution center's own", ErrNoKeyholder, holder.Name)
	case holder.Control&otherThanNormalUsers&^WorkstationTrust != 0:
		return Keyholder{}, fmt.Errorf("%w: %s is a domain controller's or a trust's", ErrNoKeyholder, holder.Name)
	}
	return holder, Protect(ctx, conn, domain, holder.User)
}
