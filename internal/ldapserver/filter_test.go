package ldapserver

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

func filters() []string {
	return []string{
		"(cn=Jane)", "(cn=)", "(cn=*)", `(cn=\2a)`, "(cn=J*)", "(cn=*e)", "(cn=*an*)", "(cn=J*a*n*e)", "(age>=5)", "(age<=5)",
		"(cn~=jane)", `(photo=\00\ff\28\29\5c\c3)`, `(cn=*\ff*)`, "(&)", "(|)", "(&(a=b)(!(c=d))(|(e=f)(g=*)))",
		"(member:1.2.840.113556.1.4.1941:=cn=x)", "(cn:=x)", "(cn:dn:=x)", "(cn:dn:2.4.6:=x)", "(:dn:2.4.6:=x)", "(:2.4.6:=x)",
		"(member;range=x)", "(cn=a:dn:=b)", "(1.2.3;x-y=z)",
	}
}

func TestFilter(t *testing.T) {
	for _, want := range filters() {
		packet, err := ldap.CompileFilter(want)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		c := cursor(packet.Bytes())
		if got, err := decodeFilter(&c); got != want || err != nil {
			t.Errorf("%s became %s, %v", want, got, err)
		}
	}
}

func TestRedactFilter(t *testing.T) {
	in := `(|(cn=a\29)(unicodePwd=x\29y)(userPassword;x-a:2.4.6:=z)(2.5.4.35=q*)(!(userPassword=*)))`
	want := `(|(cn=a\29)(unicodePwd=[redacted])(userPassword;x-a=[redacted])(2.5.4.35=[redacted])(!(userPassword=[redacted])))`
	if got := redactFilter(in); got != want {
		t.Errorf("got %s", got)
	}
}

// FuzzFilter holds what decodeFilter accepts against go-ldap's own compiler: the string must mean what the bytes mean.
func FuzzFilter(f *testing.F) {
	for _, filter := range filters() {
		packet, err := ldap.CompileFilter(filter)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet.Bytes())
	}
	f.Add([]byte{0xa4, 0x0b, 4, 1, 'a', 0x30, 6, 0x81, 1, 'x', 0x82, 1, 0xfe})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := cursor(data)
		filter, err := decodeFilter(&c)
		if err != nil {
			return
		}
		if len(filter) > 16*len(data)+16 {
			t.Fatalf("%d bytes became %d", len(data), len(filter))
		}
		packet, err := ldap.CompileFilter(filter)
		if err != nil {
			t.Fatalf("%q: %v", filter, err)
		}
		read := data[:len(data)-len(c)]
		if got, want := dump(packet.Bytes(), false), dump(read, false); got != want {
			t.Fatalf("%q means\n%s\nthe bytes mean\n%s", filter, got, want)
		}
		redactFilter(filter)
	})
}

// dump writes what a filter's bytes say, whatever the form of their lengths.
func dump(data []byte, extensible bool) string {
	var out strings.Builder
	for c := cursor(data); !c.empty(); {
		tag, content, err := c.next()
		if err != nil {
			return "malformed"
		}
		switch {
		case extensible && tag == tagDNAttributes:
			if content[0] != 0 {
				out.WriteString("dn ")
			}
		case tag&0x20 != 0:
			// What follows the fields that LDAP knows is ignored.
			fmt.Fprintf(&out, "%x{%s}", tag, dump(known(tag, content), tag == tagExtensible))
		default:
			fmt.Fprintf(&out, "%x:%x ", tag, content)
		}
	}
	return out.String()
}

func known(tag byte, content cursor) []byte {
	fields := map[byte]int{tagEquality: 2, tagGreater: 2, tagLess: 2, tagApprox: 2, tagSubstrings: 2, tagExtensible: 4}[tag]
	if fields == 0 {
		return content
	}
	rest, last := content, byte(0)
	for range fields {
		next := rest.peek()
		if tag == tagExtensible && (next <= last || next < tagRule || next > tagDNAttributes) {
			break
		}
		last = next
		if _, _, err := rest.next(); err != nil {
			break
		}
	}
	return content[:len(content)-len(rest)]
}

// TestAppendAgainstLibrary holds our BER against another.
func TestAppendAgainstLibrary(t *testing.T) {
	for _, n := range []int32{0, 1, 127, 128, 255, 256, 32767, 32768, 1 << 23, 1<<31 - 1, -1, -128, -129, -1 << 31} {
		want := ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(n), "").Bytes()
		got := appendInteger(nil, tagInteger, n)
		if !bytes.Equal(got, want) {
			t.Errorf("%d: %x, want %x", n, got, want)
		}
		c := cursor(got)
		if back, err := c.integer(tagInteger); back != int64(n) || err != nil {
			t.Errorf("%d read back as %d, %v", n, back, err)
		}
	}
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 20} {
		value := strings.Repeat("x", n)
		packet, err := ber.DecodePacketErr(appendText(nil, value))
		if err != nil || packet.Value != value {
			t.Errorf("string of %d: %v", n, err)
		}
	}
}
