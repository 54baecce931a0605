package wire

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/dlclark/regexp2"
)

// modelPatterns is every pattern of both models by the shapes that have it.
func modelPatterns(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, file := range []string{"ds", "dsdata"} {
		data, err := os.ReadFile("model/" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var model struct {
			Shapes map[string]struct{ Pattern string }
		}
		if err := json.Unmarshal(data, &model); err != nil {
			t.Fatal(err)
		}
		for name, shape := range model.Shapes {
			if shape.Pattern != "" {
				found[file+"."+name] = shape.Pattern
			}
		}
	}
	if len(found) < 45 {
		t.Fatalf("only %d patterns are in the models", len(found))
	}
	return found
}

// oracle is the real pattern under a backtracking engine, with what Java means by it written out.
func oracle(t *testing.T, pattern string) func(string) bool {
	t.Helper()
	var b strings.Builder
	inClass := false
	class := func(inside string) {
		if inClass {
			b.WriteString(inside)
		} else {
			b.WriteString("[" + inside + "]")
		}
	}
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, `\d`):
			class(`0-9`)
			i++
		case strings.HasPrefix(rest, `\w`):
			class(`a-zA-Z0-9_`)
			i++
		case strings.HasPrefix(rest, `\s`):
			class(` \t\n\v\f\r`)
			i++
		case strings.HasPrefix(rest, `\p{LD}`):
			class(`\p{L}\p{Nd}`)
			i += 5
		case strings.HasPrefix(rest, `\p{Punct}`):
			class("!-/:-@\\[-`{-~")
			i += 8
		case rest[0] == '\\':
			b.WriteString(rest[:2])
			i++
		case rest[0] == '.' && !inClass:
			b.WriteString(`[^\n\r\u0085\u2028\u2029]`)
		default:
			if rest[0] == '[' {
				inClass = true
			} else if rest[0] == ']' {
				inClass = false
			}
			b.WriteByte(rest[0])
		}
	}
	compiled, err := regexp2.Compile(`\A(?:`+b.String()+`)\z`, regexp2.None)
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	return func(s string) bool {
		ok, err := compiled.MatchString(s)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
}

func ownMatcher(t *testing.T, pattern string) func(string) bool {
	t.Helper()
	match, err := matcher(pattern)
	if err != nil {
		t.Fatalf("%s cannot be handled: %v", pattern, err)
	}
	return func(s string) bool { return match([]byte(s)) }
}

// odd is what the patterns and the two regular expression languages might treat in different ways.
var odd = []rune("\x00\t\n\v\f\r\x1c\x1f\x7f\u0085\u00a0\u2028\u2029\u200b\u3000\ufeffñßÉЖאع٣९ⅷ²ª漢かǅʰ\u0301€😀𝟗𐐀\ufffd")

func TestEveryPatternAgreesWithTheModel(t *testing.T) {
	samples := []string{
		"", "a", "-", " ", "d-0123456789", "D-0123456789", "d-012345678", "d-0123456789\n", "d-012345678G",
		"da-0123456789abcdef01", "i-01234567", "i-0123456789abcdef0", "mi-01234567", "c-0123456789", "dc-0123456789",
		"s-0123456789", "t-0123456789", "e-0123456789", "sg-01234567", "subnet-0123456789abcdef0", "vpc-01234567", "vpc-012",
		"10.0.0.1", "10.0.0.256", "10.0.0.0/24", "10.0.0.0/33", "10.0.0.0/0", "010.1.1.1", "::1", "2001:db8::1", "2001:db8::/32",
		"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "::ffff:10.0.0.1", "::/0", "2001:db8::/129", "1::8/128",
		"corp.example.com", "corp.example.com.", "corp", "corp-example", ".corp", "CORP", "C.ORP", "x/y", "123456789012", "12345678901",
		"http://ocsp.example.com/x", "ldaps://a/b?c", "http://a b", "https://a.", "ftp://x/!", "desc: a, b", "desc a\tb", "desc a\vb", "_a\nb",
		"/aws/directoryservice/d-1", "S-1-5-21-1-2-3-1104", "a+b-c.d@e&f", "TLS_1_0", "Enable",
		"arn:aws:pca-connector-ad:us-east-1:123456789012:connector/01234567-89ab-cdef-0123-456789abcdef",
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-AbCdEf",
		"12345678-1234-1234-1234-123456789012", "Passw0rd", "password", "Key:1/2=3+4-5@6_7.8", "ключ ключ", "a\u00a0b", "x,y",
		"alias", "d-alias", "D-alias", "da-lias", "a--b", "a-", "jdoe", "j.doe", "a@b", `DOM\user`, "me*", "*",
	}
	alphabet := append([]rune("adDgGzZ019-_.:/\\@+=*?<>|[];,\"'#%&!~^ `{}"), odd...)
	random := rand.New(rand.NewPCG(1, 2))
	for name, pattern := range modelPatterns(t) {
		own, want := ownMatcher(t, pattern), oracle(t, pattern)
		matched := 0
		check := func(s string) {
			expected := want(s)
			if expected {
				matched++
			}
			if got := own(s); got != expected {
				t.Errorf("%s: %q matches: %v, and by the model: %v", name, s, got, expected)
			}
		}
		for _, s := range samples {
			check(s)
			for _, r := range odd {
				check(s + string(r))
				check(string(r) + s)
			}
		}
		for range 1500 {
			runes := make([]rune, random.IntN(9))
			for i := range runes {
				runes[i] = alphabet[random.IntN(len(alphabet))]
			}
			check(string(runes))
		}
		if matched == 0 {
			t.Errorf("%s: no sample matches it, so the test says nothing", name)
		}
	}
}

