package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
	"latchkey/internal/ldif"
	"latchkey/internal/wire"
)

// row is a user of a file.
type row struct {
	line     int
	user     dsdata.CreateUserRequest // without the directory
	password string                   // the file has it, too: wiping it here would hide it from nobody
	groups   []string
	disabled bool

	cells []string    // of CSV: what the file has
	entry ldif.Record // of LDIF
}

// rowError is what is wrong with one row. Those after it can still be read.
type rowError struct {
	line   int
	reason error
}

func (e *rowError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.reason) }

func (e *rowError) Unwrap() error { return e.reason }

// rows are the users of a file in one of its formats.
type rows interface {
	// next is the next user; io.EOF follows the last. After a *rowError it goes on.
	next() (*row, error)
	// failed writes the row so that it can be imported again, with the reason why it was not.
	failed(w io.Writer, r *row, reason error) error
}

// openRows finds out the format: LDIF begins with a version or a DN.
func openRows(r io.Reader) (rows, error) {
	text := bufio.NewReader(r)
	head, err := text.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, &advised{errors.New("the text is UTF-16"), "spreadsheets can write UTF-8 (CSV UTF-8)"}
	}
	for line := range bytes.Lines(bytes.TrimPrefix(head, []byte("\ufeff"))) {
		line = bytes.ToLower(bytes.TrimSpace(line))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if bytes.HasPrefix(line, []byte("dn:")) || bytes.HasPrefix(line, []byte("version:")) {
			return &ldifRows{reader: ldif.NewReader(text)}, nil
		}
		break
	}
	return openCSV(text)
}

// maxRow is how long a row of CSV may be: longer ones lack the quote that ends a value.
const maxRow = 1 << 20

// bounded gives no more than what is left, which is more than one row may take.
type bounded struct {
	io.Reader
	left int
}

var errLongRow = fmt.Errorf("it is longer than %d bytes: is there a quote that nothing ends?", maxRow)

func (b *bounded) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLongRow
	}
	n, err := b.Reader.Read(into)
	b.left -= n
	return n, err
}

// csvRows are those of a CSV file whose first row has the columns' names.
type csvRows struct {
	text    *bounded
	reader  *csv.Reader
	header  []string
	columns []func(r *row, cell string) error
	line    int // of the row before
	wrote   bool
}

func openCSV(text *bufio.Reader) (*csvRows, error) {
	if bom, _ := text.Peek(3); string(bom) == "\ufeff" {
		_, _ = text.Discard(3)
	}
	c := &csvRows{text: &bounded{text, maxRow}}
	c.reader = csv.NewReader(c.text)
	// Spreadsheets write what their country's decimal comma leaves them.
	head, _ := text.Peek(4096)
	if line, _, _ := bytes.Cut(head, []byte("\n")); !bytes.ContainsRune(line, ',') {
		for _, comma := range ";\t" {
			if bytes.ContainsRune(line, comma) {
				c.reader.Comma = comma
				break
			}
		}
	}
	var err error
	if c.header, err = c.reader.Read(); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	} else if err != nil {
		return nil, fmt.Errorf("the columns' names: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range c.header {
		set, canonical, err := column(strings.TrimSpace(name))
		switch {
		case err != nil:
			return nil, err
		case seen[canonical] && canonical != "":
			return nil, fmt.Errorf("there is more than one column %s", canonical)
		}
		seen[canonical] = true
		c.columns = append(c.columns, set)
	}
	if !seen["SAMAccountName"] {
		return nil, &advised{errors.New("there is no column SAMAccountName"), "the first row has the columns' names: SAMAccountName, GivenName, Surname, EmailAddress, Password, Groups, Enabled, and those of AD attributes"}
	}
	return c, nil
}

