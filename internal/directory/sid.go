package directory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// SID is a security identifier in its binary form (MS-DTYP section 2.4.2.2), as objectSid holds it.
type SID string

// Relative identifiers that every domain has (MS-DTYP section 2.4.2.4).
const (
	RIDAdministrator    = 500
	RIDGuest            = 501
	RIDKrbtgt           = 502
	RIDDomainAdmins     = 512
	RIDDomainUsers      = 513
	RIDDomainGuests     = 514
	RIDDomainComputers  = 515
	RIDEnterpriseAdmins = 519
)

// SIDAdministrators is BUILTIN\Administrators.
var SIDAdministrators = mustSID("S-1-5-32-544")

func mustSID(s string) SID {
	sid, err := ParseSID(s)
	if err != nil {
		panic(err)
	}
	return sid
}

// ParseSID reads the string form, "S-1-5-21-…".
func ParseSID(s string) (SID, error) {
	parts := strings.Split(strings.ToUpper(s), "-")
	if len(parts) < 3 || len(parts) > 18 || parts[0] != "S" || parts[1] != "1" {
		return "", fmt.Errorf("%q is not a SID", s)
	}
	authority, err := strconv.ParseUint(parts[2], 10, 48)
	if err != nil {
		return "", fmt.Errorf("%q is not a SID", s)
	}
	binarySID := []byte{1, byte(len(parts) - 3)}
	binarySID = append(binarySID, binary.BigEndian.AppendUint64(nil, authority)[2:]...)
	for _, part := range parts[3:] {
		sub, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return "", fmt.Errorf("%q is not a SID", s)
		}
		binarySID = binary.LittleEndian.AppendUint32(binarySID, uint32(sub))
	}
	return SID(binarySID), nil
}

// Valid says whether the bytes are a SID.
func (s SID) Valid() bool {
	return len(s) >= 8 && s[0] == 1 && s[1] <= 15 && len(s) == 8+4*int(s[1])
}

func (s SID) String() string {
	if !s.Valid() {
		return fmt.Sprintf("invalid SID %x", string(s))
	}
	var text strings.Builder
	authority := binary.BigEndian.Uint64(append([]byte{0, 0}, s[2:8]...))
	fmt.Fprintf(&text, "S-1-%d", authority)
	for i := 8; i < len(s); i += 4 {
		fmt.Fprintf(&text, "-%d", binary.LittleEndian.Uint32([]byte(s[i:i+4])))
	}
	return text.String()
}

// Child is the SID of the object with that relative identifier in this domain.
func (s SID) Child(rid uint32) SID {
	b := binary.LittleEndian.AppendUint32([]byte(s), rid)
	b[1]++
	return SID(b)
}

// RID is the last part.
func (s SID) RID() uint32 {
	return binary.LittleEndian.Uint32([]byte(s[len(s)-4:]))
}

// Domain is the SID without its last part.
func (s SID) Domain() (SID, error) {
	if !s.Valid() || s[1] == 0 {
		return "", errors.New("the SID has no domain")
	}
	b := []byte(s[:len(s)-4])
	b[1]--
	return SID(b), nil
}
