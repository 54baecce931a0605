package wire

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The model's patterns are Java's, and a value has to match as a whole. RE2 has no lookahead and no \p{LD}: the patterns
// with one are written by hand, under their own text, and the rest is compiled. Where the two languages differ, Java's
// meaning counts: "." stops at \n, \r, U+0085, U+2028 and U+2029, \s holds \v, and \uXXXX is a character.
var byHand = map[string]func([]byte) bool{
	`^(?!.*\\|.*"|.*\/|.*\[|.*\]|.*:|.*;|.*\||.*=|.*,|.*\+|.*\*|.*\?|.*<|.*>|.*@).*$`: matchUserName,
	`^(?!D-|d-)([\da-zA-Z]+)([-]*[\da-zA-Z])*`:                                        matchAlias,
	`(?=^.{8,64}$)((?=.*\d)(?=.*[A-Z])(?=.*[a-z])|(?=.*\d)(?=.*[^A-Za-z0-9\s])(?=.*[a-z])|(?=.*[^A-Za-z0-9\s])(?=.*[A-Z])(?=.*[a-z])|(?=.*\d)(?=.*[A-Z])(?=.*[^A-Za-z0-9\s]))^.*`: matchPassword,
	`^(\p{LD}|\p{Punct}| )+$`: matchSharedSecret,
}

// matcher is the test for a pattern, made once.
func matcher(pattern string) (func([]byte) bool, error) {
	if match, ok := byHand[pattern]; ok {
		return match, nil
	}
	if match, ok := matchers.Load(pattern); ok {
		return match.(func([]byte) bool), nil
	}
	compiled, err := regexp.Compile("^(?:" + toRE2(pattern) + ")$")
	if err != nil {
		return nil, err
	}
	match, _ := matchers.LoadOrStore(pattern, compiled.Match)
	return match.(func([]byte) bool), nil
}

// toRE2 writes \uXXXX and \s, which the model has only inside of classes, as RE2 reads them.
func toRE2(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '\\' || i+1 == len(pattern) {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		switch {
		case pattern[i] == 'u' && i+4 < len(pattern):
			b.WriteString(`\x{` + pattern[i+1:i+5] + `}`)
			i += 4
		case pattern[i] == 's':
			b.WriteString(`\t-\r `)
		default:
			b.WriteString(pattern[i-1 : i+1])
		}
	}
	return b.String()
}

// endsLine tells whether Java's "." stops at r.
func endsLine(r rune) bool {
	return r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// matchUserName takes any text, even none, without line ends and AD's forbidden characters.
func matchUserName(value []byte) bool {
	for len(value) > 0 {
		r, size := utf8.DecodeRune(value)
		if endsLine(r) || r < utf8.RuneSelf && strings.IndexByte(`\"/[]:;|=,+*?<>@`, byte(r)) >= 0 {
			return false
		}
		value = value[size:]
	}
	return true
}

func alphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// matchAlias takes ASCII letters and digits with hyphens between them, but not what looks like a directory's id.
func matchAlias(value []byte) bool {
	if len(value) == 0 || !alphanumeric(value[0]) || !alphanumeric(value[len(value)-1]) {
		return false
	}
	for _, b := range value {
		if b != '-' && !alphanumeric(b) {
			return false
		}
	}
	return len(value) < 2 || value[1] != '-' || value[0] != 'd' && value[0] != 'D'
}

// matchPassword takes 8 to 64 characters without line ends, of three of the classes digit, A to Z, a to z, and neither
// an ASCII letter or digit nor white space.
func matchPassword(value []byte) bool {
	length := 0
	var digit, upper, lower, other int
	for len(value) > 0 {
		r, size := utf8.DecodeRune(value)
		value = value[size:]
		length++
		switch {
		case endsLine(r):
			return false
		case '0' <= r && r <= '9':
			digit = 1
		case 'A' <= r && r <= 'Z':
			upper = 1
		case 'a' <= r && r <= 'z':
			lower = 1
		case r != ' ' && (r < '\t' || r > '\r'):
			other = 1
		}
	}
	return 8 <= length && length <= 64 && digit+upper+lower+other >= 3
}

// matchSharedSecret takes one or more letters and decimal digits of any script, ASCII punctuation and spaces.
func matchSharedSecret(value []byte) bool {
	if len(value) == 0 {
		return false
	}
	for len(value) > 0 {
		r, size := utf8.DecodeRune(value)
		printable := ' ' <= r && r <= '~'
		if !printable && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
		value = value[size:]
	}
	return true
}
