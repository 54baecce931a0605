package sts

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/authz"
	"latchkey/internal/durable"
	"latchkey/internal/oidc"
)

// Federated is a role's trust in an identity provider, as far as the conditions hold.
type Federated struct {
	Provider   string // its URL
	conditions *authz.Conditions
}

type providerEntry struct {
	URL       string   `yaml:"url"`
	Audiences []string `yaml:"audiences"`
	CAFile    string   `yaml:"caFile"`
}

type federatedEntry struct {
	Provider  string                       `yaml:"provider"`
	Condition map[string]map[string]values `yaml:"condition"`
}

// values is one value, or a list of them.
type values []string

// UnmarshalYAML is the decoder's.
func (v *values) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*v = values{node.Value}
		return nil
	}
	return node.Decode((*[]string)(v))
}

func (e *providerEntry) read(beside string, now func() time.Time) (*oidc.Issuer, error) {
	var authorities *x509.CertPool
	if e.CAFile != "" {
		path := near(beside, e.CAFile)
		text, err := durable.ReadSmall(path)
		if err != nil {
			return nil, err
		}
		authorities = x509.NewCertPool()
		if !authorities.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no PEM certificate", path)
		}
	}
	return oidc.New(e.URL, e.Audiences, authorities, now)
}

// read demands a word about somebody: many providers sign for the whole world.
func (e *federatedEntry) read(providers map[string]*oidc.Issuer) (Federated, error) {
	f := Federated{Provider: e.Provider}
	if providers[e.Provider] == nil {
		return f, fmt.Errorf("there is no provider %q in this file", e.Provider)
	}
	element := map[string]map[string][]string{}
	somebody := false
	for operator, keys := range e.Condition {
		element[operator] = map[string][]string{}
		for key, texts := range keys {
			element[operator][key] = texts
			claim, ok := strings.CutPrefix(key, name(e.Provider)+":")
			somebody = somebody || ok && claim != "aud" && demands(operator) && !slices.ContainsFunc(texts, anything)
		}
	}
	var err error
	if f.conditions, err = authz.NewConditions(element, name(e.Provider)); err != nil {
		return f, err
	}
	if !somebody {
		return f, errors.New("condition: it has to say who is trusted, such as StringEquals: {" + name(e.Provider) + ":sub: …}")
	}
	return f, nil
}

// demands says whether an operator is false for a key that is not there, and for values other than those that it is given.
func demands(operator string) bool {
	operator = strings.TrimPrefix(operator, "ForAnyValue:")
	return operator == "StringEquals" || operator == "StringEqualsIgnoreCase" || operator == "StringLike"
}

func anything(pattern string) bool { return strings.Trim(pattern, "*?") == "" }

// name is what condition keys call a provider: its URL without https://.
func name(provider string) string { return strings.TrimPrefix(provider, "https://") }

// accepts says whether a token of a provider is one that is trusted. Of the request, what is asked about the token is not known
// otherwise.
func (f *Federated) accepts(provider string, claims map[string]any, asked authz.Request) (bool, error) {
	if f.Provider != provider {
		return false, nil
	}
	others := asked.Values
	asked.Values = func(key string) ([]string, error) {
		if claim, ok := strings.CutPrefix(key, strings.ToLower(name(provider))+":"); ok {
			return claimValues(claims, claim), nil
		}
		return others(key)
	}
	return f.conditions.Hold(&asked)
}

// claimValues is the values of a claim. Condition keys have no case, but claims have: of several that differ in nothing else, none
// is the one that is meant.
func claimValues(claims map[string]any, claim string) (all []string) {
	found := 0
	for name, value := range claims {
		if !strings.EqualFold(name, claim) {
			continue
		}
		found++
		list, several := value.([]any)
		if !several {
			list = []any{value}
		}
		for _, each := range list {
			switch each := each.(type) {
			case string:
				all = append(all, each)
			case bool:
				all = append(all, strconv.FormatBool(each))
			case float64:
				all = append(all, strconv.FormatFloat(each, 'f', -1, 64))
			}
		}
	}
	if found > 1 {
		return nil
	}
	return all
}
