package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"latchkey/internal/fault"
)

const upperHex = "0123456789ABCDEF"

// parseQuery decodes a query string as net/url does, so that what is signed is what the server acts on; and unlike it,
// refuses all of a query that has anything malformed in it.
func parseQuery(raw string) ([]parameter, error) {
	if raw == "" {
		return nil, nil
	}
	query := make([]parameter, 0, strings.Count(raw, "&")+1)
	for more := true; more; {
		var pair string
		pair, raw, more = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if strings.Contains(pair, ";") {
			return nil, errors.New("the query string has a semicolon in it")
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, err
		}
		query = append(query, parameter{name, value})
	}
	return query, nil
}

// appendText is the text that is signed, in dst's place; payload is the hash of the body in hexadecimal, and size its
// length.
func (c *claim) appendText(dst []byte, r *http.Request, payload []byte, size int) []byte {
	dst = c.appendCanonical(dst, r, payload, size)
	canonical := sha256.Sum256(dst)
	dst = append(dst[:0], algorithm...)
	dst = append(dst, '\n')
	dst = append(dst, c.stamp...)
	dst = append(dst, '\n')
	dst = append(dst, c.scope.date...)
	dst = append(dst, '/')
	dst = append(dst, c.scope.region...)
	dst = append(dst, '/')
	dst = append(dst, c.scope.service...)
	dst = append(dst, '/')
	dst = append(dst, terminator...)
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, canonical[:])
}

func (c *claim) appendCanonical(dst []byte, r *http.Request, payload []byte, size int) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	if path := r.URL.EscapedPath(); path == "" {
		dst = append(dst, '/')
	} else {
		// Every service but S3 encodes the path that was sent once more.
		dst = appendEscaped(dst, path, true)
	}
	dst = append(dst, '\n')
	dst = c.appendQuery(dst)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(c.signedHeaders, ";") {
		dst = append(dst, name...)
		dst = append(dst, ':')
		dst = appendHeader(dst, r, name, size)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, c.signedHeaders...)
	dst = append(dst, '\n')
	return append(dst, payload...)
}

func (c *claim) appendQuery(dst []byte) []byte {
	if len(c.query) == 0 {
		return dst
	}
	// Sorting is by what the encoded names say, and encoding changes the order: '~' stays and 'é' becomes '%C3%A9'.
	encoded := make([]parameter, 0, len(c.query))
	for _, p := range c.query {
		if c.presigned && p.name == "X-Amz-Signature" {
			continue
		}
		encoded = append(encoded, parameter{escape(p.name), escape(p.value)})
	}
	slices.SortFunc(encoded, func(a, b parameter) int {
		if order := cmp.Compare(a.name, b.name); order != 0 {
			return order
		}
		return cmp.Compare(a.value, b.value)
	})
	for i, p := range encoded {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

func appendHeader(dst []byte, r *http.Request, name string, size int) []byte {
	if name == "host" {
		return appendTrimmed(dst, r.Host)
	}
	values := values(r.Header, name)
	if len(values) == 0 && name == "content-length" {
		return strconv.AppendInt(dst, int64(size), 10)
	}
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTrimmed(dst, value)
	}
	return dst
}

// values looks a lower-case name up without allocating its canonical form.
func values(header http.Header, name string) []string {
	var space [64]byte
	key := append(space[:0], name...)
	upper := true
	for i, char := range key {
		if upper && 'a' <= char && char <= 'z' {
			key[i] = char - 'a' + 'A'
		}
		upper = char == '-'
	}
	return header[string(key)]
}

// appendTrimmed appends a header's value without spaces around it, and with runs of spaces as one.
func appendTrimmed(dst []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if value[i] == ' ' && value[i-1] == ' ' {
			continue
		}
		dst = append(dst, value[i])
	}
	return dst
}

// appendEscaped percent-encodes all but RFC 3986's unreserved characters, and the slash in a path.
func appendEscaped(dst []byte, text string, path bool) []byte {
	for i := range len(text) {
		char := text[i]
		if isUnreserved(char) || path && char == '/' {
			dst = append(dst, char)
		} else {
			dst = append(dst, '%', upperHex[char>>4], upperHex[char&15])
		}
	}
	return dst
}

func escape(text string) string {
	for i := range len(text) {
		if !isUnreserved(text[i]) {
			return string(appendEscaped(nil, text, false))
		}
	}
	return text
}

func isUnreserved(char byte) bool {
	return 'a' <= char && char <= 'z' || 'A' <= char && char <= 'Z' || '0' <= char && char <= '9' ||
		char == '-' || char == '_' || char == '.' || char == '~'
}

// checkSignedHeaders demands that SignedHeaders is a sorted list of lower-case names with no name twice, and that the host
// and every X-Amz-* header are in it.
func (c *claim) checkSignedHeaders(r *http.Request) error {
	if !isSigned(c.signedHeaders, "host") {
		return notSigned("Host")
	}
	for name := range r.Header {
		if isAmz(name) && !isSigned(c.signedHeaders, name) {
			return notSigned(name)
		}
	}
	before := ""
	for name := range strings.SplitSeq(c.signedHeaders, ";") {
		if name <= before {
			return mismatch("SignedHeaders is not sorted: '" + c.signedHeaders + "'")
		}
		for i := range len(name) {
			if char := name[i]; char <= ' ' || char >= 0x7f || char == ':' || 'A' <= char && char <= 'Z' {
				return mismatch("SignedHeaders has a name in it that is not a lower-case header name: '" + c.signedHeaders + "'")
			}
		}
		before = name
	}
	return nil
}

func notSigned(name string) error {
	return fault.Newf(fault.InvalidSignature, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
}

func isSigned(signedHeaders, name string) bool {
	for signed := range strings.SplitSeq(signedHeaders, ";") {
		if strings.EqualFold(signed, name) {
			return true
		}
	}
	return false
}

func isAmz(name string) bool {
	const prefix = "X-Amz-"
	return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// payloadHash is the hash of the body in hexadecimal. A client that sends its own, as a header or a query parameter, has
// to agree: "UNSIGNED-PAYLOAD" and the streaming forms, which are S3's, never do.
func (c *claim) payloadHash(r *http.Request, body []byte) ([2 * sha256.Size]byte, error) {
	var text [2 * sha256.Size]byte
	sum := sha256.Sum256(body)
	hex.Encode(text[:], sum[:])
	sent := first(r.Header["X-Amz-Content-Sha256"])
	if c.presigned && sent == "" {
		sent, _ = find(c.query, "X-Amz-Content-Sha256")
	}
	if sent != "" && sent != string(text[:]) {
		return text, mismatch("X-Amz-Content-Sha256 is not the hash of the body")
	}
	return text, nil
}
