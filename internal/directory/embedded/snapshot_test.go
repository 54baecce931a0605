package embedded

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// snapshotted is a directory with a record, whose snapshots can be made and restored.
type snapshotted struct {
	*Engine
	t           *testing.T
	domain      directory.Domain
	directories *store.Directories
	record      store.Directory
}

func newSnapshotted(t *testing.T, kind directory.Kind) *snapshotted {
	t.Helper()
	engine, domain := testDomain(t, kind)
	ctx, stop := context.WithCancel(context.Background())
	directories, err := engine.store.FollowDirectories(ctx, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	snapshots, err := engine.store.FollowSnapshots(ctx, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); directories.Wait(); snapshots.Wait() })
	s := &snapshotted{engine, t, domain, directories, store.Directory{ID: domain.ID}}
	s.put()
	for _, id := range []string{"s-0000000001", "s-0000000002"} {
		if err := snapshots.Put(t.Context(), &store.Snapshot{ID: id, Directory: domain.ID}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *snapshotted) put() {
	s.t.Helper()
	if err := s.directories.Put(s.t.Context(), &s.record); err != nil {
		s.t.Fatal(err)
	}
}

func (s *snapshotted) save(id string) {
	s.t.Helper()
	if err := s.Snapshot(s.t.Context(), s.record, s.domain, id); err != nil {
		s.t.Fatal(err)
	}
}

func (s *snapshotted) back(id string) {
	s.t.Helper()
	s.record.Restore.Number++
	s.put()
	if err := s.Restore(s.t.Context(), &s.record, s.domain, id); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Engine.Conn(s.domain.ID); err == nil {
		s.t.Error("what was in memory is served on")
	}
	if err := s.Serve(s.t.Context(), s.domain); err != nil {
		s.t.Fatal(err)
	}
}

func (s *snapshotted) conn() directory.Conn {
	s.t.Helper()
	conn, err := s.Engine.Conn(s.domain.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func (s *snapshotted) dn(name string) string { return "CN=" + name + "," + s.domain.UsersDN() }

func (s *snapshotted) add(name, class string) {
	s.t.Helper()
	request := ldap.NewAddRequest(s.dn(name), nil)
	request.Attribute("objectClass", []string{class})
	request.Attribute("sAMAccountName", []string{name})
	if err := s.conn().Add(s.t.Context(), request); err != nil {
		s.t.Fatal(err)
	}
}

func (s *snapshotted) reset(name, password string) {
	s.t.Helper()
	if _, err := directory.ResetPassword(s.t.Context(), s.conn(), s.domain, name, []byte(password), directory.ResetOptions{Unlock: true}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *snapshotted) logsIn(name, password string) bool {
	s.t.Helper()
	_, err := s.Bind(s.t.Context(), true, name, []byte(password))
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		s.t.Fatal(err)
	}
	return err == nil
}

// values is an attribute of the account of that name; nil if there is none.
func values(t *testing.T, conn directory.Conn, base, name, attribute string) []string {
	t.Helper()
	result, err := conn.Search(t.Context(), ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, "(sAMAccountName="+name+")", []string{attribute}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Entries) == 0 {
		return nil
	}
	return result.Entries[0].GetAttributeValues(attribute)
}

func (s *snapshotted) values(name, attribute string) []string {
	s.t.Helper()
	return values(s.t, s.conn(), s.domain.BaseDN(), name, attribute)
}

// A restored directory is what it was: who was there is there, with the password and the groups of then; who came later is
// not, and his SID is nobody else's.
func TestRestore(t *testing.T) {
	for _, kind := range []directory.Kind{directory.SimpleAD, directory.MicrosoftAD} {
		t.Run(string(kind), func(t *testing.T) {
			s := newSnapshotted(t, kind)
			s.add("jane", "user")
			s.add("kim", "user")
			s.add("staff", "group")
			s.reset("jane", "Then-Was-Then-1")
			join := ldap.NewModifyRequest(s.dn("staff"), nil)
			join.Add("member", []string{s.dn("jane")})
			if err := s.conn().Modify(t.Context(), join); err != nil {
				t.Fatal(err)
			}
			sid := s.values("jane", "objectSid")
			s.save("s-0000000001")

			former, err := s.Bind(t.Context(), true, "jane", []byte("Then-Was-Then-1"))
			if err != nil {
				t.Fatal(err)
			}
			s.reset("jane", "Now-Is-Now-2")
			s.add("late", "user")
			s.reset("late", "Now-Is-Now-2")
			taken := s.values("late", "objectSid")
			for _, name := range []string{"kim", "staff"} {
				if err := s.conn().Delete(t.Context(), ldap.NewDelRequest(s.dn(name), nil)); err != nil {
					t.Fatal(err)
				}
			}
			s.save("s-0000000002")
			s.back("s-0000000001")

			if !s.logsIn("jane", "Then-Was-Then-1") || s.logsIn("jane", "Now-Is-Now-2") || s.logsIn("late", "Now-Is-Now-2") {
				t.Error("the passwords are not those of then")
			}
			if !s.logsIn(s.domain.Administrator(), "Pa55-of-the-boss") {
				t.Error("the administrator can't log in")
			}
			if !slices.Equal(s.values("jane", "objectSid"), sid) || s.values("kim", "cn") == nil || s.values("late", "cn") != nil {
				t.Error("the users are not those of then")
			}
			if members := s.values("staff", "member"); len(members) != 1 || !strings.EqualFold(members[0], s.dn("jane")) {
				t.Errorf("the group's members are %q", members)
			}
			s.add("late", "user") // the name is free
			if again := s.values("late", "objectSid"); slices.Equal(again, taken) {
				t.Error("the SID of a user who is gone was given again")
			}
			// What claims hold together holds on.
			request := ldap.NewAddRequest("CN=other,"+s.domain.UsersDN(), nil)
			request.Attribute("objectClass", []string{"user"})
			request.Attribute("sAMAccountName", []string{"kim"})
			if err := s.conn().Add(t.Context(), request); !ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
				t.Errorf("a name twice: %v", err)
			}
			// Who logged in before is in a directory that is gone.
			if got := former.Who(); got != "" {
				t.Errorf("a session of before is %q", got)
			}
			s.reset("jane", "Now-Is-Now-3")

			s.back("s-0000000002")
			if !s.logsIn("jane", "Now-Is-Now-2") || s.logsIn("jane", "Now-Is-Now-3") || !s.logsIn("late", "Now-Is-Now-2") || s.values("kim", "cn") != nil {
				t.Error("the second snapshot is not of its own time")
			}
		})
	}
}

// A server that goes on following the tree while another restores it ends up with the restored one.
func TestRestoredElsewhere(t *testing.T) {
	s := newSnapshotted(t, directory.SimpleAD)
	s.add("jane", "user")
	s.save("s-0000000001")
	other, err := New(s.store, s.keyring, nil, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if err := other.Serve(t.Context(), s.domain); err != nil {
		t.Fatal(err)
	}
	conn, err := other.Conn(s.domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.add("late", "user")
	if err := conn.Delete(t.Context(), ldap.NewDelRequest(s.dn("jane"), nil)); err != nil {
		t.Fatal(err)
	}
	s.back("s-0000000001")
	// While the head of the tree is away there is no tree to search.
	there := func() string {
		found, err := conn.Search(t.Context(), ldap.NewSearchRequest(s.domain.BaseDN(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(|(cn=jane)(cn=late))", []string{"cn"}, nil))
		if err != nil {
			return err.Error()
		}
		var names []string
		for _, entry := range found.Entries {
			names = append(names, entry.GetAttributeValue("cn"))
		}
		return strings.Join(names, " ")
	}
	for deadline := time.Now().Add(time.Minute); there() != "jane"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is %s", there())
		}
	}
}
