package dsdata

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// form is which member of an AttributeValue holds an attribute's values.
type form int

const (
	text   form = iota // S
	texts              // SS; one may be given as S
	number             // N, 32 bits
	large              // N, 64 bits
	truth              // BOOL
)

// attribute is what may be done with one of AD's attributes.
type attribute struct {
	name       string // LDAP's
	form       form
	users      bool
	groups     bool
	searchable bool
	readOnly   bool
	member     bool // requests and results have a member of their own for it
}

// attributes is every attribute that the API knows, by its name in lower case. Of AWS's two tables (Administration Guide,
// "AWS Directory Service Data attributes") that of the members is kept; the other one is ours, from AD's schema (MS-ADA1 to
// MS-ADA3, MS-ADSC): what a person or a group has that decides nothing about logins and rights.
var attributes = func() map[string]attribute {
	table := map[string]attribute{}
	add := func(kind attribute, names string) {
		for name := range strings.FieldsSeq(names) {
			kind.name = name
			table[strings.ToLower(name)] = kind
		}
	}
	add(attribute{users: true, groups: true, searchable: true, member: true, readOnly: true}, "sAMAccountName")
	add(attribute{users: true, searchable: true, member: true}, "mail givenName sn")
	add(attribute{users: true, groups: true, readOnly: true, member: true}, "distinguishedName")
	add(attribute{users: true, readOnly: true, member: true}, "userPrincipalName")
	add(attribute{form: number, groups: true, readOnly: true, member: true}, "groupType")

	add(attribute{users: true, groups: true, searchable: true}, "description displayName info telephoneNumber wWWHomePage")
	add(attribute{users: true, searchable: true}, `c co comment company department division employeeID employeeNumber employeeType facsimileTelephoneNumber
		gecos generationQualifier homeDirectory homeDrive homePhone homePostalAddress initials ipPhone l loginShell middleName mobile pager
		personalTitle physicalDeliveryOfficeName postalCode profilePath scriptPath st streetAddress title uid unixHomeDirectory`)
	add(attribute{form: texts, users: true, searchable: true}, `businessCategory carLicense departmentNumber otherFacsimileTelephoneNumber otherHomePhone
		otherIpPhone otherMailbox otherMobile otherPager otherTelephone postOfficeBox postalAddress preferredLanguage proxyAddresses roomNumber
		servicePrincipalName url`)
	add(attribute{users: true}, "manager")
	add(attribute{groups: true}, "managedBy")
	add(attribute{form: number, users: true, groups: true}, "gidNumber")
	add(attribute{form: number, users: true}, "codePage countryCode uidNumber")
	add(attribute{form: large, users: true}, "accountExpires")
	add(attribute{form: truth, users: true, groups: true}, "showInAdvancedViewOnly")

	add(attribute{users: true, groups: true, readOnly: true}, "cn name whenChanged whenCreated")
	add(attribute{form: texts, users: true, groups: true, readOnly: true}, "memberOf objectClass")
	add(attribute{form: number, users: true, groups: true, readOnly: true}, "adminCount sAMAccountType")
	add(attribute{form: number, users: true, readOnly: true}, "badPwdCount logonCount primaryGroupID userAccountControl")
	add(attribute{form: large, users: true, readOnly: true}, "badPasswordTime lastLogon lastLogonTimestamp lockoutTime pwdLastSet")
	add(attribute{form: large, users: true, groups: true, readOnly: true}, "uSNChanged uSNCreated")
	add(attribute{form: truth, users: true, groups: true, readOnly: true}, "isCriticalSystemObject")
	return table
}()

// aliases are the members of requests that are named otherwise than their attributes, in lower case.
var aliases = map[string]string{"emailaddress": "mail", "surname": "sn"}

// lookup is the attribute of that name, whatever the case of its letters, if objects of the class have it.
func lookup(class directory.Class, name string) (attribute, error) {
	key := strings.ToLower(name)
	if known, ok := aliases[key]; ok {
		key = known
	}
	a, ok := attributes[key]
	switch {
	case !ok:
		return a, invalid("INVALID_ATTRIBUTE_NAME", "There is no attribute %s.", name)
	case class == directory.Users && !a.users:
		return a, invalid("INVALID_ATTRIBUTE_FOR_USER", "A user has no attribute %s.", name)
	case class == directory.Groups && !a.groups:
		return a, invalid("INVALID_ATTRIBUTE_FOR_GROUP", "A group has no attribute %s.", name)
	}
	return a, nil
}

