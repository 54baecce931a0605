package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"latchkey/internal/certificate"
	"latchkey/internal/config"
)

// identityProvider is an OpenID Connect issuer with an authority of its own.
type identityProvider struct {
	*httptest.Server
	ca  string // path
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func startProvider(t *testing.T) *identityProvider {
	t.Helper()
	p := &identityProvider{}
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	shown, ca, err := certificate.Load(t.TempDir(), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	p.ca = ca
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		document := map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
		if r.URL.Path == "/keys" {
			document = map[string]any{"keys": []jose.JSONWebKey{{KeyID: "r", Key: p.rsa.Public(), Use: "sig"}, {KeyID: "e", Key: p.ec.Public(), Use: "sig"}}}
		}
		_ = json.NewEncoder(w).Encode(document)
	}))
	p.TLS = certificate.Config(shown)
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// name is what condition keys call it.
func (p *identityProvider) name() string { return strings.TrimPrefix(p.URL, "https://") }

// claims is those of a token for the deployment of a branch, changed.
func (p *identityProvider) claims(change map[string]any) map[string]any {
	all := map[string]any{
		"iss": p.URL, "sub": "repo:acme/app:ref:refs/heads/main", "aud": "sts.amazonaws.com",
		"iat": time.Now().Unix(), "exp": time.Now().Add(10 * time.Minute).Unix(), "repository": "acme/app",
	}
	maps.Copy(all, change)
	return all
}

func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// unsigned is a token that says that it needs no signature.
func unsigned(t *testing.T, claims map[string]any) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(encode(t, claims)) + "."
}

// startAWS is a proxy at whose other end all of AWS is the server: a client of AWS that goes through it needs no endpoint.
func startAWS(t *testing.T, s *server) (proxy, ca string) {
	t.Helper()
	shown, ca, err := certificate.Load(t.TempDir(), []string{"ds.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com", "sts.amazonaws.com"}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(s.API)
	if err != nil {
		t.Fatal(err)
	}
	aws := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}})
	aws.TLS = certificate.Config(shown)
	aws.StartTLS()
	t.Cleanup(aws.Close)
	tunnels := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !strings.HasSuffix(r.Host, ".amazonaws.com:443") {
			http.Error(w, "not AWS", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", aws.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		_, _ = here.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		var copying sync.WaitGroup
		copying.Go(func() {
			_, _ = buffered.WriteTo(there)
			_ = there.(*net.TCPConn).CloseWrite()
		})
		copying.Go(func() {
			_, _ = there.(*net.TCPConn).WriteTo(here)
			_ = here.Close()
		})
		copying.Wait()
	}))
	t.Cleanup(tunnels.Close)
	return tunnels.URL, ca
}

const deployARN = "arn:aws:iam::123456789012:role/deploy"

// federation is a server whose role deploy trusts the branches of a repository, as one provider says it; the second provider is
// known and trusted by no role, and the third can't be reached.
func federation(t *testing.T, change ...func(*config.Config)) (s *server, trusted, other, gone *identityProvider) {
	t.Helper()
	trusted, other, gone = startProvider(t), startProvider(t), startProvider(t)
	gone.Close()
	dir := t.TempDir()
	var roles strings.Builder
	roles.WriteString("providers:\n")
	for _, p := range []*identityProvider{trusted, other, gone} {
		fmt.Fprintf(&roles, "  - {url: %q, audiences: [sts.amazonaws.com], caFile: %q}\n", p.URL, p.ca)
	}
	roles.WriteString("roles:\n  - name: deploy\n    policies: [deploy.json]\n    federated:\n")
	for _, p := range []*identityProvider{trusted, gone} {
		fmt.Fprintf(&roles, "      - provider: %s\n        condition:\n          StringEquals:\n            %s:aud: sts.amazonaws.com\n          StringLike:\n            %s:sub: repo:acme/app:ref:refs/heads/*\n", p.URL, p.name(), p.name())
	}
	roles.WriteString("  - name: auditor\n    trusted: [role/deploy]\n    policies: [deploy.json]\n")
	for name, text := range map[string]string{
		"roles.yaml":  roles.String(),
		"deploy.json": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["ds:Describe*","ds:ResetUserPassword"],"Resource":"*"}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, worldSeed, append(change, func(c *config.Config) { c.Roles = filepath.Join(dir, "roles.yaml") })...)
	return s, trusted, other, gone
}

