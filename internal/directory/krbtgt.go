package directory

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-ldap/ldap/v3"
)

// RollKrbtgt gives the domain a new key for its Kerberos tickets, and says its version (kvno). Whoever sets krbtgt's password
// asks for that: the directory makes the key up (Microsoft, "KRBTGT account password reset"). Tickets under the former key are good
// until they expire; those under the one before it are not any more. password is random, and wiped.
func RollKrbtgt(ctx context.Context, conn Conn, domain Domain, password []byte) (version int, err error) {
	defer clear(password)
	filter := fmt.Sprintf("(objectSid=%s)", domain.SID.Child(RIDKrbtgt))
	found, err := search(ctx, conn, domain.BaseDN(), ldap.ScopeWholeSubtree, filter, []string{"distinguishedName"})
	if err != nil {
		return 0, explain(err)
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("%w: krbtgt", ErrNoSuchUser)
	}
	value := EncodePassword(password)
	defer clear(value)
	request := ldap.NewModifyRequest(found[0].DN, nil)
	request.Replace("unicodePwd", []string{string(value)})
	if err := conn.Modify(ctx, request); err != nil {
		return 0, explain(err)
	}
	entry, err := read(ctx, conn, found[0].DN, "msDS-KeyVersionNumber")
	if err != nil {
		return 0, explain(err)
	}
	return strconv.Atoi(entry.GetAttributeValue("msDS-KeyVersionNumber"))
}
