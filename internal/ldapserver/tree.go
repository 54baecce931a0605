package ldapserver

import (
	"context"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// runner is a task's work.
type runner = func(ctx context.Context, session Session, answer *answer) error

func search(r *ldap.SearchRequest) runner {
	return func(ctx context.Context, session Session, a *answer) error {
		if r.TimeLimit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(r.TimeLimit)*time.Second)
			defer cancel()
		}
		result, err := session.Search(ctx, r)
		if result == nil {
			return err
		}
		for _, entry := range result.Entries {
			a.entries++
			if err := a.send(appendEntry(*a.buf, a.id, entry, r.TypesOnly)); err != nil {
				return err
			}
		}
		for _, uri := range result.Referrals {
			if err := a.send(appendReference(*a.buf, a.id, uri)); err != nil {
				return err
			}
		}
		a.controls = result.Controls
		return err
	}
}

func modify(r *ldap.ModifyRequest) runner {
	return func(ctx context.Context, session Session, _ *answer) error { return session.Modify(ctx, r) }
}

func add(r *ldap.AddRequest) runner {
	return func(ctx context.Context, session Session, _ *answer) error { return session.Add(ctx, r) }
}

func remove(r *ldap.DelRequest) runner {
	return func(ctx context.Context, session Session, _ *answer) error { return session.Delete(ctx, r) }
}

func rename(r *ldap.ModifyDNRequest) runner {
	return func(ctx context.Context, session Session, _ *answer) error { return session.ModifyDN(ctx, r) }
}

// compare asks the tree with searches, so that its own matching rules decide.
func compare(dn, name, value string) runner {
	return func(ctx context.Context, session Session, _ *answer) error {
		base := func(filter, attribute string) ([]*ldap.Entry, error) {
			result, err := session.Search(ctx, &ldap.SearchRequest{
				BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: filter, Attributes: []string{attribute},
			})
			if err != nil || result == nil {
				return nil, err
			}
			return result.Entries, nil
		}
		const noAttributes = "1.1"
		equal, err := base("("+name+"="+ldap.EscapeFilter(value)+")", noAttributes)
		if err != nil {
			return err
		}
		if len(equal) > 0 {
			return refuse(ldap.LDAPResultCompareTrue, "")
		}
		entries, err := base("(objectClass=*)", name)
		switch {
		case err != nil:
			return err
		case len(entries) == 0:
			return refuse(ldap.LDAPResultNoSuchObject, "")
		case len(entries[0].Attributes) == 0:
			return refuse(ldap.LDAPResultNoSuchAttribute, "")
		}
		return refuse(ldap.LDAPResultCompareFalse, "")
	}
}
