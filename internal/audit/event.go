package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"latchkey/internal/identity"
)

// What every event of ours says.
const (
	Version  = "1.08"
	Source   = "ds.amazonaws.com" // of ds and of ds-data
	Type     = "AwsApiCall"
	Category = "Management"
)

// OutcomeUnknown is the errorCode of a write whose outcome nobody recorded: the server stopped first. The write may have
// been done or not.
const OutcomeUnknown = "OutcomeUnknown"

const outcomeUnknownText = "The server stopped before the outcome of this call was known. The change may have been made or not."

// CloudTrail's own limits, in bytes: longer texts are cut, longer members are left out.
const (
	maxText   = 1 << 10
	maxMember = 100 << 10
)

// Event is one API call, with the fields of a CloudTrail record in CloudTrail's order
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
// Secrets must be taken out of it before it comes here. EventVersion, EventSource, EventType, ManagementEvent,
// EventCategory and EventID may be left empty: the log fills them in.
type Event struct {
	EventVersion    string       `json:"eventVersion"`
	UserIdentity    UserIdentity `json:"userIdentity"`
	EventTime       time.Time    `json:"eventTime"` // written in UTC, to the second
	EventSource     string       `json:"eventSource"`
	EventName       string       `json:"eventName"`
	AWSRegion       string       `json:"awsRegion"`
	SourceIPAddress string       `json:"sourceIPAddress"`
	UserAgent       string       `json:"userAgent"`
	ErrorCode       string       `json:"errorCode,omitempty"`
	ErrorMessage    string       `json:"errorMessage,omitempty"`
	// The next three are whole JSON values. The first two are written as null when they are empty, the third is left out.
	RequestParameters   json.RawMessage `json:"requestParameters"`
	ResponseElements    json.RawMessage `json:"responseElements"`
	AdditionalEventData json.RawMessage `json:"additionalEventData,omitempty"`
	RequestID           string          `json:"requestID"`
	EventID             string          `json:"eventID"`
	ReadOnly            bool            `json:"readOnly"`
	Resources           []Resource      `json:"resources,omitempty"`
	EventType           string          `json:"eventType"`
	ManagementEvent     bool            `json:"managementEvent"`
	RecipientAccountID  string          `json:"recipientAccountId"`
	EventCategory       string          `json:"eventCategory"`
	TLSDetails          *TLSDetails     `json:"tlsDetails,omitempty"`
}

// UserIdentity is who called. Empty fields are left out.
type UserIdentity struct {
	Type        string `json:"type"` // "Unknown" when empty
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
	UserName    string `json:"userName,omitempty"`
	// IdentityProvider is the ARN of whoever vouches for a WebIdentityUser.
	IdentityProvider string `json:"identityProvider,omitempty"`
	// SessionContext is there for temporary credentials.
	SessionContext *SessionContext `json:"sessionContext,omitempty"`
}

// SessionContext is about the session of temporary credentials.
type SessionContext struct {
	SessionIssuer SessionIssuer     `json:"sessionIssuer"` // empty unless a role was assumed
	WebID         *WebIDFederation  `json:"webIdFederationData,omitempty"`
	Attributes    SessionAttributes `json:"attributes"`
}

// SessionIssuer is the role that was assumed.
type SessionIssuer struct {
	Type        string `json:"type,omitempty"` // Role
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	UserName    string `json:"userName,omitempty"`
}

// WebIDFederation is the identity provider by whose token a role was assumed.
type WebIDFederation struct {
	FederatedProvider string   `json:"federatedProvider"`
	Attributes        struct{} `json:"attributes"`
}

// SessionAttributes is what else CloudTrail says of a session.
type SessionAttributes struct {
	CreationDate     string `json:"creationDate"`
	MFAAuthenticated string `json:"mfaAuthenticated"` // false: nobody is asked for a second factor
}

// Resource is what was called upon.
type Resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type"` // AWS::DirectoryService::MicrosoftAD
	ARN       string `json:"ARN"`
}

// TLSDetails is how the call came in.
type TLSDetails struct {
	TLSVersion               string `json:"tlsVersion"` // TLSv1.3
	CipherSuite              string `json:"cipherSuite"`
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader"`
}

// Session is the role and the session of temporary credentials of a role, as in deploy/build-17; both are "" for others.
func (u UserIdentity) Session() (role, session string) {
	if u.Type != "AssumedRole" {
		return "", ""
	}
	_, name, _ := strings.Cut(u.ARN, ":assumed-role/")
	role, session, _ = strings.Cut(name, "/")
	return role, session
}

// Identify is the userIdentity of a principal; that of nobody is of type Unknown.
func Identify(p identity.Principal) UserIdentity {
	who := UserIdentity{
		Type: p.Type, PrincipalID: p.ID, ARN: p.ARN, AccountID: p.Account, AccessKeyID: p.AccessKeyID, UserName: p.UserName,
	}
	if p.Web != nil {
		who.AccountID, who.IdentityProvider = "", p.Web.Provider // of no account yet
	}
	if s := p.Session; s != nil {
		who.SessionContext = &SessionContext{Attributes: SessionAttributes{s.Created.UTC().Format("2006-01-02T15:04:05Z"), "false"}}
		if s.Web != nil {
			who.SessionContext.WebID = &WebIDFederation{FederatedProvider: s.Web.Provider}
		}
		if p.RoleARN != "" {
			role, _, _ := strings.Cut(p.ID, ":")
			who.SessionContext.SessionIssuer = SessionIssuer{"Role", role, p.RoleARN, s.Account, s.Role}
		}
	}
	return who
}

