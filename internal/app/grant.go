package app

import (
	"context"
	"sync"
	"time"

	"latchkey/internal/authz"
	"latchkey/internal/directory/embedded"
	"latchkey/internal/fault"
	"latchkey/internal/identity"
	"latchkey/internal/store"
	"latchkey/internal/sts"
)

// buildIssuer follows the access keys until the server stops.
func (a *App) buildIssuer(ctx context.Context, records *store.Store, keyring *embedded.Keyring) (*identity.Issuer, error) {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	keys, err := records.FollowAccessKeys(following)
	if err != nil {
		stop()
		return nil, err
	}
	a.closeLater(func() error {
		stop()
		keys.Wait()
		return nil
	})
	return &identity.Issuer{
		Records: keys, Sealer: keyring, Partition: partition, Now: time.Now,
		HasRole: func(account, name string) bool {
			return account == a.config.AccountID && a.roles.Load().ByName[name] != nil
		},
	}, nil
}

// grants is what the holders of access keys may do. Policies are read once for each revision of a key.
type grants struct {
	issuer *identity.Issuer
	roles  *sts.Current
	read   sync.Map // of readGrant, by access key id
}

type readGrant struct {
	revision int64
	grant    authz.Grant
}

func (g *grants) of(p identity.Principal) (authz.Grant, error) {
	s := p.Session
	if s == nil {
		return g.ofKey(p.AccessKeyID)
	}
	if s.Role == "" {
		return g.ofKey(s.Behind)
	}
	role := g.roles.Load().ByName[s.Role]
	if role == nil {
		// It went since the signature was checked.
		return authz.Grant{}, fault.New(fault.UnrecognizedClient, "The security token included in the request is invalid.")
	}
	grant := authz.Grant{Policies: role.Policies, Tags: role.Tags}
	if s.Policy != "" {
		policy, err := authz.Parse("session", []byte(s.Policy))
		if err != nil {
			return authz.Grant{}, err
		}
		grant.Session = []*authz.Policy{policy}
	}
	return grant, nil
}

func (g *grants) ofKey(id string) (authz.Grant, error) {
	record, err := g.issuer.Records.Find(id)
	if err != nil {
		// It was deleted since the signature was checked.
		g.read.Delete(id)
		return authz.Grant{}, fault.New(fault.UnrecognizedClient, "The security token included in the request is invalid.").Because(err)
	}
	if known, ok := g.read.Load(record.ID); ok && known.(readGrant).revision == record.Revision {
		return known.(readGrant).grant, nil
	}
	grant := authz.Grant{Tags: tagMap(record.Tags)}
	for _, p := range record.Policies {
		policy, err := authz.Parse(p.Name, []byte(p.Document))
		if err != nil {
			return authz.Grant{}, err
		}
		grant.Policies = append(grant.Policies, policy)
	}
	g.read.Store(record.ID, readGrant{record.Revision, grant})
	return grant, nil
}

// tagsOf is the tags of a directory of an account.
func (a *App) tagsOf(account, id string) map[string]string {
	record, err := a.worker.Directories().Find(id)
	if err != nil || record.Account != account {
		return nil
	}
	return tagMap(record.Tags)
}

func tagMap(tags []store.Tag) map[string]string {
	all := make(map[string]string, len(tags))
	for _, tag := range tags {
		all[tag.Key] = tag.Value
	}
	return all
}