// column is what a cell below the name sets, and the name as the API writes it; "" for one that is not read.
func column(name string) (set func(r *row, cell string) error, canonical string, err error) {
	member := func(canonical string, of func(r *row) **string) (func(r *row, cell string) error, string, error) {
		return func(r *row, cell string) error { *of(r) = &cell; return nil }, canonical, nil
	}
	switch strings.ToLower(name) {
	case "samaccountname", "username":
		return member("SAMAccountName", func(r *row) **string { return &r.user.SAMAccountName })
	case "givenname":
		return member("GivenName", func(r *row) **string { return &r.user.GivenName })
	case "surname", "sn":
		return member("Surname", func(r *row) **string { return &r.user.Surname })
	case "emailaddress", "email", "mail":
		return member("EmailAddress", func(r *row) **string { return &r.user.EmailAddress })
	case "password":
		return func(r *row, cell string) error { r.password = cell; return nil }, "Password", nil
	case "groups":
		return func(r *row, cell string) error {
			for group := range strings.SplitSeq(cell, ";") {
				if group = strings.TrimSpace(group); group != "" {
					r.groups = append(r.groups, group)
				}
			}
			return nil
		}, "Groups", nil
	case "enabled":
		return func(r *row, cell string) error {
			switch strings.ToLower(cell) {
			case "true", "yes", "1":
			case "false", "no", "0":
				r.disabled = true
			default:
				return fmt.Errorf("%q in the column Enabled is neither TRUE nor FALSE", cell)
			}
			return nil
		}, "Enabled", nil
	case "sid", "line", "reason":
		return func(*row, string) error { return nil }, "", nil // what export and a failed import write
	case "":
		return nil, "", errors.New("a column has no name")
	}
	if ofDomain[strings.ToLower(name)] {
		return func(*row, string) error { return nil }, "", nil
	}
	probe := &dsdata.DescribeUserRequest{DirectoryId: new(anyDirectory), SAMAccountName: new("x"), OtherAttributes: []string{name}}
	if wire.DSData.Validate("DescribeUser", probe) != nil {
		return nil, "", fmt.Errorf("the column %q is neither one that import knows nor the name of an AD attribute", name)
	}
	return func(r *row, cell string) error {
		values := []string{cell}
		if strings.HasPrefix(cell, "[") {
			// Several values are a list in JSON, as export writes them.
			if several := []string(nil); json.Unmarshal([]byte(cell), &several) == nil && len(several) > 0 {
				values = several
			}
		}
		r.set(name, values)
		return nil
	}, strings.ToLower(name), nil
}

// set sets one of the other attributes.
func (r *row) set(name string, values []string) {
	if r.user.OtherAttributes == nil {
		r.user.OtherAttributes = map[string]dsdata.AttributeValue{}
	}
	r.user.OtherAttributes[name] = attributeValue(name, values)
}

func (c *csvRows) next() (*row, error) {
	c.text.left = maxRow
	cells, err := c.reader.Read()
	for err == nil && !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
		cells, err = c.reader.Read() // spreadsheets leave rows that are empty
	}
	if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
		if errors.Is(err, csv.ErrFieldCount) {
			return nil, &rowError{wrong.StartLine, fmt.Errorf("it has %s, and the first row %d", counted(len(cells), "cell", "cells"), len(c.header))}
		}
		return nil, &rowError{wrong.StartLine, wrong.Err}
	}
	if errors.Is(err, errLongRow) {
		return nil, fmt.Errorf("the row after line %d: %w", max(c.line, 1), err)
	}
	if err != nil {
		return nil, err
	}
	c.line, _ = c.reader.FieldPos(0)
	r := &row{line: c.line, cells: cells}
	var wrong []error
	for i, cell := range cells {
		switch {
		case !utf8.ValidString(cell):
			wrong = append(wrong, fmt.Errorf("%s is not UTF-8", c.header[i]))
		case cell != "":
			wrong = append(wrong, c.columns[i](r, cell))
		}
	}
	if err := errors.Join(append(wrong, r.check())...); err != nil {
		return r, &rowError{c.line, err}
	}
	return r, nil
}

