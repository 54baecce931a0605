package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// filled is what people cost at the least.
type filled struct{ attributes int64 } // bytes of the values of all of them

// populate gives the embedded directory of a server that has stopped more people, and groups of them, straight into its store: as
// entries that the server itself would have made, many at a time.
func (s *server) populate(ctx context.Context, people int) (f filled, err error) {
	records, err := store.Open(ctx, store.Options{Dir: filepath.Join(s.data, "store"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	user, group, err := templates(ctx, records)
	if err != nil {
		return f, err
	}
	rid, err := records.Reserve(ctx, directoryID, "rid", 1103, uint32(people+people/teamSize))
	if err != nil {
		return f, err
	}
	domain, err := directory.SID(user.Attributes["objectSid"][0]).Domain()
	if err != nil {
		return f, err
	}
	like := func(template *store.Entry, name string) *store.Entry {
		e := &store.Entry{Parent: user.Parent, RDN: "CN=" + name, Attributes: maps.Clone(template.Attributes)}
		_, _ = rand.Read(e.GUID[:]) // never fails
		e.Attributes["sAMAccountName"] = []string{name}
		e.Attributes["objectSid"] = []string{string(domain.Child(rid))}
		rid++
		return e
	}
	place := func(b *store.Batch, e *store.Entry, name string) {
		b.Put(e)
		b.Place(e.Parent, "cn="+name, e.GUID)
		b.Claim("sAMAccountName", name, e.GUID)
	}
	for first := 1; first <= people; first += teamSize {
		batch := store.NewBatch(directoryID)
		var members []store.GUID
		for i := first; i < first+teamSize && i <= people; i++ {
			name := personName(i)
			e := like(user, name)
			e.Attributes["userPrincipalName"] = []string{name + "@bench.example.com"}
			e.Attributes["displayName"] = []string{fmt.Sprintf("Person Number %d", i)}
			e.Attributes["mail"] = []string{name + "@example.com"}
			place(batch, e, name)
			batch.Claim("userPrincipalName", name+"@bench.example.com", e.GUID)
			members = append(members, e.GUID)
			for _, values := range e.Attributes {
				for _, value := range values {
					f.attributes += int64(len(value))
				}
			}
			if len(members) == teamSize {
				name := fmt.Sprintf("team%d", (i-1)/teamSize)
				e := like(group, name)
				place(batch, e, name)
				for _, member := range members {
					batch.Link(store.Link{Attribute: "member", Source: e.GUID, Target: member})
				}
				members = nil
			}
		}
		if _, err := records.Commit(ctx, batch); err != nil {
			return f, err
		}
	}
	// etcd reads the end of its log into memory: that is to be small writes, as a server's are, and not the batches.
	for range 1100 {
		if _, err := records.Reserve(ctx, directoryID, "bench", 1, 1); err != nil {
			return f, err
		}
	}
	return f, nil
}

// templates are a user and a group that the server has made, the user without a password.
func templates(ctx context.Context, records *store.Store) (user, group *store.Entry, err error) {
	reading, stop := context.WithCancel(ctx)
	done, err := records.FollowTree(reading, directoryID, func(changes []store.TreeChange) {
		for _, change := range changes {
			if change.Link != nil || change.Gone {
				continue
			}
			e, problem := change.Entry()
			switch {
			case problem != nil:
				err = errors.Join(err, problem)
			case e.RDN == "CN=user0":
				user = e
			case e.RDN == "CN=Domain Users":
				group = e
			}
		}
	}, func() {})
	stop()
	if done != nil {
		<-done
	}
	if err == nil && (user == nil || group == nil) {
		err = errors.New("the directory is not as it was made")
	}
	if err == nil {
		for name := range strings.FieldsSeq("msDS-KeyVersionNumber isCriticalSystemObject") {
			delete(user.Attributes, name)
			delete(group.Attributes, name)
		}
		// As every new user is: disabled, until it has a password.
		user.Attributes["pwdLastSet"], user.Attributes["userAccountControl"] = []string{"0"}, []string{"546"}
	}
	return user, group, err
}
