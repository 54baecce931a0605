package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// account looks at the one that is bound as: whether it can do more than it should, and whether it will do for long.
func (d *doctor) account(ctx context.Context, name string) {
	if err := d.whoAmI(ctx); err != nil {
		d.add(name, StatusWarning, "its groups can't be read, so its rights can't be told: "+err.Error(), "Let the account read its own tokenGroups.")
		return
	}
	who := d.trustee.Name + ", " + d.trustee.SID.String()
	for _, group := range []struct {
		name string
		sid  directory.SID
	}{
		{"Domain Admins", d.sid.Child(directory.RIDDomainAdmins)},
		{"Enterprise Admins", d.sid.Child(directory.RIDEnterpriseAdmins)},
		{"Administrators", directory.SIDAdministrators},
	} {
		if slices.Contains(d.tokens, group.sid) {
			d.add(name, StatusWarning, who+", is a member of "+group.name+": whoever gets its password has the domain", "Use an account of its own for Latchkey, with no more rights than latchkey directory delegation prints.")
			return
		}
	}
	entry, err := read(ctx, d.conn, "<SID="+d.trustee.SID.String()+">", "msDS-UserPasswordExpiryTimeComputed")
	if err != nil {
		d.add(name, StatusOK, who, "")
		return
	}
	expires := directory.ParseFileTime(entry.GetAttributeValue("msDS-UserPasswordExpiryTimeComputed"))
	switch {
	case expires.IsZero():
		d.add(name, StatusOK, who, "")
	case expires.Sub(d.Now()) < expiresIn:
		d.add(name, StatusWarning, fmt.Sprintf("%s; its password expires on %s", who, expires.Format(time.DateOnly)), "Change its password before, there and in "+d.settings.BindPasswordFile+"; or let it not expire.")
	default:
		d.add(name, StatusOK, fmt.Sprintf("%s; its password expires on %s", who, expires.Format(time.DateOnly)), "")
	}
}

// whoAmI finds the account's name, and the SIDs that the domain controller grants rights to on this connection: those of the
// account, of its groups, and of what everybody who has logged in is.
func (d *doctor) whoAmI(ctx context.Context) error {
	entry, err := read(ctx, d.conn, "", "tokenGroups")
	if err != nil {
		return err
	}
	d.tokens = nil
	for _, token := range entry.GetRawAttributeValues("tokenGroups") {
		if sid := directory.SID(token); sid.Valid() {
			d.tokens = append(d.tokens, sid)
		}
	}
	if len(d.tokens) == 0 {
		return errors.New("the rootDSE has no tokenGroups")
	}
	d.trustee, err = d.named(ctx)
	return err
}

// named is the account that is bound as, whichever way it is written.
func (d *doctor) named(ctx context.Context) (directory.Trustee, error) {
	if _, err := ldap.ParseDN(d.settings.BindDN); err != nil || !strings.Contains(d.settings.BindDN, "=") {
		return directory.FindTrustee(ctx, d.conn, d.domain, d.settings.BindDN)
	}
	entry, err := read(ctx, d.conn, d.settings.BindDN, "sAMAccountName", "objectSid")
	if err != nil {
		return directory.Trustee{}, err
	}
	trustee := directory.Trustee{Name: entry.GetAttributeValue("sAMAccountName"), SID: directory.SID(entry.GetRawAttributeValue("objectSid"))}
	if trustee.Name == "" || !trustee.SID.Valid() {
		return directory.Trustee{}, fmt.Errorf("%s: its sAMAccountName and objectSid can't be read", d.settings.BindDN)
	}
	return trustee, nil
}
