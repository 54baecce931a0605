package sigv4

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"latchkey/internal/fault"
)

const (
	// maxAuthorization and maxQuery bound what is parsed for somebody who has proved nothing yet. A real Authorization
	// header has some 300 bytes; a presigned query has a session token of up to 4 KiB in it.
	maxAuthorization = 4 << 10
	maxQuery         = 32 << 10
)

// claim is a request's signature with what it says about itself; nothing in it is proved.
type claim struct {
	scope         scope
	terminator    string
	signedHeaders string
	signature     string
	token         string
	stamp         string // the date as signed: 20130609T095204Z
	time          time.Time
	presigned     bool
	expires       time.Duration // 0 when the request is not presigned or does not say
	query         []parameter
}

type parameter struct{ name, value string }

// readClaim finds the signature of a request, and parses it.
func readClaim(r *http.Request) (claim, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return claim{}, fault.Newf(fault.IncompleteSignature, "The query string is longer than %d bytes.", maxQuery)
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return claim{}, mismatch(err.Error())
	}
	_, presigned := find(query, "X-Amz-Algorithm")
	authorization := r.Header["Authorization"]
	if len(authorization) > 0 && presigned {
		return claim{}, fault.New(fault.InvalidSignature,
			"Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	}
	if !presigned && (len(authorization) == 0 || !strings.HasPrefix(authorization[0], "AWS4-")) {
		return claim{}, fault.New(fault.MissingAuthenticationToken, "Request is missing Authentication Token")
	}
	if len(authorization) > 1 {
		return claim{}, fault.New(fault.IncompleteSignature, "Request has more than one 'Authorization' header.")
	}
	if err := refuseRepeated(r.Header); err != nil {
		return claim{}, err
	}
	if presigned {
		return readQuery(query)
	}
	c := claim{query: query}
	return c, c.readHeader(r.Header, authorization[0])
}

// refuseRepeated refuses a signed header sent twice: the signature covers the values joined by a comma, so that one value
// with a comma could be split on its way, and the server would act on its first half.
func refuseRepeated(header http.Header) error {
	for name, values := range header {
		if len(values) > 1 && (isAmz(name) || name == "Date" || name == "Content-Type") {
			return fault.Newf(fault.IncompleteSignature, "Request has more than one '%s' header.", name)
		}
	}
	return nil
}

// readHeader parses the Authorization header and the date, and complains about all that is missing at once, as AWS does.
func (c *claim) readHeader(header http.Header, authorization string) error {
	if len(authorization) > maxAuthorization {
		return fault.Newf(fault.IncompleteSignature, "Authorization header is longer than %d bytes.", maxAuthorization)
	}
	sent, rest, _ := strings.Cut(authorization, " ")
	var credential string
	for rest != "" {
		var field string
		field, rest, _ = strings.Cut(rest, ",")
		field = strings.TrimSpace(field)
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return fault.Newf(fault.IncompleteSignature,
				"'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", field, authorization)
		}
		var target *string
		switch name {
		case "Credential":
			target = &credential
		case "SignedHeaders":
			target = &c.signedHeaders
		case "Signature":
			target = &c.signature
		default:
			continue
		}
		if *target != "" {
			return fault.Newf(fault.IncompleteSignature, "Authorization header has more than one '%s' parameter.", name)
		}
		*target = value
	}
	date := first(header["X-Amz-Date"])
	if date == "" {
		date = first(header["Date"])
	}
	if credential == "" || c.signature == "" || c.signedHeaders == "" || date == "" {
		return c.incomplete(credential, date, authorization)
	}
	c.token = first(header["X-Amz-Security-Token"])
	return c.fill(sent, credential, date)
}