func (c *csvRows) failed(w io.Writer, r *row, reason error) error {
	out := csv.NewWriter(w)
	out.Comma = c.reader.Comma
	// The columns of an earlier failure are written anew.
	keep := func(cells []string, more ...string) []string {
		var all []string
		for i, cell := range cells {
			if name := strings.ToLower(c.header[i]); name != "line" && name != "reason" {
				all = append(all, cell)
			}
		}
		return append(all, more...)
	}
	var wrong error
	if !c.wrote {
		c.wrote, wrong = true, out.Write(keep(c.header, "Line", "Reason"))
	}
	wrong = errors.Join(wrong, out.Write(keep(r.cells, strconv.Itoa(r.line), reason.Error())))
	out.Flush()
	return errors.Join(wrong, out.Error())
}

// ldifRows are the users among the entries of an LDIF file.
type ldifRows struct {
	reader *ldif.Reader
	others int // entries that are no users
}

// ofDomain are attributes that a domain sets or that tell what the API has no word for, in lower case.
var ofDomain = map[string]bool{
	"objectclass": true, "cn": true, "name": true, "uid": true, "distinguishedname": true, "objectcategory": true, "objectguid": true, "objectsid": true,
	"instancetype": true, "userprincipalname": true, "primarygroupid": true, "samaccounttype": true, "whencreated": true, "whenchanged": true, "usncreated": true,
	"usnchanged": true, "dscorepropagationdata": true, "admincount": true, "badpasswordtime": true, "badpwdcount": true, "lastlogoff": true, "lastlogon": true, "lastlogontimestamp": true, "lockouttime": true, "logoncount": true, "pwdlastset": true,
	"iscriticalsystemobject": true, "systemflags": true, "realm": true,
}

// byDefault are values that a domain gives every user.
var byDefault = map[string][]string{"accountexpires": {"0", "9223372036854775807"}, "codepage": {"0"}, "countrycode": {"0"}}

// accountDisabled is the bit of userAccountControl (MS-ADTS 2.2.16).
const accountDisabled = 2

func (l *ldifRows) next() (*row, error) {
	for {
		entry, err := l.reader.Next()
		if wrong, ok := errors.AsType[*ldif.Error](err); ok {
			return nil, &rowError{wrong.Line, errors.New(wrong.Reason)}
		} else if err != nil {
			return nil, err
		}
		if entry.Modify {
			return nil, &rowError{entry.Line, errors.New("it changes an entry; import creates users")}
		}
		if !isUser(entry) {
			l.others++
			continue
		}
		r := &row{line: entry.Line, entry: entry}
		var wrong []error
		for _, change := range entry.Changes {
			wrong = append(wrong, r.take(change.Attribute, change.Values))
		}
		for name, value := range r.user.OtherAttributes {
			if slices.ContainsFunc(texts(value), func(each string) bool { return !utf8.ValidString(each) }) {
				wrong = append(wrong, fmt.Errorf("%s is not UTF-8", name))
			}
		}
		if err := errors.Join(append(wrong, r.check())...); err != nil {
			return r, &rowError{entry.Line, err}
		}
		return r, nil
	}
}

func isUser(entry ldif.Record) bool {
	user, other := false, false
	for _, change := range entry.Changes {
		if strings.EqualFold(change.Attribute, "objectClass") {
			user = slices.ContainsFunc(change.Values, func(class string) bool { return isOneOf(class, "user", "person", "inetOrgPerson") })
			other = slices.ContainsFunc(change.Values, func(class string) bool { return isOneOf(class, "computer", "contact") })
		}
	}
	return user && !other
}