// Fail records how a call was refused. As CloudTrail does, it drops "Exception" from the code of a denied one, and the
// request's parameters with it.
func (e *Event) Fail(code, message string) {
	e.ErrorCode, e.ErrorMessage, e.ResponseElements = code, message, nil
	if code == "AccessDeniedException" {
		e.ErrorCode, e.RequestParameters = "AccessDenied", nil
	}
}

// newID is a random UUID, RFC 9562's version 4.
func newID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails, see its documentation
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{random[:4], random[4:6], random[6:8], random[8:10], random[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// append writes the event as one line of JSON, without its line break. It is written by hand because it runs for every
// call: encoding/json takes several times as long.
func (e *Event) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = member(dst, "eventVersion", orElse(e.EventVersion, Version))
	dst = append(dst, `,"userIdentity":{`...)
	dst = member(dst, "type", orElse(e.UserIdentity.Type, "Unknown"))
	dst = optional(dst, "principalId", e.UserIdentity.PrincipalID)
	dst = optional(dst, "arn", e.UserIdentity.ARN)
	dst = optional(dst, "accountId", e.UserIdentity.AccountID)
	dst = optional(dst, "accessKeyId", e.UserIdentity.AccessKeyID)
	dst = optional(dst, "userName", e.UserIdentity.UserName)
	dst = optional(dst, "identityProvider", e.UserIdentity.IdentityProvider)
	if session := e.UserIdentity.SessionContext; session != nil {
		// Structs of strings, which can't fail.
		text, _ := json.Marshal(session)
		dst = append(dst, `,"sessionContext":`...)
		dst = append(dst, text...)
	}
	dst = append(dst, `},"eventTime":"`...)
	dst = e.EventTime.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	dst = append(dst, `",`...)
	dst = member(dst, "eventSource", orElse(e.EventSource, Source))
	dst = append(dst, ',')
	dst = member(dst, "eventName", cut(e.EventName))
	dst = append(dst, ',')
	dst = member(dst, "awsRegion", e.AWSRegion)
	dst = append(dst, ',')
	dst = member(dst, "sourceIPAddress", e.SourceIPAddress)
	dst = append(dst, ',')
	dst = member(dst, "userAgent", cut(e.UserAgent))
	dst = optional(dst, "errorCode", e.ErrorCode)
	dst = optional(dst, "errorMessage", cut(e.ErrorMessage))
	dst = append(dst, `,"requestParameters":`...)
	dst = value(dst, e.RequestParameters)
	dst = append(dst, `,"responseElements":`...)
	dst = value(dst, e.ResponseElements)
	if len(e.AdditionalEventData) > 0 {
		dst = append(dst, `,"additionalEventData":`...)
		dst = value(dst, e.AdditionalEventData)
	}
	dst = append(dst, ',')
	dst = member(dst, "requestID", e.RequestID)
	dst = append(dst, ',')
	dst = member(dst, "eventID", e.EventID)
	if e.ReadOnly {
		dst = append(dst, `,"readOnly":true`...)
	} else {
		dst = append(dst, `,"readOnly":false`...)
	}
	dst = appendResources(dst, e.Resources)
	dst = append(dst, ',')
	dst = member(dst, "eventType", orElse(e.EventType, Type))
	dst = append(dst, `,"managementEvent":true,`...)
	dst = member(dst, "recipientAccountId", e.RecipientAccountID)
	dst = append(dst, ',')
	dst = member(dst, "eventCategory", orElse(e.EventCategory, Category))
	if tls := e.TLSDetails; tls != nil {
		dst = append(dst, `,"tlsDetails":{`...)
		dst = member(dst, "tlsVersion", tls.TLSVersion)
		dst = append(dst, ',')
		dst = member(dst, "cipherSuite", tls.CipherSuite)
		dst = append(dst, ',')
		dst = member(dst, "clientProvidedHostHeader", cut(tls.ClientProvidedHostHeader))
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendResources(dst []byte, resources []Resource) []byte {
	for i, resource := range resources {
		if i == 0 {
			dst = append(dst, `,"resources":[{`...)
		} else {
			dst = append(dst, `,{`...)
		}
		dst = member(dst, "accountId", resource.AccountID)
		dst = append(dst, ',')
		dst = member(dst, "type", resource.Type)
		dst = append(dst, ',')
		dst = member(dst, "ARN", resource.ARN)
		dst = append(dst, '}')
	}
	if len(resources) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// cut shortens a text that the caller chose, at the end of a character.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func member(dst []byte, name, text string) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return quote(dst, text)
}

func optional(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return member(append(dst, ','), name, text)
}

// value appends a JSON value on one line. What is not JSON becomes a string, so that it can't spoil the line it is in.
func value(dst []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 || len(raw) > maxMember {
		return append(dst, "null"...)
	}
	line := bytes.NewBuffer(dst)
	if err := json.Compact(line, raw); err != nil {
		return quote(line.Bytes()[:len(dst)], string(raw))
	}
	return line.Bytes()
}

// quote appends a JSON string. It escapes, besides what JSON demands, every other control character, the two line
// separators and what changes the direction of writing, so that printing the log cannot drive a terminal or deceive its
// reader; bytes that are not UTF-8 become U+FFFD.
func quote(dst []byte, text string) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		char := text[i]
		if char >= ' ' && char != '"' && char != '\\' && char < 0x7f {
			i++
			continue
		}
		r, size := rune(char), 1
		if char >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
			steers := r < 0xa0 || '\u2028' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
			if !steers && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		dst = append(dst, text[from:i]...)
		if r == '"' || r == '\\' {
			dst = append(dst, '\\', char)
		} else {
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += size
		from = i
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
