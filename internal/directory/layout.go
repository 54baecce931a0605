package directory

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// DelegatedAdministrators is the group whose members run the customer's part of a Managed Microsoft AD.
const DelegatedAdministrators = "AWS Delegated Administrators"

// PasswordPolicyAdministrators is the group whose members set what the password settings objects of a Managed Microsoft AD
// demand, and of whom.
const PasswordPolicyAdministrators = "AWS Delegated Fine Grained Password Policy Administrators"

// delegatedGroups are those that AWS makes in a Managed Microsoft AD (AWS Administration Guide, "What gets created with
// your AWS Managed Microsoft AD").
var delegatedGroups = []string{
	"AWS Delegated Account Operators",
	"AWS Delegated Active Directory Based Activation Administrators",
	"AWS Delegated Add Workstations To Domain Users",
	DelegatedAdministrators,
	"AWS Delegated Allowed to Authenticate Objects",
	"AWS Delegated Allowed to Authenticate to Domain Controllers",
	"AWS Delegated Deleted Object Lifetime Administrators",
	"AWS Delegated Distributed File System Administrators",
	"AWS Delegated Domain Name System Administrators",
	"AWS Delegated Dynamic Host Configuration Protocol Administrators",
	"AWS Delegated Enterprise Certificate Authority Administrators",
	PasswordPolicyAdministrators,
	"AWS Delegated FSx Administrators",
	"AWS Delegated Group Policy Administrators",
	"AWS Delegated Kerberos Delegation Administrators",
	"AWS Delegated Managed Service Account Administrators",
	"AWS Delegated MS-NPRC Non-Compliant Devices",
	"AWS Delegated Remote Access Service Administrators",
	"AWS Delegated Replicate Directory Changes Administrators",
	"AWS Delegated Server Administrators",
	"AWS Delegated Sites and Services Administrators",
	"AWS Delegated System Management Administrators",
	"AWS Delegated Terminal Server Licensing Administrators",
	"AWS Delegated User Principal Name Suffix Administrators",
}

// LayOut makes of a plain AD domain what AWS hands over: on Managed Microsoft AD the OUs, the delegated groups and the
// Admin account; on Simple AD nothing but the administrator's password. What is there already is left as it is, so that
// an interrupted run can be repeated.
func LayOut(ctx context.Context, conn Conn, domain Domain, password []byte) error {
	value := EncodePassword(password)
	defer clear(value)
	if domain.Kind == SimpleAD {
		return enableAdministrator(ctx, conn, "CN=Administrator,CN=Users,"+domain.BaseDN(), value)
	}
	base := domain.BaseDN()
	for _, ou := range []string{
		"OU=AWS Delegated Groups," + base, "OU=AWS Reserved," + base, domain.CustomerDN(),
		"OU=Computers," + domain.CustomerDN(), "OU=Users," + domain.CustomerDN(),
	} {
		if err := Ensure(ctx, conn, ou, map[string][]string{"objectClass": {"organizationalUnit"}}); err != nil {
			return err
		}
	}
	for _, group := range delegatedGroups {
		attributes := map[string][]string{
			"objectClass": {"group"}, "sAMAccountName": {group}, "groupType": {formatGroupType(GroupSecurity | GroupDomainLocal)},
		}
		if err := Ensure(ctx, conn, delegatedDN(domain, group), attributes); err != nil {
			return err
		}
	}
	for i, dn := range customerSettings(domain) {
		if err := Ensure(ctx, conn, dn, DefaultPasswordSettings().object(10*(i+1))); err != nil {
			return err
		}
	}
	admin := "CN=" + domain.Administrator() + ",OU=Users," + domain.CustomerDN()
	attributes := map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {domain.Administrator()}, "userPrincipalName": {domain.Administrator() + "@" + domain.Name},
		"userAccountControl": {formatControl(NormalAccount | AccountDisable)}, "description": {"Administrator of the customer's part of the directory"},
	}
	if err := Ensure(ctx, conn, admin, attributes); err != nil {
		return err
	}
	if err := Join(ctx, conn, delegatedDN(domain, DelegatedAdministrators), admin); err != nil {
		return err
	}
	return enableAdministrator(ctx, conn, admin, value)
}

// customerSettings are the five password settings objects of a Managed Microsoft AD, that of the lowest precedence first. They
// hold for nobody until the customer says for whom (AWS Administration Guide, "Supported policy settings").
func customerSettings(domain Domain) (dns []string) {
	for i := range 5 {
		dns = append(dns, fmt.Sprintf("CN=CustomerPSO-%02d,CN=Password Settings Container,CN=System,%s", i+1, domain.BaseDN()))
	}
	return dns
}

