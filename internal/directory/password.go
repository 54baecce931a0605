package directory

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrPassword says that a password does not meet the directory's settings. The text around it names the rule.
var ErrPassword = errors.New("the password does not meet the directory's password settings")

// MaxPasswordUnits is how long a password may be, in UTF-16 code units (MS-SAMR section 3.1.1.7.2).
const MaxPasswordUnits = 256

// EncodePassword is the value of unicodePwd that sets the password: in double quotes, UTF-16LE (MS-ADTS section
// 3.1.1.3.1.5). The caller wipes it.
func EncodePassword(password []byte) []byte {
	value := make([]byte, 0, 2*len(password)+4)
	value = append(value, '"', 0)
	for rest := password; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			value = append(value, byte(high), byte(high>>8), byte(low), byte(low>>8))
			continue
		}
		value = append(value, byte(r), byte(r>>8))
	}
	return append(value, '"', 0)
}

// DecodePassword is the password in a value of unicodePwd, in UTF-8. The caller wipes it.
func DecodePassword(value string) ([]byte, error) {
	if len(value) < 4 || len(value)%2 != 0 || value[:2] != "\"\x00" || value[len(value)-2:] != "\"\x00" {
		return nil, errors.New("unicodePwd must be the password in double quotes, in UTF-16LE")
	}
	value = value[2 : len(value)-2]
	unit := func(i int) rune { return rune(value[i]) | rune(value[i+1])<<8 }
	password := make([]byte, 0, len(value)*3/2)
	for i := 0; i < len(value); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			if i+2 >= len(value) {
				return nil, errors.New("unicodePwd ends within a surrogate pair")
			}
			if r = utf16.DecodeRune(r, unit(i+2)); r == unicode.ReplacementChar {
				return nil, errors.New("unicodePwd has half a surrogate pair")
			}
			i += 2
		}
		password = utf8.AppendRune(password, r)
	}
	return password, nil
}

// PasswordSettings is what a directory demands of a user's password (MS-ADTS section 3.1.1.3.2; AD's defaults are those
// of AWS too).
type PasswordSettings struct {
	MinLength         int // UTF-16 code units
	Complexity        bool
	History           int
	MinAge            time.Duration
	MaxAge            time.Duration // 0: passwords do not expire
	LockoutThreshold  int           // failed logins; 0: no lockout
	LockoutDuration   time.Duration // 0: until somebody unlocks the account
	ObservationWindow time.Duration
}

// DefaultPasswordSettings are those of a new domain.
func DefaultPasswordSettings() PasswordSettings {
	return PasswordSettings{
		MinLength: 7, Complexity: true, History: 24, MinAge: 24 * time.Hour, MaxAge: 42 * 24 * time.Hour,
		LockoutDuration: 30 * time.Minute, ObservationWindow: 30 * time.Minute,
	}
}

// Attributes are the settings as the domain's head has them.
func (s PasswordSettings) Attributes() map[string]string {
	properties := 0
	if s.Complexity {
		properties = PasswordComplexity
	}
	return map[string]string{
		"minPwdLength": strconv.Itoa(s.MinLength), "pwdProperties": strconv.Itoa(properties), "pwdHistoryLength": strconv.Itoa(s.History),
		"minPwdAge": Interval(s.MinAge), "maxPwdAge": Interval(s.MaxAge), "lockoutThreshold": strconv.Itoa(s.LockoutThreshold),
		"lockoutDuration": Interval(s.LockoutDuration), "lockOutObservationWindow": Interval(s.ObservationWindow),
	}
}

// Check holds a new password against length and complexity as AD defines them (MS-SAMR section 3.1.1.7.2, and
// Microsoft's page "Password must meet complexity requirements"). Its errors wrap ErrPassword and name the rule, never
// the password.
func (s PasswordSettings) Check(password []byte, accountName, displayName string) error {
	units := 0
	for rest := password; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		units += utf16.RuneLen(r)
	}
	switch {
	case units < s.MinLength:
		return fmt.Errorf("%w: the password is too short: it has fewer than the %d characters that minPwdLength demands", ErrPassword, s.MinLength)
	case units > MaxPasswordUnits:
		return fmt.Errorf("%w: the password is longer than %d characters", ErrPassword, MaxPasswordUnits)
	case !s.Complexity:
		return nil
	}
	if n := classes(password); n < 3 {
		return fmt.Errorf("%w: the password has characters of %d kinds, and pwdProperties demands 3 of: upper case, lower case, digits, punctuation, other letters", ErrPassword, n)
	}
	return checkNames(password, accountName, displayName)
}

// classes counts which of the five kinds of characters occur. ASCII punctuation is Microsoft's list in full; a space and
// symbols beyond ASCII, such as € and emoji, belong to no kind.
func classes(password []byte) int {
	var upper, lower, digit, punctuation, letter int
	for rest := password; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		switch {
		case '0' <= r && r <= '9':
			digit = 1
		case unicode.IsUpper(r):
			upper = 1
		case unicode.IsLower(r):
			lower = 1
		case unicode.IsLetter(r):
			letter = 1
		case r > ' ' && r < 0x7f:
			punctuation = 1
		}
	}
	return upper + lower + digit + punctuation + letter
}

func checkNames(password []byte, accountName, displayName string) error {
	// The copy is in lower case, so that it is wiped here and not left to the collector.
	folded := fold(password)
	defer clear(folded)
	contains := func(name string) bool {
		return utf8.RuneCountInString(name) > 2 && containsFold(folded, name)
	}
	if contains(accountName) {
		return fmt.Errorf("%w: the password contains the account's name (sAMAccountName)", ErrPassword)
	}
	if slices.ContainsFunc(strings.FieldsFunc(displayName, func(r rune) bool { return strings.ContainsRune(" ,.\t-_#", r) }), contains) {
		return fmt.Errorf("%w: the password contains a part of the user's display name (displayName)", ErrPassword)
	}
	return nil
}

func fold(text []byte) []byte {
	folded := make([]byte, 0, 2*len(text))
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		folded = utf8.AppendRune(folded, unicode.ToLower(unicode.ToUpper(r)))
	}
	return folded
}

func containsFold(folded []byte, name string) bool {
	part := fold([]byte(name))
	for i := range folded {
		if len(folded)-i >= len(part) && string(folded[i:i+len(part)]) == string(part) {
			return true
		}
	}
	return false
}
