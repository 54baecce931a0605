package seed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/directory/remote"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

// Apply makes what is missing and leaves the rest as it is. What is there already and contradicts the seed is an error
// that says where. engine holds the new directories for which the seed names none.
func Apply(ctx context.Context, s *Seed, worker *lifecycle.Worker, account, engine string) error {
	records := make([]store.Directory, len(s.Directories))
	for i, d := range s.Directories {
		record, err := create(ctx, d, worker, account, engine)
		if err != nil {
			return fmt.Errorf("%s: %w", d.At, err)
		}
		records[i] = record
	}
	for i, d := range s.Directories {
		if d.Remote != nil {
			continue
		}
		if err := worker.Await(ctx, records[i].ID); err != nil {
			return fmt.Errorf("%s: %w", d.At, err)
		}
		conn, err := worker.Conn(records[i].ID)
		if err != nil {
			return fmt.Errorf("%s: %w", d.At, err)
		}
		domain, err := lifecycle.Domain(records[i])
		if err != nil {
			return fmt.Errorf("%s: %w", d.At, err)
		}
		if err := (&filler{conn, domain}).fill(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// create makes the directory, or finds it: by its id, or without one by its name and region.
func create(ctx context.Context, d Directory, worker *lifecycle.Worker, account, engine string) (store.Directory, error) {
	wanted := store.Directory{
		ID: d.ID, Account: account, Region: d.Region, Type: d.Type, Name: d.Name, ShortName: d.ShortName, Size: d.Size, Edition: d.Edition,
		Description: d.Description, Engine: orElse(d.Engine, engine),
	}
	for _, there := range worker.Directories().All(account, "", "", 1<<20) {
		same := there.ID == d.ID || d.ID == "" && there.Name == d.Name && there.Region == d.Region
		if !same {
			continue
		}
		if there.Type != d.Type || there.Name != d.Name || there.ShortName != d.ShortName || there.Region != d.Region {
			return there, fmt.Errorf("directory %s exists as %s %s (%s) in %s, and the seed wants %s %s (%s) in %s",
				there.ID, there.Type, there.Name, there.ShortName, there.Region, d.Type, d.Name, d.ShortName, d.Region)
		}
		if have := lifecycle.EngineName(there); d.Engine != "" && d.Engine != have {
			return there, fmt.Errorf("directory %s is held by the engine %s, and the seed wants %s", there.ID, have, d.Engine)
		}
		return there, nil
	}
	if d.Remote != nil {
		return attach(ctx, d, wanted, worker)
	}
	return worker.Create(ctx, wanted, d.Password.Bytes())
}

// attach checks the domain and records it. A seed that was applied before is not checked again: a domain that can't be
// reached must not keep the server from its start.
func attach(ctx context.Context, d Directory, wanted store.Directory, worker *lifecycle.Worker) (store.Directory, error) {
	wanted.Reset = store.Reset{
		Bases: d.Remote.ResetBases, LeaveOut: d.Remote.LeaveOut, History: d.Remote.RespectHistory, MustChange: d.Remote.MustChange, ReadBack: d.Remote.ReadBack,
	}
	record, report, err := worker.AttachRemote(ctx, wanted, remote.Settings{
		URLs: d.Remote.URLs, Discover: d.Remote.Discover, PreferPDC: d.Remote.PreferPDC, Resolver: d.Remote.Resolver,
		BindDN: d.Remote.BindDN, BindPasswordFile: d.Remote.BindPasswordFile, CAFile: d.Remote.CAFile,
	})
	if errors.Is(err, lifecycle.ErrRefused) {
		err = nil
		for _, finding := range report.Findings {
			if finding.Status == remote.StatusFailed {
				err = errors.Join(err, fmt.Errorf("%s: %s (hint: %s)", finding.Name, finding.Detail, finding.Fix))
			}
		}
	}
	return record, err
}

// filler makes what is in one directory.
type filler struct {
	conn   directory.Conn
	domain directory.Domain
}

func (f *filler) fill(ctx context.Context, d Directory) error {
	if err := f.policy(ctx, d.Policy); err != nil {
		return fmt.Errorf("%s: password policy: %w", d.At, err)
	}
	for _, unit := range d.Units {
		if _, err := f.unit(ctx, unit.Path); err != nil {
			return fmt.Errorf("%s: organizational unit %q: %w", unit.At, unit.Path, err)
		}
	}
	for _, g := range d.Groups {
		if err := f.group(ctx, g); err != nil {
			return fmt.Errorf("%s: group %q: %w", g.At, g.Name, err)
		}
	}
	for _, g := range d.Groups {
		if err := f.joinAll(ctx, g.Name, g.Groups); err != nil {
			return fmt.Errorf("%s: group %q: %w", g.At, g.Name, err)
		}
	}
	for _, u := range d.Users {
		if err := f.user(ctx, u); err != nil {
			return fmt.Errorf("%s: user %q: %w", u.At, u.Name, err)
		}
	}
	for _, c := range d.Computers {
		if err := f.computer(ctx, c); err != nil {
			return fmt.Errorf("%s: computer %q: %w", c.At, c.Name, err)
		}
	}
	return nil
}

// policy sets the password settings that still are AD's defaults. One that somebody has changed stays as it is.
func (f *filler) policy(ctx context.Context, p *Policy) error {
	if p == nil {
		return nil
	}
	wanted := p.attributes()
	defaults := directory.DefaultPasswordSettings().Attributes()
	names := slices.Sorted(maps.Keys(wanted))
	result, err := f.conn.Search(ctx, ldap.NewSearchRequest(f.domain.BaseDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", names, nil))
	if err != nil {
		return err
	}
	request := ldap.NewModifyRequest(f.domain.BaseDN(), nil)
	for _, name := range names {
		if there := result.Entries[0].GetAttributeValue(name); there == defaults[name] && there != wanted[name] {
			request.Replace(name, []string{wanted[name]})
		}
	}
	if len(request.Changes) == 0 {
		return nil
	}
	return f.conn.Modify(ctx, request)
}

func (p *Policy) attributes() map[string]string {
	settings, given := directory.PasswordSettings{}, map[string]bool{}
	number := func(attribute string, to *int, from *int) {
		if from != nil {
			*to, given[attribute] = *from, true
		}
	}
	duration := func(attribute string, to *time.Duration, from *Duration) {
		if from != nil {
			*to, given[attribute] = time.Duration(*from), true
		}
	}
	number("minPwdLength", &settings.MinLength, p.MinLength)
	number("pwdHistoryLength", &settings.History, p.HistoryLength)
	number("lockoutThreshold", &settings.LockoutThreshold, p.LockoutThreshold)
	duration("minPwdAge", &settings.MinAge, p.MinAge)
	duration("maxPwdAge", &settings.MaxAge, p.MaxAge)
	duration("lockoutDuration", &settings.LockoutDuration, p.LockoutDuration)
	duration("lockOutObservationWindow", &settings.ObservationWindow, p.ObservationWindow)
	if p.Complexity != nil {
		settings.Complexity, given["pwdProperties"] = *p.Complexity, true
	}
	wanted := settings.Attributes()
	maps.DeleteFunc(wanted, func(attribute, _ string) bool { return !given[attribute] })
	return wanted
}

// unit is the DN of an organizational unit, which is made with all that are above it.
func (f *filler) unit(ctx context.Context, path string) (string, error) {
	dn := f.domain.CustomerDN()
	if rooted, ok := strings.CutPrefix(path, "/"); ok {
		dn, path = f.domain.BaseDN(), rooted
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			return "", errors.New("a part of the path is empty")
		}
		dn = "OU=" + ldap.EscapeDN(part) + "," + dn
		if err := directory.Ensure(ctx, f.conn, dn, map[string][]string{"objectClass": {"organizationalUnit"}}); err != nil {
			return "", err
		}
	}
	return dn, nil
}

// place is the DN of the container that an object goes to.
func (f *filler) place(ctx context.Context, ou *string, otherwise string) (string, error) {
	if ou == nil {
		return otherwise, nil
	}
	if *ou == "" {
		return f.domain.CustomerDN(), nil
	}
	return f.unit(ctx, *ou)
}

// account is the entry of that sAMAccountName, or nil.
func (f *filler) account(ctx context.Context, name string, attributes ...string) (*ldap.Entry, error) {
	filter := "(sAMAccountName=" + ldap.EscapeFilter(name) + ")"
	result, err := f.conn.Search(ctx, ldap.NewSearchRequest(f.domain.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, filter, append(attributes, "objectClass"), nil))
	if err != nil {
		return nil, err
	}
	if len(result.Entries) == 0 {
		return nil, nil
	}
	return result.Entries[0], nil
}

// ensure makes the account unless it is there. An account that is there must be of the same class and at the same place.
func (f *filler) ensure(ctx context.Context, account, dn string, attributes map[string][]string) error {
	there, err := f.account(ctx, account)
	if err != nil {
		return err
	}
	class := attributes["objectClass"][0]
	if there != nil {
		classes := there.GetEqualFoldAttributeValues("objectClass")
		if len(classes) == 0 || !strings.EqualFold(classes[len(classes)-1], class) || !sameDN(there.DN, dn) {
			return fmt.Errorf("the directory has it as a %s at %s, and the seed wants a %s at %s", classes[len(classes)-1], there.DN, class, dn)
		}
		return nil
	}
	request := ldap.NewAddRequest(dn, nil)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if values := slices.DeleteFunc(attributes[name], func(v string) bool { return v == "" }); len(values) > 0 {
			request.Attribute(name, values)
		}
	}
	return f.conn.Add(ctx, request)
}

func sameDN(a, b string) bool {
	left, err := ldap.ParseDN(a)
	if err != nil {
		return false
	}
	right, err := ldap.ParseDN(b)
	return err == nil && left.EqualFold(right)
}

func (f *filler) group(ctx context.Context, g Group) error {
	container, err := f.place(ctx, g.OU, f.domain.UsersDN())
	if err != nil {
		return err
	}
	bits := map[string]uint32{"Global": directory.GroupGlobal, "DomainLocal": directory.GroupDomainLocal, "Universal": directory.GroupUniversal}[g.Scope]
	if g.Type == "Security" {
		bits |= directory.GroupSecurity
	}
	return f.ensure(ctx, g.Name, "CN="+ldap.EscapeDN(g.Name)+","+container, map[string][]string{
		"objectClass": {"group"}, "sAMAccountName": {g.Name}, "groupType": {strconv.FormatInt(int64(int32(bits)), 10)}, "description": {g.Description},
	})
}

func (f *filler) joinAll(ctx context.Context, member string, groups []string) error {
	if len(groups) == 0 {
		return nil
	}
	entry, err := f.account(ctx, member)
	if err != nil || entry == nil {
		return errors.Join(fmt.Errorf("%q is not there", member), err)
	}
	for _, name := range groups {
		group, err := f.account(ctx, name)
		if err != nil {
			return err
		}
		if group == nil {
			return fmt.Errorf("there is no group %q", name)
		}
		if err := directory.Join(ctx, f.conn, group.DN, entry.DN); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) user(ctx context.Context, u User) error {
	container, err := f.place(ctx, u.OU, f.domain.UsersDN())
	if err != nil {
		return err
	}
	common := u.DisplayName
	if common == "" {
		common = strings.TrimSpace(u.GivenName + " " + u.Surname)
	}
	if common == "" {
		common = u.Name
	}
	attributes := map[string][]string{
		"objectClass": {"user"}, "sAMAccountName": {u.Name}, "givenName": {u.GivenName}, "sn": {u.Surname}, "displayName": {u.DisplayName}, "mail": {u.Mail},
		"userPrincipalName": {orElse(u.UserPrincipalName, u.Name+"@"+f.domain.Name)},
	}
	for name, values := range u.Attributes {
		attributes[name] = values
	}
	if err := f.ensure(ctx, u.Name, "CN="+ldap.EscapeDN(common)+","+container, attributes); err != nil {
		return err
	}
	entry, err := f.account(ctx, u.Name, "userAccountControl")
	if err != nil || entry == nil {
		return errors.Join(fmt.Errorf("%q is not there", u.Name), err)
	}
	// An account as it was added is one that this or an interrupted run has just made.
	if entry.GetAttributeValue("userAccountControl") != asAdded {
		return nil
	}
	// Only a group that the user is in becomes the primary one.
	groups := u.Groups
	if u.PrimaryGroup != "" && !slices.Contains(groups, u.PrimaryGroup) {
		groups = append(slices.Clone(groups), u.PrimaryGroup)
	}
	if err := f.joinAll(ctx, u.Name, groups); err != nil {
		return err
	}
	return f.finishUser(ctx, u, entry.DN)
}

// asAdded is the userAccountControl that AD gives a user who is added without one: normal, disabled, no password needed.
var asAdded = strconv.Itoa(int(directory.NormalAccount | directory.AccountDisable | directory.PasswordNotRequired))

// finishUser gives a new user the password and what depends on it.
func (f *filler) finishUser(ctx context.Context, u User, dn string) error {
	request := ldap.NewModifyRequest(dn, nil)
	if !u.Password.IsZero() {
		value := directory.EncodePassword(u.Password.Bytes())
		defer clear(value)
		request.Replace("unicodePwd", []string{string(value)})
	}
	control := directory.NormalAccount
	if u.Disabled || u.Password.IsZero() {
		control |= directory.AccountDisable
	}
	request.Replace("userAccountControl", []string{strconv.Itoa(int(control))})
	if u.MustChangePassword {
		request.Replace("pwdLastSet", []string{"0"})
	}
	if u.Locked {
		request.Replace("lockoutTime", []string{directory.FileTime(time.Now())})
	}
	if u.PrimaryGroup != "" {
		group, err := f.account(ctx, u.PrimaryGroup, "objectSid")
		if err != nil || group == nil {
			return errors.Join(fmt.Errorf("there is no group %q", u.PrimaryGroup), err)
		}
		rid := directory.SID(group.GetRawAttributeValue("objectSid")).RID()
		request.Replace("primaryGroupID", []string{strconv.FormatUint(uint64(rid), 10)})
	}
	return f.conn.Modify(ctx, request)
}

func (f *filler) computer(ctx context.Context, c Computer) error {
	otherwise := "CN=Computers," + f.domain.BaseDN()
	if f.domain.Kind == directory.MicrosoftAD {
		otherwise = "OU=Computers," + f.domain.CustomerDN()
	}
	container, err := f.place(ctx, c.OU, otherwise)
	if err != nil {
		return err
	}
	return f.ensure(ctx, c.Name+"$", "CN="+ldap.EscapeDN(c.Name)+","+container, map[string][]string{
		"objectClass": {"computer"}, "sAMAccountName": {c.Name + "$"}, "dNSHostName": {strings.ToLower(c.Name) + "." + f.domain.Name},
		"userAccountControl": {strconv.Itoa(int(directory.WorkstationTrust))},
	})
}
