// Package keytab writes and reads files of long-term keys in MIT Kerberos' format, version 2 (MIT Kerberos documentation,
// "Keytab file format"), which all implementations read.
package keytab

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// The encryption types of the keys that are kept (RFC 3962 section 7).
const (
	AES128 = 17
	AES256 = 18
)

// Key is one long-term key.
type Key struct {
	Type    int32
	Version uint32 // kvno
	Value   []byte
}

// Wipe overwrites the keys.
func Wipe(keys []Key) {
	for _, key := range keys {
		clear(key.Value)
	}
}

const (
	magic         = "\x05\x02"
	typePrincipal = 1 // KRB5_NT_PRINCIPAL
	maxFile       = 1 << 20
)

// Marshal is a file in which each principal, such as host/web01.corp.example.com, has all the keys.
func Marshal(realm string, principals []string, keys []Key, at time.Time) []byte {
	file := []byte(magic)
	for _, principal := range principals {
		for _, key := range keys {
			entry := appendPrincipal(nil, realm, principal)
			entry = binary.BigEndian.AppendUint32(entry, uint32(at.Unix())) //nolint:gosec // the format ends in 2106
			entry = append(entry, byte(key.Version))                        //nolint:gosec // the whole of it is at the end
			entry = binary.BigEndian.AppendUint16(entry, uint16(key.Type))  //nolint:gosec // types are small
			entry = appendCounted(entry, string(key.Value))
			entry = binary.BigEndian.AppendUint32(entry, key.Version)
			file = binary.BigEndian.AppendUint32(file, uint32(len(entry))) //nolint:gosec // an entry is short
			file = append(file, entry...)
			clear(entry)
		}
	}
	return file
}

func appendPrincipal(b []byte, realm, principal string) []byte {
	components := strings.Split(principal, "/")
	b = binary.BigEndian.AppendUint16(b, uint16(len(components))) //nolint:gosec // as many as a name has
	b = appendCounted(b, realm)
	for _, component := range components {
		b = appendCounted(b, component)
	}
	return binary.BigEndian.AppendUint32(b, typePrincipal)
}

func appendCounted(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) //nolint:gosec // names and keys are short
}

var errFormat = errors.New("it is not a keytab of version 2")

// Keys is the AES keys of a file that has one principal's. They are copies.
func Keys(file []byte) (keys []Key, err error) {
	rest, ok := strings.CutPrefix(string(file[:min(len(file), len(magic))]), magic)
	if !ok || rest != "" || len(file) > maxFile {
		return nil, errFormat
	}
	f := fields{file[len(magic):], false}
	for len(f.rest) > 0 && !f.short {
		size := int32(f.number(4)) //nolint:gosec // signed in the format: a hole has a negative one
		if size < 0 {
			f.take(-int(size))
			continue
		}
		entry := fields{f.take(int(size)), false}
		key := entry.key()
		if entry.short {
			return nil, errFormat
		}
		if key.Type == AES128 || key.Type == AES256 {
			keys = append(keys, key)
		}
	}
	if f.short {
		return nil, errFormat
	}
	return keys, nil
}

// fields reads what has a length. short says that there was too little.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.short, f.rest = true, nil
		return nil
	}
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

func (f *fields) number(bytes int) (n uint32) {
	for _, b := range f.take(bytes) {
		n = n<<8 | uint32(b)
	}
	return n
}

func (f *fields) key() (key Key) {
	components := f.number(2)
	for range components + 1 { // and the realm
		if f.take(int(f.number(2))); f.short {
			return key
		}
	}
	f.take(4 + 4) // the name's type and the time
	key.Version = f.number(1)
	key.Type = int32(f.number(2)) //nolint:gosec // 16 bits
	key.Value = append([]byte(nil), f.take(int(f.number(2)))...)
	if len(f.rest) >= 4 {
		key.Version = f.number(4)
	}
	return key
}