func (c *claim) incomplete(credential, date, authorization string) error {
	var text strings.Builder
	for _, parameter := range []struct{ name, value string }{
		{"Credential", credential}, {"Signature", c.signature}, {"SignedHeaders", c.signedHeaders},
	} {
		if parameter.value == "" {
			fmt.Fprintf(&text, "Authorization header requires '%s' parameter. ", parameter.name)
		}
	}
	if date == "" {
		text.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	text.WriteString("Authorization=" + authorization)
	return fault.New(fault.IncompleteSignature, text.String())
}

// readQuery parses a presigned request.
func readQuery(query []parameter) (claim, error) {
	c := claim{query: query, presigned: true}
	var sent, credential, date, expires string
	for _, p := range query {
		var target *string
		switch p.name {
		case "X-Amz-Algorithm":
			target = &sent
		case "X-Amz-Credential":
			target = &credential
		case "X-Amz-Signature":
			target = &c.signature
		case "X-Amz-SignedHeaders":
			target = &c.signedHeaders
		case "X-Amz-Date":
			target = &date
		case "X-Amz-Expires":
			target = &expires
		case "X-Amz-Security-Token":
			target = &c.token
		default:
			continue
		}
		if *target != "" {
			return claim{}, fault.Newf(fault.IncompleteSignature, "AWS query-string parameters must not include '%s' twice.", p.name)
		}
		*target = p.value
	}
	var text strings.Builder
	for _, p := range []parameter{
		{"X-Amz-Algorithm", sent},
		{"X-Amz-Credential", credential},
		{"X-Amz-Signature", c.signature},
		{"X-Amz-SignedHeaders", c.signedHeaders},
		{"X-Amz-Date", date},
	} {
		if p.value == "" {
			fmt.Fprintf(&text, "AWS query-string parameters must include '%s'. ", p.name)
		}
	}
	if text.Len() > 0 {
		return claim{}, fault.New(fault.IncompleteSignature, text.String()+"Re-examine the query-string parameters.")
	}
	if expires != "" {
		seconds, err := strconv.ParseUint(expires, 10, 32)
		if err != nil || seconds < 1 || seconds > uint64(MaxExpires/time.Second) {
			return claim{}, fault.Newf(fault.IncompleteSignature, "X-Amz-Expires must be between 1 and %d seconds, got '%s'.",
				MaxExpires/time.Second, expires)
		}
		c.expires = time.Duration(seconds) * time.Second
	}
	return c, c.fill(sent, credential, date)
}

// fill takes the parts that both forms have, in the order in which AWS checks them.
func (c *claim) fill(sent, credential, date string) error {
	var ok bool
	if c.time, ok = parseDate(date); !ok {
		return fault.Newf(fault.IncompleteSignature,
			"Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
	}
	if c.stamp = date; len(date) != len(stampForm) {
		c.stamp = c.time.Format(stampForm)
	}
	if sent != algorithm {
		return fault.Newf(fault.IncompleteSignature, "Unsupported AWS 'algorithm': '%s' (only %s for now). ", sent, algorithm)
	}
	var parts [5]string
	rest, more := credential, true
	for i := range parts {
		if !more {
			break
		}
		parts[i], rest, more = strings.Cut(rest, "/")
		ok = i == len(parts)-1 && !more
	}
	if !ok {
		return fault.Newf(fault.IncompleteSignature,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	c.scope = scope{accessKeyID: parts[0], date: parts[1], region: parts[2], service: parts[3]}
	c.terminator = parts[4]
	return nil
}

// parseDate reads X-Amz-Date's form, or that of a Date header.
func parseDate(text string) (time.Time, bool) {
	if len(text) == len(stampForm) {
		at, err := time.Parse(stampForm, text)
		return at, err == nil
	}
	at, err := http.ParseTime(text)
	return at.UTC(), err == nil
}

// checkTime refuses a signature from too long ago or too far ahead.
func (c *claim) checkTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	if c.expires != 0 {
		if end := c.time.Add(c.expires); end.Before(now) {
			return fault.Newf(fault.InvalidSignature, "Signature expired: %s is now earlier than %s",
				end.Format(stampForm), now.Format(stampForm))
		}
	} else if earliest := now.Add(-Skew); c.time.Before(earliest) {
		return fault.Newf(fault.InvalidSignature, "Signature expired: %s is now earlier than %s (%s - %d min.)",
			c.stamp, earliest.Format(stampForm), now.Format(stampForm), Skew/time.Minute)
	}
	if latest := now.Add(Skew); c.time.After(latest) {
		return fault.Newf(fault.InvalidSignature, "Signature not yet current: %s is still later than %s (%s + %d min.)",
			c.stamp, latest.Format(stampForm), now.Format(stampForm), Skew/time.Minute)
	}
	return nil
}

// checkScope compares the credential scope with what the request needs, and complains about all of it at once.
func (c *claim) checkScope(service string) error {
	dateOK := c.scope.date == c.stamp[:len("20060102")]
	if isRegion(c.scope.region) && c.scope.service == service && c.terminator == terminator && dateOK {
		return nil
	}
	var complaints []string
	if !isRegion(c.scope.region) {
		complaints = append(complaints, fmt.Sprintf("Credential should be scoped to a valid region, not '%s'.", c.scope.region))
	}
	if c.scope.service != service {
		complaints = append(complaints, fmt.Sprintf("Credential should be scoped to correct service: '%s'.", service))
	}
	if c.terminator != terminator {
		complaints = append(complaints,
			fmt.Sprintf("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, c.terminator))
	}
	if !dateOK {
		complaints = append(complaints,
			fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
				c.scope.date, c.stamp[:len("20060102")], c.stamp))
	}
	return fault.New(fault.InvalidSignature, strings.Join(complaints, " "))
}

// isRegion tells whether a name looks like a region's: us-east-1, us-gov-west-1, us-isob-east-1. AWS adds regions all the
// time, so that a list would be wrong soon.
func isRegion(name string) bool {
	if len(name) > 32 {
		return false
	}
	parts := 0
	for rest, more := name, true; more; parts++ {
		var part string
		part, rest, more = strings.Cut(rest, "-")
		if part == "" {
			return false
		}
		low, high := byte('a'), byte('z')
		if !more {
			low, high = '0', '9'
		}
		for i := range len(part) {
			if part[i] < low || part[i] > high {
				return false
			}
		}
	}
	return parts >= 3
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func find(query []parameter, name string) (string, bool) {
	for _, p := range query {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}
