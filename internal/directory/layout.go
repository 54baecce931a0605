package directory

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-ldap/ldap/v3"
)

// DelegatedAdministrators is the group whose members run the customer's part of a Managed Microsoft AD.
const DelegatedAdministrators = "AWS Delegated Administrators"

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
	"AWS Delegated Fine Grained Password Policy Administrators",
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

func delegatedDN(domain Domain, group string) string {
	return "CN=" + group + ",OU=AWS Delegated Groups," + domain.BaseDN()
}

// enableAdministrator sets the first password. It does nothing to an account that is enabled: that one has its password.
func enableAdministrator(ctx context.Context, conn Conn, dn string, value []byte) error {
	entry, err := read(ctx, conn, dn, "userAccountControl")
	if err != nil {
		return err
	}
	control, err := strconv.ParseInt(entry.GetAttributeValue("userAccountControl"), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: userAccountControl: %w", dn, err)
	}
	if UserAccountControl(uint32(control))&AccountDisable == 0 {
		return nil
	}
	request := ldap.NewModifyRequest(dn, nil)
	request.Replace("unicodePwd", []string{string(value)})
	request.Replace("userAccountControl", []string{formatControl(UserAccountControl(uint32(control)) &^ (AccountDisable | PasswordNotRequired))})
	return explain(conn.Modify(ctx, request))
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
