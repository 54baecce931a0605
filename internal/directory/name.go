package directory

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	// MaxNameLength is AWS's limit for a directory's DNS name.
	MaxNameLength = 64
	// MaxShortNameLength is that of a NetBIOS name (MS-ADTS section 6.1.1.2.1).
	MaxShortNameLength = 15
)

var (
	namePattern      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	shortNamePattern = regexp.MustCompile(`^[A-Z0-9]([A-Z0-9_-]*[A-Z0-9])?$`)
	// reservedNames mean something else to Windows (Microsoft, "Naming conventions in Active Directory").
	reservedNames = []string{
		"BATCH", "BUILTIN", "DIALUP", "DOMAIN", "INTERACTIVE", "LOCAL", "NETWORK", "NULL", "SELF", "SYSTEM", "USERS", "WORLD",
	}
)

// CheckName says what is wrong with a directory's DNS name, in lower case.
func CheckName(name string) error {
	if len(name) > MaxNameLength || !namePattern.MatchString(name) {
		return fmt.Errorf("a directory needs a DNS name with a dot, of at most %d characters", MaxNameLength)
	}
	return nil
}

// ErrReservedName says that Windows keeps a NetBIOS name for itself.
var ErrReservedName = errors.New("is a reserved name")

// CheckShortName says what is wrong with a NetBIOS name, in upper case.
func CheckShortName(name string) error {
	if len(name) > MaxShortNameLength || !shortNamePattern.MatchString(name) || strings.Trim(name, "0123456789") == "" {
		return fmt.Errorf("a NetBIOS name has at most %d letters, digits, - and _, the first and last of them a letter or digit, and not digits alone", MaxShortNameLength)
	}
	if slices.Contains(reservedNames, name) {
		return fmt.Errorf("%s %w", name, ErrReservedName)
	}
	return nil
}

// DefaultShortName is the first label of the DNS name in upper case, cut to what a NetBIOS name may have, as AWS and AD
// have it.
func DefaultShortName(name string) string {
	label, _, _ := strings.Cut(strings.ToUpper(name), ".")
	return strings.TrimRight(label[:min(len(label), MaxShortNameLength)], "-")
}