// named are the attributes of those names, each named once. An asterisk alone is all that have no member of their own.
func named(class directory.Class, names []string) ([]attribute, error) {
	var all []attribute
	for _, name := range names {
		if name == "*" && len(names) == 1 {
			for _, key := range slices.Sorted(maps.Keys(attributes)) {
				if a, err := lookup(class, key); err == nil && !a.member {
					all = append(all, a)
				}
			}
			return all, nil
		}
		a, err := lookup(class, name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(all, a) {
			return nil, invalid("DUPLICATE_ATTRIBUTE", "The attribute %s is given twice.", name)
		}
		all = append(all, a)
	}
	return all, nil
}

// others are the attributes that results have no members for.
func others(all []attribute) []attribute {
	return slices.DeleteFunc(slices.Clone(all), func(a attribute) bool { return a.member })
}

// ldapNames are the attributes' names.
func ldapNames(all []attribute) []string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.name
	}
	return names
}

// changes are the values that a request gives, by the attributes' names: OtherAttributes, and members by theirs.
func changes(class directory.Class, other map[string]AttributeValue, members map[string]*string) (map[string][]string, error) {
	values := map[string][]string{}
	for name, given := range members {
		if given == nil {
			continue
		}
		if strings.ContainsRune(*given, 0) {
			return nil, invalid("INVALID_ATTRIBUTE_VALUE", "The value of %s can't be stored.", name)
		}
		values[name] = []string{*given}
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		a, err := lookup(class, name)
		if err != nil {
			return nil, err
		}
		if a.readOnly {
			return nil, invalid("INVALID_ATTRIBUTE_FOR_MODIFY", "The attribute %s can't be set so.", name)
		}
		if _, twice := values[a.name]; twice {
			return nil, invalid("DUPLICATE_ATTRIBUTE", "The attribute %s is given twice.", name)
		}
		if values[a.name], err = a.read(other[name]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// read is a value as LDAP has it.
func (a attribute) read(given AttributeValue) ([]string, error) {
	wrong := invalid("INVALID_ATTRIBUTE_VALUE", "The value of %s is not of the attribute's type.", a.name)
	var values []string
	switch {
	case given.S != nil && (a.form == text || a.form == texts):
		values = []string{*given.S}
	case given.SS != nil && a.form == texts:
		values = given.SS
	case given.N != nil && a.form == large, given.N != nil && a.form == number && *given.N >= math.MinInt32 && *given.N <= math.MaxInt32:
		values = []string{strconv.FormatInt(*given.N, 10)}
	case given.BOOL != nil && a.form == truth:
		values = []string{strings.ToUpper(strconv.FormatBool(*given.BOOL))}
	default:
		return nil, wrong
	}
	for i, value := range values {
		if strings.ContainsRune(value, 0) || slices.Contains(values[:i], value) {
			return nil, wrong
		}
	}
	return values, nil
}

// show is the attributes of an entry that have values; nil without any.
func show(entry *ldap.Entry, all []attribute) map[string]AttributeValue {
	var shown map[string]AttributeValue
	for _, a := range all {
		values := entry.GetEqualFoldAttributeValues(a.name)
		if len(values) == 0 {
			continue
		}
		var v AttributeValue
		switch a.form {
		case text:
			v.S = &values[0]
		case texts:
			v.SS = values
		case number, large:
			n, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil {
				continue
			}
			v.N = &n
		case truth:
			v.BOOL = new(strings.EqualFold(values[0], "TRUE"))
		}
		if shown == nil {
			shown = map[string]AttributeValue{}
		}
		shown[a.name] = v
	}
	return shown
}

// filter finds the objects of a class of which one of the attributes is what is searched for: the whole value, whatever its
// case, in which an asterisk stands for any text. AWS has no asterisks; which values match there is not documented.
func filter(class directory.Class, sought string, all []attribute) (string, error) {
	parts := strings.Split(sought, "*")
	for i, part := range parts {
		parts[i] = ldap.EscapeFilter(part)
	}
	pattern := strings.Join(parts, "*")
	for strings.Contains(pattern, "**") {
		pattern = strings.ReplaceAll(pattern, "**", "*")
	}
	var alternatives strings.Builder
	for _, a := range all {
		if !a.searchable {
			return "", invalid("INVALID_ATTRIBUTE_FOR_SEARCH", "The attribute %s can't be searched.", a.name)
		}
		alternatives.WriteString("(" + a.name + "=" + pattern + ")")
	}
	return "(&(|" + alternatives.String() + ")" + string(class) + ")", nil
}
