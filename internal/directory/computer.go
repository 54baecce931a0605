package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

var (
	// ErrExists says that there is an entry or an account of that name already.
	ErrExists = errors.New("there is one of that name already")
	// ErrNoContainer says that new entries can't be where they were to be. The text around it says why.
	ErrNoContainer = errors.New("entries can't be made there")
	// ErrAttribute says that an attribute, or a value of it, can't be given to an entry. The text around it says why.
	ErrAttribute = errors.New("an attribute can't be set")
)

// Computer is a computer's account.
type Computer struct {
	DN   string
	Name string // without the $
	SID  SID
}

// NewComputer is what a computer's account is made of.
type NewComputer struct {
	Name string
	// Container is the DN that the account is made below; "" is the domain's own place for computers.
	Container string
	Password  []byte
	// Attributes are further ones, by their names.
	Attributes map[string][]string
}

// guarded are the attributes that decide what an account is and may do.
var guarded = []string{
	"objectClass", "objectCategory", "objectSid", "objectGUID", "sIDHistory", "cn", "name", "distinguishedName", "sAMAccountName", "sAMAccountType",
	"userAccountControl", "unicodePwd", "userPassword", "clearTextPassword", "dBCSPwd", "supplementalCredentials", "primaryGroupID", "member", "memberOf",
	"adminCount", "nTSecurityDescriptor", "msDS-AllowedToDelegateTo", "msDS-AllowedToActOnBehalfOfOtherIdentity", "msDS-KeyCredentialLink",
	"servicePrincipalName", "dNSHostName",
}

// CreateComputer makes a computer's account with its password, as joining a domain does (MS-ADTS section 6.4.2): named NAME$,
// with the host's DNS name and service principal names. Its errors wrap ErrExists, ErrNoContainer, ErrAttribute, ErrPassword,
// ErrForbidden, ErrUnavailable or ErrOutcomeUnknown.
func CreateComputer(ctx context.Context, conn Conn, domain Domain, new NewComputer) (Computer, error) {
	container, err := computerContainer(domain, new.Container)
	if err != nil {
		return Computer{}, err
	}
	if err := accountName(new.Name); err != nil {
		return Computer{}, err
	}
	host := strings.ToLower(new.Name)
	value := EncodePassword(new.Password)
	defer clear(value)
	made := Computer{DN: "CN=" + ldap.EscapeDN(new.Name) + "," + container, Name: new.Name}
	request := ldap.NewAddRequest(made.DN, nil)
	for name, values := range map[string][]string{
		"objectClass": {"computer"}, "sAMAccountName": {new.Name + "$"}, "userAccountControl": {formatControl(WorkstationTrust)},
		"dNSHostName": {host + "." + domain.Name}, "servicePrincipalName": {"HOST/" + host, "HOST/" + host + "." + domain.Name},
		"unicodePwd": {string(value)},
	} {
		request.Attribute(name, values)
	}
	for name, values := range new.Attributes {
		if slices.ContainsFunc(guarded, func(g string) bool { return strings.EqualFold(g, name) }) {
			return Computer{}, fmt.Errorf("%w: %s is the directory's own", ErrAttribute, name)
		}
		request.Attribute(name, values)
	}
	if err := conn.Add(ctx, request); err != nil {
		return Computer{}, explainAdd(err)
	}
	entry, err := read(ctx, conn, made.DN, "objectSid")
	if err != nil {
		return Computer{}, explain(err)
	}
	made.SID = SID(entry.GetRawAttributeValue("objectSid"))
	return made, nil
}

// computerContainer is where a computer goes: on Managed Microsoft AD a place of the customer's own.
func computerContainer(domain Domain, wanted string) (string, error) {
	if wanted == "" {
		return domain.ComputersDN(), nil
	}
	customer := domain.CustomerDN()
	dn, err := ldap.ParseDN(wanted)
	if err != nil {
		return "", fmt.Errorf("%w: %q is not a distinguished name", ErrNoContainer, wanted)
	}
	above, err := ldap.ParseDN(customer)
	if err != nil {
		return "", err
	}
	if !above.EqualFold(dn) && !above.AncestorOfFold(dn) {
		return "", fmt.Errorf("%w: %s is not below %s", ErrNoContainer, wanted, customer)
	}
	return wanted, nil
}

// accountName refuses what AD allows in no sAMAccountName (MS-SAMR section 3.1.1.6), and dots, which no host's name has.
func accountName(name string) error {
	if strings.ContainsAny(name, `"/\[]:;|=,+*?<>@. $`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: %q can't be the name of an account", ErrAttribute, name)
	}
	return nil
}

// explainAdd is explain for a new entry.
func explainAdd(err error) error {
	var refusal *ldap.Error
	if !errors.As(err, &refusal) {
		return err
	}
	switch explained := explain(err); {
	case errors.Is(explained, ErrPassword):
		return explained
	case refusal.ResultCode == ldap.LDAPResultEntryAlreadyExists:
		return fmt.Errorf("%w: %w", ErrExists, err)
	case refusal.ResultCode == ldap.LDAPResultNoSuchObject, refusal.ResultCode == ldap.LDAPResultInvalidDNSyntax, refusal.ResultCode == ldap.LDAPResultNamingViolation:
		return fmt.Errorf("%w: %w", ErrNoContainer, err)
	case refusal.ResultCode >= ldap.LDAPResultNoSuchAttribute && refusal.ResultCode <= ldap.LDAPResultInvalidAttributeSyntax, refusal.ResultCode == ldap.LDAPResultObjectClassViolation:
		return fmt.Errorf("%w: %w", ErrAttribute, err)
	default:
		return explained
	}
}
