package sts

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/internal/authz"
	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

// The lengths of sessions, from the API reference.
const (
	minSession   = 15 * time.Minute
	defaultRole  = time.Hour
	maxRole      = 12 * time.Hour
	maxChained   = time.Hour // of a role that is assumed with temporary credentials (IAM User Guide, "Roles terms and concepts")
	defaultToken = 12 * time.Hour
	maxToken     = 36 * time.Hour
	maxRootToken = time.Hour

	maxPolicy = 2048 // characters of a session policy

	// Version is that of the API.
	Version = "2011-06-15"
)

// The error codes of STS that are not the framework's of ds. AWS has no "Exception" in them.
const (
	AccessDenied    = "AccessDenied"
	InvalidAction   = "InvalidAction"
	MalformedInput  = "MalformedInput"
	MalformedPolicy = "MalformedPolicyDocument"
	ValidationError = "ValidationError"

	InvalidIdentityToken  = "InvalidIdentityToken"
	IDPCommunicationError = "IDPCommunicationError"
	IDPRejectedClaim      = "IDPRejectedClaim"
	// ExpiredIdentityToken is ExpiredTokenException on the wire; of a session token STS says ExpiredToken.
	ExpiredIdentityToken = "ExpiredIdentityToken"
)

// Service does the actions. It is safe for concurrent use.
type Service struct {
	Issuer  *identity.Issuer
	Roles   *Current
	Account string // that the roles belong to
	// Grants is what a principal other than the root has that decides about its calls.
	Grants func(identity.Principal) (authz.Grant, error)
}

// Call is an authenticated call.
type Call struct {
	Principal identity.Principal
	// Vouched is who calls AssumeRoleWithWebIdentity, and nothing else.
	Vouched *Vouched
	Action  string
	Form    url.Values
	Time    time.Time
	// Asked is what policies are held against, but for the action and the resource.
	Asked authz.Request
}

// Credentials is the data type of that name.
type Credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

// Result is what an action answers: the members that it has are set.
type Result struct {
	UserID      string           `xml:"UserId,omitempty"`
	Account     string           `xml:",omitempty"`
	ARN         string           `xml:"Arn,omitempty"`
	Credentials *Credentials     `xml:",omitempty"`
	AssumedRole *AssumedRoleUser `xml:"AssumedRoleUser,omitempty"`
	// Of AssumeRoleWithWebIdentity: whose token it was, for whom, and by whom.
	Subject  string `xml:"SubjectFromWebIdentityToken,omitempty"`
	Audience string `xml:",omitempty"`
	Provider string `xml:",omitempty"`
}

// AssumedRoleUser is the data type of that name.
type AssumedRoleUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	ARN           string `xml:"Arn"`
}

// Actions is the names of the actions that there are.
func Actions() []string {
	return []string{"AssumeRole", AssumeRoleWithWebIdentity, "GetCallerIdentity", "GetSessionToken"}
}

// Do does an action.
func (s *Service) Do(call *Call) (*Result, error) {
	switch call.Action {
	case "AssumeRole":
		return s.assumeRole(call)
	case AssumeRoleWithWebIdentity:
		return s.assumeRoleWithWebIdentity(call)
	case "GetSessionToken":
		return s.getSessionToken(call)
	case "GetCallerIdentity":
		p := call.Principal
		return &Result{UserID: p.ID, Account: p.Account, ARN: p.ARN}, nil
	}
	return nil, fault.Newf(InvalidAction, "Could not find operation %s for version %s", call.Action, Version)
}

// getSessionToken needs no permission, and takes only long-lived keys, as on AWS.
func (s *Service) getSessionToken(call *Call) (*Result, error) {
	if err := refuseOthers(call.Form, "SerialNumber", "TokenCode"); err != nil {
		return nil, err
	}
	if call.Principal.Session != nil {
		return nil, fault.New(AccessDenied, "Cannot call GetSessionToken with session credentials")
	}
	length, err := duration(call.Form, defaultToken, maxToken)
	if err != nil {
		return nil, err
	}
	if call.Principal.Type == "Root" {
		length = min(length, maxRootToken)
	}
	return s.begin(call, identity.Session{Account: call.Principal.Account, Behind: call.Principal.AccessKeyID}, length)
}

