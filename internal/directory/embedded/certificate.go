package embedded

import (
	"crypto/x509"
	"encoding/asn1"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

func (e *Engine) authorities(t *tree) (roots *x509.CertPool, only bool) {
	if e.Authorities == nil {
		return nil, false
	}
	return e.Authorities(t.domain.ID)
}

// BindCertificate proves an account by a certificate, the first of the chain, whose user principal name is the account's and
// which an authority of its directory has signed. identity is what the client wants to act as: "", or the account itself (RFC
// 4513 section 5.2.1.8). A refusal is an *ldap.Error with AD's text.
func (e *Engine) BindCertificate(chain []*x509.Certificate, identity string) (*Session, error) {
	refusal := refuseLogin(dataNoSuchUser)
	upn := principalName(chain[0])
	if upn == "" {
		return nil, refusal
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	for _, c := range e.candidates(upn) {
		roots, _ := e.authorities(c.tree)
		if roots == nil {
			continue
		}
		_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: e.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil {
			e.logger.Info("a client certificate is refused", "directory", c.tree.domain.ID, "upn", upn, "err", err)
			continue
		}
		session := &Session{engine: e, tree: c.tree, user: c.node.guid, secure: true}
		refusal = e.admit(c, session, identity)
		e.observeLogin(c, loginError(refusal))
		if refusal == nil {
			return session, nil
		}
	}
	return nil, refusal
}

// loginError keeps a nil refusal nil.
func loginError(refusal *ldap.Error) error {
	if refusal == nil {
		return nil
	}
	return refusal
}

// admit holds an account that is proved against what bars it, and against the identity that it is to act as.
func (e *Engine) admit(c candidate, session *Session, identity string) *ldap.Error {
	now := e.now()
	if locked(c.node, c.tree.settingsOf(c.node), now) {
		return refuseLogin(dataLockedOut)
	}
	if data := barred(c.node, now); data != "" {
		return refuseLogin(data)
	}
	dn, isDN := strings.CutPrefix(identity, "dn:")
	switch {
	case identity == "", strings.EqualFold(identity, session.Who()), strings.EqualFold(identity, "u:"+c.node.first("sAMAccountName")):
		return nil
	case isDN:
		if n, err := parseDN(dn); err == nil {
			c.tree.mu.RLock()
			found, _ := c.tree.resolve(n)
			c.tree.mu.RUnlock()
			if found != nil && found.guid == c.node.guid {
				return nil
			}
		}
	}
	return refuse(ldap.LDAPResultInsufficientAccessRights, "00002098", "one can't act as somebody else")
}

var (
	subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	userPrincipal  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// principalName is the user principal name among a certificate's alternative names (Microsoft, "Certificate requirements and
// enumeration": otherName 1.3.6.1.4.1.311.20.2.3); "" if there is none.
func principalName(certificate *x509.Certificate) string {
	for _, extension := range certificate.Extensions {
		if !extension.Id.Equal(subjectAltName) {
			continue
		}
		var names []asn1.RawValue
		if _, err := asn1.Unmarshal(extension.Value, &names); err != nil {
			return ""
		}
		for _, name := range names {
			var other struct {
				Type  asn1.ObjectIdentifier
				Value string `asn1:"explicit,tag:0,utf8"`
			}
			if name.Class != asn1.ClassContextSpecific || name.Tag != 0 {
				continue
			}
			if _, err := asn1.UnmarshalWithParams(name.FullBytes, &other, "tag:0"); err == nil && other.Type.Equal(userPrincipal) {
				return other.Value
			}
		}
	}
	return ""
}