// vouched is what sts assume-role-with-web-identity answers.
type vouched struct {
	stsAnswer
	SubjectFromWebIdentityToken, Provider, Audience string
}

// assumeByToken is the AWS CLI, which has no credentials.
func assumeByToken(t *testing.T, s *server, token string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{
		"--endpoint-url", s.API, "--region", home, "--output", "json", "sts", "assume-role-with-web-identity",
		"--role-arn", deployARN, "--role-session-name", "build-7", "--web-identity-token", token,
	}, args...)...)
	command.Env = environment(t, s, "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	said, err := command.CombinedOutput()
	return string(said), err
}

// TestWebIdentity: whoever has a token of a provider that a role trusts gets a session, which resets a password.
func TestWebIdentity(t *testing.T) {
	t.Parallel()
	s, p, _, _ := federation(t)
	token := signed(t, jose.RS256, p.rsa, "r", p.claims(nil))
	said, err := assumeByToken(t, s, token)
	if err != nil {
		t.Fatalf("%v, %s", err, said)
	}
	var made vouched
	decode(t, []byte(said), &made)
	const session = "arn:aws:sts::123456789012:assumed-role/deploy/build-7"
	const subject = "repo:acme/app:ref:refs/heads/main"
	if made.AssumedRoleUser.Arn != session || made.SubjectFromWebIdentityToken != subject || made.Provider != p.URL || made.Audience != "sts.amazonaws.com" {
		t.Errorf("got %s", said)
	}
	aws := func(variables []string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), program(t, "aws", "awscli"), append([]string{"--output", "json"}, args...)...)
		command.Env = environment(t, s, variables...)
		said, err := command.CombinedOutput()
		return string(said), err
	}
	deployer := made.holder(s)
	resets := func(user string) []string {
		return []string{"ds", "reset-user-password", "--directory-id", corpID, "--user-name", user, "--new-password", nextPassword}
	}
	if said, err := deployer.run(t, resets("jane")...); err != nil {
		t.Errorf("with the session: %v, %s", err, said)
	}
	logins(t, s, `CORP\jane`, firstPassword, nextPassword)
	deployer.refused(t, "User: "+session+" is not authorized to perform: ds:DeleteDirectory", "ds", "delete-directory", "--directory-id", corpID)
	deployer.refused(t, "(AccessDenied)", "sts", "get-session-token")

	// The session becomes another role, which is still somebody's whom the provider has vouched for.
	next := deployer.done(t, "sts", "assume-role", "--role-arn", "arn:aws:iam::123456789012:role/auditor", "--role-session-name", "audit-1")
	next.holder(s).done(t, "ds", "describe-trusts")

	// With a token in a file, as runners of pipelines have it; nothing but the variables of AWS's own is set.
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(signed(t, jose.ES256, p.ec, "e", p.claims(nil))), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy, ca := startAWS(t, s)
	byFile := []string{"AWS_REGION=" + home, "AWS_STS_REGIONAL_ENDPOINTS=regional", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_ROLE_ARN=" + deployARN, "AWS_WEB_IDENTITY_TOKEN_FILE=" + file, "AWS_ROLE_SESSION_NAME=file", "HTTPS_PROXY=" + proxy, "NO_PROXY=127.0.0.1", "AWS_CA_BUNDLE=" + ca}
	if said, err := aws(byFile, resets("kim.cli")...); err != nil {
		t.Errorf("by a file and variables: %v, %s", err, said)
	}
	logins(t, s, `CORP\kim.cli`, firstPassword, nextPassword)
	profile := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("[profile deploy]\nrole_arn = %s\nweb_identity_token_file = %s\nrole_session_name = profile\nregion = %s\n", deployARN, file, home)
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := aws([]string{"AWS_CONFIG_FILE=" + profile, "AWS_STS_REGIONAL_ENDPOINTS=regional", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "HTTPS_PROXY=" + proxy, "NO_PROXY=127.0.0.1", "AWS_CA_BUNDLE=" + ca}, "--profile", "deploy", "sts", "get-caller-identity"); err != nil || !strings.Contains(said, "assumed-role/deploy/profile") {
		t.Errorf("by a profile: %v, %s", err, said)
	}
	settings, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithSharedConfigFiles([]string{profile}), awsconfig.WithSharedCredentialsFiles(nil), awsconfig.WithSharedConfigProfile("deploy"), awsconfig.WithBaseEndpoint(s.API))
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := directoryservice.NewFromConfig(settings).DescribeDirectories(t.Context(), nil); err != nil || len(seen.DirectoryDescriptions) == 0 {
		t.Errorf("by a profile, with the Go SDK: %v, %v", seen, err)
	}

	s.stop()
	provider := "arn:aws:iam::123456789012:oidc-provider/" + p.name()
	assumed, reset, chained := 0, 0, 0
	for _, r := range auditLog(t, s) {
		who, _ := r["userIdentity"].(map[string]any)
		context, _ := who["sessionContext"].(map[string]any)
		web, _ := context["webIdFederationData"].(map[string]any)
		switch {
		case who["type"] == "WebIdentityUser" && r["eventSource"] == "sts.amazonaws.com" && r["eventName"] == "AssumeRoleWithWebIdentity" &&
			who["principalId"] == provider+":sts.amazonaws.com:"+subject && who["userName"] == subject && who["identityProvider"] == provider &&
			strings.Contains(fmt.Sprint(r["responseElements"]), "subjectFromWebIdentityToken:"+subject):
			assumed++
		case who["type"] == "AssumedRole" && who["arn"] == session && web["federatedProvider"] == provider && r["eventName"] == "ResetUserPassword":
			reset++
		case r["eventName"] == "DescribeTrusts" && who["arn"] == next.AssumedRoleUser.Arn && web["federatedProvider"] == provider:
			chained++
		}
	}
	if assumed < 4 || reset != 1 || chained != 1 {
		t.Errorf("the audit trail has %d assumptions, %d resets of the first session, and %d calls of the next one", assumed, reset, chained)
	}
	trail := fmt.Sprint(auditLog(t, s))
	for _, secret := range []string{token, strings.Split(token, ".")[2], made.Credentials.SecretAccessKey, made.Credentials.SessionToken} {
		if strings.Contains(trail, secret) || strings.Contains(s.log.String(), secret) {
			t.Error("a token or a secret is in the audit trail or the log")
		}
	}
}