// take sets what an attribute of an entry says.
func (r *row) take(name string, values []string) error {
	one := func(of **string) error {
		if *of = &values[0]; len(values) > 1 {
			return fmt.Errorf("%s has more than one value", name)
		}
		return nil
	}
	switch lower := strings.ToLower(name); lower {
	case "samaccountname":
		return one(&r.user.SAMAccountName)
	case "givenname":
		return one(&r.user.GivenName)
	case "sn":
		return one(&r.user.Surname)
	case "mail":
		return one(&r.user.EmailAddress)
	case "uid":
		if r.user.SAMAccountName == nil {
			return one(&r.user.SAMAccountName)
		}
	case "memberof":
		for _, value := range values {
			group := firstValue(value)
			if group == "" {
				return fmt.Errorf("memberOf: %q is no distinguished name", value)
			}
			r.groups = append(r.groups, group)
		}
	case "useraccountcontrol":
		bits, err := strconv.Atoi(values[0])
		if err != nil {
			return errors.New("userAccountControl is not a number")
		}
		r.disabled = bits&accountDisabled != 0
	case "unicodepwd":
		return r.takePassword(values[0])
	case "userpassword":
		if r.password = values[0]; strings.HasPrefix(r.password, "{") {
			return errors.New("userPassword is a hash, and a directory takes passwords")
		}
	default:
		if !ofDomain[lower] && !slices.Contains(byDefault[lower], values[0]) {
			r.set(name, values)
		}
	}
	return nil
}

// firstValue is Staff of CN=Staff,OU=CORP; "" of what is no DN.
func firstValue(text string) string {
	dn, err := ldap.ParseDN(text)
	if err != nil || len(dn.RDNs) == 0 {
		return ""
	}
	return dn.RDNs[0].Attributes[0].Value
}

// takePassword reads unicodePwd, which is the password in quotes, in UTF-16 (MS-ADTS 3.1.1.3.1.5).
func (r *row) takePassword(value string) error {
	wrong := errors.New("unicodePwd is not a password in quotes, in UTF-16")
	if len(value)%2 != 0 {
		return wrong
	}
	units := make([]uint16, len(value)/2)
	for i := range units {
		units[i] = uint16(value[2*i]) | uint16(value[2*i+1])<<8
	}
	inner, first := strings.CutPrefix(string(utf16.Decode(units)), `"`)
	inner, last := strings.CutSuffix(inner, `"`)
	if !first || !last {
		return wrong
	}
	r.password = inner
	return nil
}

func (l *ldifRows) failed(w io.Writer, r *row, reason error) error {
	comment := fmt.Sprintf("# line %d: %s\n", r.line, strings.ReplaceAll(text(new(reason.Error())), "\n", "; "))
	_, err := w.Write(ldif.Append([]byte(comment), r.entry.DN, r.entry.Changes))
	return err
}

// anyDirectory stands where a request is only held against the model.
const anyDirectory = "d-0000000000"

// check holds a row against what the API takes, so that what is wrong is known before anything is written.
func (r *row) check() error {
	user := r.user
	user.DirectoryId = new(anyDirectory)
	wrong := []error{wire.DSData.Validate("CreateUser", &user)}
	name := user.SAMAccountName
	if name == nil {
		return errors.New("there is no SAMAccountName")
	}
	for _, group := range r.groups {
		wrong = append(wrong, wire.DSData.Validate("AddGroupMember", &dsdata.AddGroupMemberRequest{DirectoryId: user.DirectoryId, GroupName: &group, MemberName: name}))
	}
	if r.password != "" {
		in := &ds.ResetUserPasswordRequest{DirectoryId: user.DirectoryId, UserName: name, NewPassword: wire.NewSecret([]byte(r.password))}
		wrong = append(wrong, wire.DS.Validate("ResetUserPassword", in))
	}
	return errors.Join(wrong...)
}

// rowKey tells rows apart, without a password, so that nobody can guess one with it.
type rowKey [16]byte

func (r *row) key() (rowKey, error) {
	user := r.user
	user.SAMAccountName = new(strings.ToLower(*user.SAMAccountName))
	text, err := json.Marshal(struct {
		User     dsdata.CreateUserRequest
		Groups   []string
		Disabled bool
	}{user, r.groups, r.disabled})
	sum := sha256.Sum256(text)
	return rowKey(sum[:16]), err
}

func (k rowKey) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// changes says whether an update has something to replace.
func (r *row) changes() bool {
	return r.user.GivenName != nil || r.user.Surname != nil || r.user.EmailAddress != nil || len(r.user.OtherAttributes) > 0
}
