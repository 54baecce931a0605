package directory

import (
	"strconv"
	"time"
)

// UserAccountControl is the set of an account's flags (MS-ADTS section 2.2.16).
type UserAccountControl uint32

// The flags that Latchkey reads or writes.
const (
	AccountDisable       UserAccountControl = 0x0002
	PasswordNotRequired  UserAccountControl = 0x0020
	PasswordCantChange   UserAccountControl = 0x0040
	InterdomainTrust     UserAccountControl = 0x0800
	NormalAccount        UserAccountControl = 0x0200
	WorkstationTrust     UserAccountControl = 0x1000
	ServerTrust          UserAccountControl = 0x2000
	DontExpirePassword   UserAccountControl = 0x10000
	SmartcardRequired    UserAccountControl = 0x40000
	TrustedForDelegation UserAccountControl = 0x80000
	NotDelegated         UserAccountControl = 0x100000
	DontRequirePreauth   UserAccountControl = 0x400000
	NoAuthDataRequired   UserAccountControl = 0x2000000
	LockedOut            UserAccountControl = 0x0010
	PasswordExpired      UserAccountControl = 0x800000
	otherThanNormalUsers                    = InterdomainTrust | WorkstationTrust | ServerTrust
)

// Bits of pwdProperties (MS-ADTS section 3.1.1.3.2.32 and MS-SAMR section 2.2.3.16).
const PasswordComplexity = 0x1

// Group types (MS-ADTS section 2.2.12).
const (
	GroupBuiltin     = 0x00000001
	GroupGlobal      = 0x00000002
	GroupDomainLocal = 0x00000004
	GroupUniversal   = 0x00000008
	GroupSecurity    = 0x80000000
)

// Account types, sAMAccountType (MS-SAMR section 2.2.1.9).
const (
	AccountTypeUser      = 0x30000000
	AccountTypeComputer  = 0x30000001
	AccountTypeTrust     = 0x30000002
	AccountTypeGroup     = 0x10000000
	AccountTypeAlias     = 0x20000000
	AccountTypeMailGroup = 0x10000001
	AccountTypeMailAlias = 0x20000001
)

const (
	filetimeEpoch  = 116444736000000000 // 1970 in 100 ns since 1601
	filetimeSecond = 10_000_000
	// Never is the largest interval or time: no expiry.
	Never = 1<<63 - 1
)

// FileTime is t in AD's large-integer form: 100 ns units since 1601 (MS-DTYP section 2.3.3).
func FileTime(t time.Time) string {
	return strconv.FormatInt(t.UnixNano()/100+filetimeEpoch, 10)
}

// ParseFileTime is the moment of a large integer; 0 and Never give the zero time.
func ParseFileTime(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n == Never {
		return time.Time{}
	}
	n -= filetimeEpoch
	return time.Unix(n/filetimeSecond, n%filetimeSecond*100).UTC()
}

// Interval is d in AD's form of a duration: negative, in 100 ns units.
func Interval(d time.Duration) string {
	return strconv.FormatInt(-int64(d/100), 10)
}

// ParseInterval reads AD's form of a duration; 0 and the smallest integer, which both mean "never", give 0.
func ParseInterval(s string) time.Duration {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == -Never-1 || n >= 0 || n < -Never/100 {
		return 0
	}
	return time.Duration(-n) * 100
}

// GeneralizedTime is t in the form of whenCreated (RFC 4517 section 3.3.13).
func GeneralizedTime(t time.Time) string {
	return t.UTC().Format("20060102150405") + ".0Z"
}