var (
	roleARN     = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):role/([\w+=,.@-]{1,64})$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]*$`)
)

func (s *Service) assumeRole(call *Call) (*Result, error) {
	if err := refuseOthers(call.Form, "PolicyArns", "Tags", "TransitiveTagKeys", "SerialNumber", "TokenCode", "SourceIdentity", "ProvidedContexts"); err != nil {
		return nil, err
	}
	in, err := readAssumption(call.Form)
	if err != nil {
		return nil, err
	}
	if call.Principal.Type == "Root" {
		return nil, fault.New(AccessDenied, "Roles may not be assumed by root accounts.")
	}
	role, err := s.trusting(call, in.arn)
	switch {
	case err != nil:
		return nil, err
	case role == nil:
		// Whether there is such a role is nobody's business.
		return nil, fault.Newf(AccessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", call.Principal.ARN, in.arn)
	}
	session, err := in.session(role)
	if err != nil {
		return nil, err
	}
	session.Account, session.Behind = call.Principal.Account, call.Principal.AccessKeyID
	if own := call.Principal.Session; own != nil {
		session.Behind, session.Web = own.Behind, own.Web
		if in.length > maxChained {
			return nil, fault.New(ValidationError, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
		}
	}
	return s.begin(call, session, in.length)
}

// assumption is what is asked for of a role, whoever asks.
type assumption struct {
	arn, name, policy string
	length            time.Duration
}

func readAssumption(form url.Values) (in assumption, err error) {
	in.arn, in.name, in.policy = form.Get("RoleArn"), form.Get("RoleSessionName"), form.Get("Policy")
	switch arn, name := in.arn, in.name; {
	case !form.Has("RoleArn"):
		return in, invalid("null", "roleArn", "Member must not be null")
	case !form.Has("RoleSessionName"):
		return in, invalid("null", "roleSessionName", "Member must not be null")
	case len(arn) < 20:
		return in, invalid(quote(arn), "roleArn", "Member must have length greater than or equal to 20")
	case len(arn) > 2048:
		return in, invalid(quote(arn[:64]), "roleArn", "Member must have length less than or equal to 2048")
	case !sessionName.MatchString(name):
		return in, invalid(quote(name), "roleSessionName", `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case len(name) < 2:
		return in, invalid(quote(name), "roleSessionName", "Member must have length greater than or equal to 2")
	case len(name) > 64:
		return in, invalid(quote(name), "roleSessionName", "Member must have length less than or equal to 64")
	case form.Has("Policy") && in.policy == "":
		return in, invalid("''", "policy", "Member must have length greater than or equal to 1")
	case utf8.RuneCountInString(in.policy) > maxPolicy:
		return in, invalid("'…'", "policy", "Member must have length less than or equal to 2048")
	case strings.ContainsFunc(in.policy, func(char rune) bool {
		return char > 0xff || char < ' ' && !strings.ContainsRune("\t\n\r", char)
	}):
		return in, invalid("'…'", "policy", `Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`)
	}
	in.length, err = duration(form, defaultRole, maxRole)
	return in, err
}

// session is a session of a role that trusts the caller.
func (in *assumption) session(role *Role) (identity.Session, error) {
	if in.length > role.MaxSession {
		return identity.Session{}, fault.New(ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if in.policy != "" {
		if _, err := authz.Parse("session", []byte(in.policy)); err != nil {
			return identity.Session{}, fault.Newf(MalformedPolicy, "%v", err)
		}
	}
	return identity.Session{Role: role.Name, Name: in.name, Policy: in.policy}, nil
}

// named is the one of these roles that has an ARN; nil if there is none.
func (s *Service) named(roles *Roles, arn string) *Role {
	parts := roleARN.FindStringSubmatch(arn)
	if parts == nil || parts[1] != s.Account {
		return nil
	}
	return roles.ByName[parts[2]]
}

// trusting is the role of that name if it trusts the caller; nil otherwise. As on AWS within one account, the role's trust is enough
// unless one of the caller's own policies denies it, or a session policy does not allow it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html).
func (s *Service) trusting(call *Call, arn string) (*Role, error) {
	p := call.Principal
	roles := s.Roles.Load()
	role := s.named(roles, arn)
	if role == nil || p.Account != s.Account || !role.trusts(p) {
		return nil, nil
	}
	grant, err := s.Grants(p)
	if err != nil {
		return nil, err
	}
	if s.Roles.Load() != roles {
		return s.trusting(call, arn) // the grant may be of the file that was read meanwhile
	}
	asked := call.Asked
	asked.Principal, asked.Grant, asked.Action, asked.Resource = p, grant, "sts:AssumeRole", arn
	if effect, _, err := authz.Evaluate(&asked); err != nil || effect == authz.ExplicitDeny {
		return nil, err
	}
	if grant.Session == nil {
		return role, nil
	}
	asked.Grant.Policies = grant.Session
	if effect, _, err := authz.Evaluate(&asked); err != nil || effect != authz.Allow {
		return nil, err
	}
	return role, nil
}

func (s *Service) begin(call *Call, session identity.Session, length time.Duration) (*Result, error) {
	session.Created = call.Time.UTC().Truncate(time.Second)
	session.Expires = session.Created.Add(length)
	fresh, err := s.Issuer.Begin(session)
	if err != nil {
		return nil, err
	}
	out := &Result{Credentials: &Credentials{fresh.AccessKeyID, fresh.SecretAccessKey, fresh.SessionToken, session.Expires.Format("2006-01-02T15:04:05Z")}}
	if session.Role != "" {
		p := identity.AssumedRole(s.Issuer.Partition, &session)
		out.AssumedRole = &AssumedRoleUser{p.ID, p.ARN}
	}
	return out, nil
}

// duration is DurationSeconds, within AWS's limits.
func duration(form url.Values, usual, longest time.Duration) (time.Duration, error) {
	if !form.Has("DurationSeconds") {
		return usual, nil
	}
	text := form.Get("DurationSeconds")
	seconds, err := strconv.ParseInt(text, 10, 32)
	length := time.Duration(seconds) * time.Second
	switch {
	case err != nil:
		return 0, fault.New(MalformedInput, "DurationSeconds is not an integer.").Because(err)
	case length < minSession:
		return 0, invalid(quote(text), "durationSeconds", fmt.Sprintf("Member must have value greater than or equal to %d", minSession/time.Second))
	case length > longest:
		return 0, invalid(quote(text), "durationSeconds", fmt.Sprintf("Member must have value less than or equal to %d", longest/time.Second))
	}
	return length, nil
}

// refuseOthers refuses parameters that would change what the caller gets, and that are not built.
func refuseOthers(form url.Values, names ...string) error {
	for parameter := range form {
		name, _, _ := strings.Cut(parameter, ".")
		if slices.Contains(names, name) {
			return fault.Newf(ValidationError, "The parameter %s is not supported.", name)
		}
	}
	return nil
}

func invalid(value, member, constraint string) error {
	return fault.Newf(ValidationError, "1 validation error detected: Value %s at '%s' failed to satisfy constraint: %s", value, member, constraint)
}

func quote(text string) string { return "'" + text + "'" }