// object is the settings as a password settings object has them (MS-ADTS section 3.1.1.3.2).
func (s PasswordSettings) object(precedence int) map[string][]string {
	maxAge := Interval(s.MaxAge)
	if s.MaxAge == 0 {
		maxAge = strconv.FormatInt(-Never-1, 10)
	}
	return map[string][]string{
		"objectClass": {"msDS-PasswordSettings"}, "msDS-PasswordSettingsPrecedence": {strconv.Itoa(precedence)}, "msDS-PasswordReversibleEncryptionEnabled": {"FALSE"},
		"msDS-PasswordHistoryLength": {strconv.Itoa(s.History)}, "msDS-PasswordComplexityEnabled": {strings.ToUpper(strconv.FormatBool(s.Complexity))},
		"msDS-MinimumPasswordLength": {strconv.Itoa(s.MinLength)}, "msDS-MinimumPasswordAge": {Interval(s.MinAge)}, "msDS-MaximumPasswordAge": {maxAge},
		"msDS-LockoutThreshold": {strconv.Itoa(s.LockoutThreshold)}, "msDS-LockoutObservationWindow": {Interval(s.ObservationWindow)}, "msDS-LockoutDuration": {Interval(s.LockoutDuration)},
	}
}

// Delegate lets the administrators that the customer of a Managed Microsoft AD appoints do what they are for, by access control
// lists: everything in the customer's OU, who is in the delegated groups, what the password settings objects demand but for
// their precedence. It does nothing for a Simple AD.
func Delegate(ctx context.Context, conn Conn, domain Domain) error {
	if domain.Kind != MicrosoftAD {
		return nil
	}
	group, err := read(ctx, conn, delegatedDN(domain, DelegatedAdministrators), "objectSid")
	if err != nil {
		return err
	}
	administrators := SID(group.GetRawAttributeValue("objectSid"))
	err = Grant(ctx, conn, domain.CustomerDN(), ACE{Type: Allow, Flags: ContainerInherit, Mask: FullControl, SID: administrators})
	if err != nil {
		return err
	}
	err = Grant(ctx, conn, "OU=AWS Delegated Groups,"+domain.BaseDN(), ACE{
		Type: AllowObject, Flags: ContainerInherit | InheritOnly, Mask: WriteProperty, Object: attributeMember, Class: ClassGroup, SID: administrators,
	})
	if err != nil {
		return err
	}
	if group, err = read(ctx, conn, delegatedDN(domain, PasswordPolicyAdministrators), "objectSid"); err != nil {
		return err
	}
	sid := SID(group.GetRawAttributeValue("objectSid"))
	for _, dn := range customerSettings(domain) {
		err := Grant(ctx, conn, dn,
			ACE{Type: DenyObject, Mask: WriteProperty, Object: attributePrecedence, SID: sid},
			ACE{Type: Allow, Mask: GenericRead | WriteProperty, SID: sid})
		if err != nil {
			return err
		}
	}
	return nil
}

func delegatedDN(domain Domain, group string) string {
	return "CN=" + group + ",OU=AWS Delegated Groups," + domain.BaseDN()
}

// enableAdministrator sets the first password, again if it was set before: nobody else had it to change it.
func enableAdministrator(ctx context.Context, conn Conn, dn string, value []byte) error {
	entry, err := read(ctx, conn, dn, "userAccountControl")
	if err != nil {
		return err
	}
	bits, err := strconv.ParseInt(entry.GetAttributeValue("userAccountControl"), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: userAccountControl: %w", dn, err)
	}
	control := UserAccountControl(uint32(bits))
	return explain(conn.Modify(ctx, resetRequest(User{DN: dn, Control: control}, value, ResetOptions{})))
}

// Ensure adds an entry unless one of that name exists.
func Ensure(ctx context.Context, conn Conn, dn string, attributes map[string][]string) error {
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	if err := conn.Add(ctx, request); err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
		return fmt.Errorf("make %s: %w", dn, err)
	}
	return nil
}

// Join makes an entry a member of a group, unless it is one.
func Join(ctx context.Context, conn Conn, group, member string) error {
	request := ldap.NewModifyRequest(group, nil)
	request.Add("member", []string{member})
	err := conn.Modify(ctx, request)
	// Samba answers with the second code.
	there := ldap.IsErrorWithCode(err, ldap.LDAPResultAttributeOrValueExists) || ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists)
	if err != nil && !there {
		return fmt.Errorf("make %s a member of %s: %w", member, group, err)
	}
	return nil
}

func formatGroupType(bits uint32) string { return strconv.FormatInt(int64(int32(bits)), 10) }