func TestHandWrittenPatternsAreTheModels(t *testing.T) {
	used := map[string]bool{}
	for _, pattern := range modelPatterns(t) {
		used[pattern] = true
	}
	for pattern := range byHand {
		if !used[pattern] {
			t.Errorf("no model has the pattern %s any more", pattern)
		}
	}
}

// everyPosition puts every ASCII and odd character at every position of the base and of its repetitions.
func everyPosition(bases []string, check func(string)) {
	var characters []rune
	for r := range rune(128) {
		characters = append(characters, r)
	}
	characters = append(characters, odd...)
	for _, base := range bases {
		runes := []rune(base)
		for i := range len(runes) + 1 {
			for _, r := range characters {
				check(string(runes[:i]) + string(r) + string(runes[i:]))
				if i < len(runes) {
					check(string(runes[:i]) + string(r) + string(runes[i+1:]))
				}
			}
		}
	}
}

func TestHandWrittenPatternsEverywhere(t *testing.T) {
	for shape, bases := range map[string][]string{
		"CustomerUserName":   {"", "a", "éa", "j.d", "user", "jdoe ", "漢user"},
		"Password":           {"Passw0r", "passw0rd", "Passw0rd", "PASSWORD1", "pass word", "ääääÄÄ11", strings.Repeat("aB3", 21), strings.Repeat("aB3", 21) + "x"},
		"AliasName":          {"", "a", "d", "D", "d1", "corp", "a-b-c", "da-b"},
		"TrustPassword":      {"", "a", "secret", "пароль 1"},
		"RadiusSharedSecret": {"", "shared", "a b"},
	} {
		pattern := dsShapes[shape].pattern
		if _, ok := byHand[pattern]; !ok {
			t.Fatalf("%s is not written by hand", shape)
		}
		own, want := ownMatcher(t, pattern), oracle(t, pattern)
		everyPosition(bases, func(s string) {
			if got, expected := own(s), want(s); got != expected {
				t.Errorf("%s: %q matches: %v, and by the model: %v", shape, s, got, expected)
			}
		})
	}
}

func TestAliasExhaustively(t *testing.T) {
	pattern := dsShapes["AliasName"].pattern
	own, want := ownMatcher(t, pattern), oracle(t, pattern)
	alphabet := "dDa0-_\n"
	var walk func(s string)
	walk = func(s string) {
		if got, expected := own(s), want(s); got != expected {
			t.Errorf("%q matches: %v, and by the model: %v", s, got, expected)
		}
		if len(s) == 5 {
			return
		}
		for i := range len(alphabet) {
			walk(s + alphabet[i:i+1])
		}
	}
	walk("")
}

func TestPasswordClasses(t *testing.T) {
	own, want := ownMatcher(t, dsShapes["Password"].pattern), oracle(t, dsShapes["Password"].pattern)
	parts := []string{"aa", "BB", "11", "!!", "  ", "éé", "\t\t", "\v\f"}
	for mask := range 1 << len(parts) {
		var s strings.Builder
		for i, part := range parts {
			if mask>>i&1 == 1 {
				s.WriteString(part)
			}
		}
		for _, padded := range []string{s.String(), s.String() + "aaaaaa", s.String() + "      "} {
			if got, expected := own(padded), want(padded); got != expected {
				t.Errorf("%q matches: %v, and by the model: %v", padded, got, expected)
			}
		}
	}
}
