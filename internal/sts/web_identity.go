package sts

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"latchkey/internal/fault"
	"latchkey/internal/identity"
	"latchkey/internal/oidc"
)

// AssumeRoleWithWebIdentity is the one action whose calls are not signed: an identity provider's token takes the place of the
// signature.
const AssumeRoleWithWebIdentity = "AssumeRoleWithWebIdentity"

const minWebToken = 4 // characters

// Vouched is somebody whom an identity provider has vouched for.
type Vouched struct {
	identity.Principal
	roles    *Roles // that the provider is of
	provider string
	claims   map[string]any
}

// Vouch finds out who sends a call of AssumeRoleWithWebIdentity.
func (s *Service) Vouch(ctx context.Context, form url.Values) (*Vouched, error) {
	token := form.Get("WebIdentityToken")
	switch size := utf8.RuneCountInString(token); {
	case !form.Has("WebIdentityToken"):
		return nil, invalid("null", "webIdentityToken", "Member must not be null")
	case size < minWebToken:
		return nil, invalid("'…'", "webIdentityToken", fmt.Sprintf("Member must have length greater than or equal to %d", minWebToken))
	case size > oidc.MaxToken:
		return nil, invalid("'…'", "webIdentityToken", fmt.Sprintf("Member must have length less than or equal to %d", oidc.MaxToken))
	}
	issuer, err := oidc.Of(token)
	if err != nil {
		return nil, s.refuseToken(nil, err)
	}
	roles := s.Roles.Load()
	provider := roles.Providers[issuer]
	if provider == nil {
		return nil, fault.New(InvalidIdentityToken, "No OpenIDConnect provider found in your account for "+issuer)
	}
	claims, err := provider.Verify(ctx, token)
	if err != nil {
		return nil, s.refuseToken(claims, err)
	}
	return &Vouched{
		Principal: identity.Federated(s.Account, &identity.Web{
			Provider: identity.ProviderARN(s.Issuer.Partition, s.Account, issuer), Subject: claims.Subject, Audience: claims.Audience,
		}),
		roles: roles, provider: issuer, claims: claims.All,
	}, nil
}

// refuseToken is AWS's exception for a token that is refused. Of one that the provider has signed, the cause says whose it is.
func (s *Service) refuseToken(claims *oidc.Claims, why error) error {
	if claims != nil {
		why = fmt.Errorf("%w: sub %q, aud %q", why, claims.Subject, fmt.Sprint(claims.All["aud"]))
	}
	refused := fault.New(InvalidIdentityToken, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	switch {
	case errors.Is(why, oidc.ErrSignature):
		refused.Message = "The signature of the web identity token is not one of the identity provider's."
	case errors.Is(why, oidc.ErrAudience):
		refused.Message = "Incorrect token audience"
	case errors.Is(why, oidc.ErrExpired):
		refused = fault.Newf(ExpiredIdentityToken, "Token expired: current date/time %d must be before the expiration date/time %d", s.Issuer.Now().Unix(), claims.Expires.Unix())
	case errors.Is(why, oidc.ErrClaim):
		refused = fault.New(IDPRejectedClaim, "The identity provider's token has a claim that is not accepted.")
	case errors.Is(why, oidc.ErrUnreachable):
		refused = fault.New(IDPCommunicationError, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	return refused.Because(why)
}

func (s *Service) assumeRoleWithWebIdentity(call *Call) (*Result, error) {
	if err := refuseOthers(call.Form, "PolicyArns", "ProviderId"); err != nil {
		return nil, err
	}
	in, err := readAssumption(call.Form)
	if err != nil {
		return nil, err
	}
	who := call.Vouched
	role, err := s.federated(call, in.arn)
	if err != nil {
		return nil, err
	}
	session, err := in.session(role)
	if err != nil {
		return nil, err
	}
	session.Account, session.Web = s.Account, who.Web
	out, err := s.begin(call, session, in.length)
	if err != nil {
		return nil, err
	}
	out.Subject, out.Audience, out.Provider = who.Web.Subject, who.Web.Audience, who.provider
	return out, nil
}

// federated is the role of that name, which has to trust the token.
func (s *Service) federated(call *Call, arn string) (*Role, error) {
	// Whether there is such a role is nobody's business.
	denied := fault.New(AccessDenied, "Not authorized to perform sts:"+AssumeRoleWithWebIdentity)
	role := s.named(call.Vouched.roles, arn)
	if role == nil {
		return nil, denied.Because(fmt.Errorf("there is no role %q", arn))
	}
	asked := call.Asked
	asked.Principal, asked.Action, asked.Resource = call.Principal, "sts:"+AssumeRoleWithWebIdentity, arn
	for _, each := range role.Federated {
		if accepted, err := each.accepts(call.Vouched.provider, call.Vouched.claims, asked); err != nil || accepted {
			return role, err
		}
	}
	return nil, denied.Because(fmt.Errorf("the role %s does not trust such a token of this provider", role.Name))
}
