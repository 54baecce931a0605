package dsdata

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"latchkey/internal/directory"
)

// defaultResults is the size of a page when the caller names none, and the model's greatest.
const defaultResults = 250

// list is what a NextToken belongs to: an operation on a directory, and what it asks for.
type list struct {
	session

	owner string
}

// list binds tokens to an operation and its parameters, whose names' case does not matter.
func (d session) list(operation string, parameters ...string) list {
	query := sha256.Sum256([]byte(strings.ToLower(fmt.Sprintf("%q", parameters))))
	return list{d, fmt.Sprintf("ds-data/%s/%s/%s/%s/%x", operation, d.call.Account, d.call.Region, d.id, query)}
}

const placeSize = 1 + 16 + 8

// seal is the token of a place. Nobody can read or alter it, and it holds for this list alone; it does not expire.
func (l list) seal(at directory.Place) *string {
	plain := append([]byte{byte(at.Part)}, at.From[:]...)
	plain = binary.BigEndian.AppendUint64(plain, at.Width)
	token := base64.RawURLEncoding.EncodeToString(l.Tokens.Seal(plain, l.owner))
	return &token
}

// open is the place of a token; the beginning without one.
func (l list) open(token *string) (at directory.Place, err error) {
	if token == nil {
		return at, nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(*token)
	var plain []byte
	if err == nil {
		plain, err = l.Tokens.Open(sealed, l.owner)
	}
	if err != nil || len(plain) != placeSize {
		return at, invalid("INVALID_NEXT_TOKEN", "The NextToken is not one of this list.").Because(err)
	}
	at.Part = int(plain[0])
	copy(at.From[:], plain[1:])
	at.Width = binary.BigEndian.Uint64(plain[17:])
	return at, nil
}