// TestWebIdentityRefused: what AWS says of each token that is not taken.
func TestWebIdentityRefused(t *testing.T) {
	t.Parallel()
	s, p, other, gone := federation(t)
	foreign := startProvider(t)
	good := p.claims(nil)
	for name, c := range map[string]struct {
		key   crypto.Signer // the trusted provider's otherwise
		token string        // in place of one with these claims
		claim map[string]any
		args  []string
		code  string
		said  string
	}{
		"another audience":     {claim: map[string]any{"aud": "latchkey"}, code: "InvalidIdentityToken", said: "Incorrect token audience"},
		"another subject":      {claim: map[string]any{"sub": "repo:acme/app:pull_request"}, code: "AccessDenied", said: "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"no subject":           {claim: map[string]any{"sub": ""}, code: "IDPRejectedClaim"},
		"expired":              {claim: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, code: "ExpiredTokenException", said: "Token expired: current date/time "},
		"not yet":              {claim: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}, code: "IDPRejectedClaim"},
		"a foreign key":        {key: foreign.rsa, code: "InvalidIdentityToken", said: "The signature"},
		"no signature":         {token: unsigned(t, good), code: "InvalidIdentityToken", said: "not a valid JWT"},
		"a shared secret":      {token: signed(t, jose.HS256, []byte(strings.Repeat("k", 32)), "r", good), code: "InvalidIdentityToken", said: "not a valid JWT"},
		"no token":             {token: "an-access-token", code: "InvalidIdentityToken", said: "not a valid JWT"},
		"too long":             {token: strings.Repeat("a", 20001), code: "ValidationError", said: "less than or equal to 20000"},
		"an unknown provider":  {token: signed(t, jose.RS256, foreign.rsa, "r", foreign.claims(nil)), code: "InvalidIdentityToken", said: "No OpenIDConnect provider found in your account for " + foreign.URL},
		"another's provider":   {token: signed(t, jose.RS256, other.rsa, "r", other.claims(nil)), code: "AccessDenied"},
		"a provider's silence": {token: signed(t, jose.RS256, gone.rsa, "r", gone.claims(nil)), code: "IDPCommunicationError"},
		"a role that is not":   {args: []string{"--role-arn", deployARN + "s"}, code: "AccessDenied", said: "Not authorized"},
		"too long a session":   {args: []string{"--duration-seconds", "3601"}, code: "ValidationError", said: "MaxSessionDuration"},
		"policies by ARN":      {args: []string{"--policy-arns", "arn=arn:aws:iam::aws:policy/ReadOnlyAccess"}, code: "ValidationError", said: "PolicyArns"},
		"a provider's id":      {args: []string{"--provider-id", "graph.facebook.com"}, code: "ValidationError", said: "ProviderId"},
	} {
		if c.key == nil {
			c.key = p.rsa
		}
		if c.token == "" {
			c.token = signed(t, jose.RS256, c.key, "r", p.claims(c.claim))
		}
		if said, err := assumeByToken(t, s, c.token, c.args...); err == nil || !strings.Contains(said, "("+c.code+")") || !strings.Contains(said, c.said) {
			t.Errorf("%s: %v, %s; want %s: %s", name, err, said, c.code, c.said)
		}
	}
	// The audit trail says what clients are not told, of calls that change nothing a moment after their answers.
	await(t, "each reason in the audit trail", func() bool {
		told := map[string]bool{}
		for _, r := range auditLog(t, s) {
			who, _ := r["userIdentity"].(map[string]any)
			told["audience"] = told["audience"] || r["errorCode"] == "InvalidIdentityToken" && strings.Contains(r.reason(), `sub "repo:acme/app:ref:refs/heads/main", aud "latchkey"`)
			denied := r["errorCode"] == "AccessDenied" && who["type"] == "WebIdentityUser"
			told["subject"] = told["subject"] || denied && who["userName"] == "repo:acme/app:pull_request" && strings.Contains(r.reason(), "the role deploy does not trust such a token")
			told["role"] = told["role"] || denied && strings.Contains(r.reason(), `there is no role "`+deployARN+`s"`)
		}
		return told["audience"] && told["subject"] && told["role"]
	})
}

// TestWebIdentityThrottled: sessions of one subject are one caller, and calls of STS count.
func TestWebIdentityThrottled(t *testing.T) {
	t.Parallel()
	s, p, _, _ := federation(t, func(c *config.Config) { c.ThrottleKey = "0.001:2" })
	token := func(branch string) string {
		return signed(t, jose.ES256, p.ec, "e", p.claims(map[string]any{"sub": "repo:acme/app:ref:refs/heads/" + branch}))
	}
	for range 2 {
		if said, err := assumeByToken(t, s, token("main")); err != nil {
			t.Fatalf("%v, %s", err, said)
		}
	}
	if said, err := assumeByToken(t, s, token("main")); err == nil || !strings.Contains(said, "(Throttling)") || !strings.Contains(said, "Rate exceeded") {
		t.Errorf("the third: %v, %s", err, said)
	}
	if said, err := assumeByToken(t, s, token("next")); err != nil {
		t.Errorf("another subject: %v, %s", err, said)
	}
}
