package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/jcmturner/gokrb5/v8/crypto"

	"latchkey/internal/directory"
	"latchkey/internal/store"
)

// RFC 3962, held against gokrb5's own string-to-key.
func TestKeysAreRFC3962(t *testing.T) {
	for _, password := range []string{"", "password", "Summer-Rain-2026", "ä€漢😀", strings.Repeat("x", 200)} {
		for _, salt := range []string{"", "ATHENA.MIT.EDUraeburn", "CORP.EXAMPLE.COMjane"} {
			got, err := deriveKeys([]byte(password), salt)
			if err != nil {
				t.Fatal(err)
			}
			var aes256 crypto.Aes256CtsHmacSha96
			var aes128 crypto.Aes128CtsHmacSha96
			long, err := aes256.StringToKey(password, salt, aes256.GetDefaultStringToKeyParams())
			if err != nil {
				t.Fatal(err)
			}
			short, err := aes128.StringToKey(password, salt, aes128.GetDefaultStringToKeyParams())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.AES256, long) || !bytes.Equal(got.AES128, short) {
				t.Errorf("%q with %q: other keys than gokrb5's", password, salt)
			}
		}
	}
}

func TestSealedSecrets(t *testing.T) {
	keyring, err := NewKeyring(bytes.Repeat([]byte{1}, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKeyring(bytes.Repeat([]byte{2}, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	k, err := deriveKeys([]byte("x"), "salt")
	if err != nil {
		t.Fatal(err)
	}
	guid := store.GUID{7}
	sealed, err := keyring.sealSecret(&secret{Keys: k, Version: 3}, "d-1", guid)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, k.AES256) || bytes.Contains(sealed, k.AES128) {
		t.Error("the sealed secret shows a key")
	}
	if s, err := keyring.openSecret(sealed, "d-1", guid); err != nil || !s.Keys.same(k) || s.Version != 3 {
		t.Errorf("%v", err)
	}
	for name, open := range map[string]func() (*secret, error){
		"another master key": func() (*secret, error) { return other.openSecret(sealed, "d-1", guid) },
		"another directory":  func() (*secret, error) { return keyring.openSecret(sealed, "d-2", guid) },
		"another entry":      func() (*secret, error) { return keyring.openSecret(sealed, "d-1", store.GUID{8}) },
		"cut off":            func() (*secret, error) { return keyring.openSecret(sealed[:5], "d-1", guid) },
		"another format":     func() (*secret, error) { return keyring.openSecret(append([]byte{9}, sealed[1:]...), "d-1", guid) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s opens it", name)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x10
		if _, err := keyring.openSecret(changed, "d-1", guid); err == nil {
			t.Errorf("byte %d altered, and it opens", i)
		}
	}
}

// person is an enabled user with a password, and a session of his own.
func person(t *testing.T, engine *Engine, domain directory.Domain, name, password string) (dn string, own *Session) {
	t.Helper()
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	dn = "CN=" + name + "," + domain.UsersDN()
	if err := directory.Ensure(t.Context(), conn, dn, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {name}}); err != nil {
		t.Fatal(err)
	}
	if _, err := directory.ResetPassword(t.Context(), conn, domain, name, []byte(password), directory.ResetOptions{Unlock: true}); err != nil {
		t.Fatal(err)
	}
	own, err = engine.Bind(t.Context(), true, name, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return dn, own
}

func changeOwn(own *Session, dn, from, to string) error {
	request := ldap.NewModifyRequest(dn, nil)
	request.Delete("unicodePwd", []string{string(directory.EncodePassword([]byte(from)))})
	request.Add("unicodePwd", []string{string(directory.EncodePassword([]byte(to)))})
	return own.Modify(context.Background(), request)
}

// A user's own change needs the old password, keeps the minimum age, and does not go back to an older one.
func TestOwnPasswordChange(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	clock := time.Now()
	engine.now = func() time.Time { return clock }
	dn, own := person(t, engine, domain, "jane", "F1rst-one-ever")
	for _, c := range []struct {
		after    time.Duration
		from, to string
		want     string
	}{
		{0, "wrong-0ld-one", "Sec0nd-one-now", "00000056"},
		{0, "F1rst-one-ever", "Sec0nd-one-now", "minPwdAge"},
		{25 * time.Hour, "F1rst-one-ever", "short", "0000052D"},
		{0, "F1rst-one-ever", "F1rst-one-ever", "pwdHistoryLength"},
		{0, "F1rst-one-ever", "Sec0nd-one-now", ""},
		{25 * time.Hour, "Sec0nd-one-now", "F1rst-one-ever", "pwdHistoryLength"},
		{0, "Sec0nd-one-now", "Th1rd-one-then", ""},
		{25 * time.Hour, "Th1rd-one-then", "Sec0nd-one-now", "pwdHistoryLength"},
	} {
		clock = clock.Add(c.after)
		err := changeOwn(own, dn, c.from, c.to)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("from %s to %s: %v, want %q", c.from, c.to, err, c.want)
		}
	}
	if _, err := engine.Bind(t.Context(), true, "jane", []byte("Th1rd-one-then")); err != nil {
		t.Error(err)
	}
}

// unicodePwd is written over a protected connection only, is not for others, and nobody reads it.
func TestPasswordAttribute(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	dn, own := person(t, engine, domain, "jane", "F1rst-one-ever")
	_, other := person(t, engine, domain, "joe", "F1rst-one-ever")
	replace := ldap.NewModifyRequest(dn, nil)
	replace.Replace("unicodePwd", []string{string(directory.EncodePassword([]byte("Sec0nd-one-now")))})
	insecure, err := engine.Bind(t.Context(), false, "Administrator", []byte("Pa55-of-the-boss"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		session *Session
		want    uint16
	}{
		"in clear": {insecure, ldap.LDAPResultUnwillingToPerform}, "by the user": {own, ldap.LDAPResultInsufficientAccessRights},
		"by another": {other, ldap.LDAPResultInsufficientAccessRights}, "by nobody": {engine.Anonymous(false), ldap.LDAPResultUnwillingToPerform},
	} {
		if err := c.session.Modify(t.Context(), replace); !ldap.IsErrorWithCode(err, c.want) {
			t.Errorf("%s: %v, want %d", name, err, c.want)
		}
	}
	for _, attributes := range [][]string{nil, {"*"}, {"unicodePwd"}, {"UNICODEPWD", "+"}} {
		result, err := own.Search(t.Context(), ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", attributes, nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Entries[0].GetEqualFoldRawAttributeValues("unicodePwd")) > 0 {
			t.Errorf("%v shows unicodePwd", attributes)
		}
	}
	for _, filter := range []string{"(unicodePwd=*)", "(unicodePwd=x)", "(!(unicodePwd=x))"} {
		result, err := own.Search(t.Context(), ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, 0, 0, 0, false, filter, nil, nil))
		if err != nil || len(result.Entries) != 0 {
			t.Errorf("%s: %d entries, %v", filter, len(result.Entries), err)
		}
	}
}

// Lockout by threshold, window and duration, and the reasons that only who knows the password is told.
func TestLockoutAndExpiry(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	clock := time.Now()
	engine.now = func() time.Time { return clock }
	const password = "F1rst-one-ever"
	dn, _ := person(t, engine, domain, "jane", password)
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	set := func(dn, attribute, value string) {
		t.Helper()
		request := ldap.NewModifyRequest(dn, nil)
		request.Replace(attribute, []string{value})
		if err := conn.Modify(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	login := func(password, want string) {
		t.Helper()
		_, err := engine.Bind(t.Context(), true, "jane", []byte(password))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "data "+want+",")) {
			t.Errorf("%s: %v, want %q", password, err, want)
		}
	}
	for range 5 { // without a threshold nobody is locked out
		login("wrong", "52e")
	}
	set(domain.BaseDN(), "lockoutThreshold", "3")
	login("wrong", "52e")
	login("wrong", "52e")
	login(password, "") // a success ends the count
	login("wrong", "52e")
	login("wrong", "52e")
	clock = clock.Add(31 * time.Minute) // and so does the window
	login("wrong", "52e")
	login("wrong", "52e")
	login("wrong", "52e")
	login("wrong", "775")
	login(password, "775")
	clock = clock.Add(29 * time.Minute)
	login(password, "775")
	clock = clock.Add(2 * time.Minute)
	login(password, "")
	for range 3 {
		login("wrong", "52e")
	}
	if _, err := directory.ResetPassword(t.Context(), conn, domain, "jane", []byte(password), directory.ResetOptions{}); err != nil {
		t.Fatal(err)
	}
	login(password, "775")
	if _, err := directory.ResetPassword(t.Context(), conn, domain, "jane", []byte(password), directory.ResetOptions{Unlock: true}); err != nil {
		t.Fatal(err)
	}
	login(password, "")
	set(dn, "accountExpires", directory.FileTime(clock.Add(-time.Minute)))
	login(password, "701")
	login("wrong", "52e")
	set(dn, "accountExpires", "0")
	clock = clock.Add(43 * 24 * time.Hour)
	login(password, "532")
	set(dn, "userAccountControl", "66048")
	login(password, "")
}

// When the gate is full, logins and resets are let in by turns; who gives up leaves no slot behind.
func TestGate(t *testing.T) {
	g := newGate(1, 3)
	if err := g.enter(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	var order []string
	arrived := make(chan string)
	wait := func(u urgency, name string) {
		before := len(g.waiting[u])
		go func() {
			if err := g.enter(context.Background(), u); err != nil {
				name = err.Error()
			}
			arrived <- name
		}()
		for {
			g.mu.Lock()
			n := len(g.waiting[u])
			g.mu.Unlock()
			if n > before {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	for i := range 3 {
		wait(login, fmt.Sprint("login", i))
	}
	if err := g.enter(t.Context(), login); !errors.Is(err, errBusy) {
		t.Errorf("beyond the limit: %v", err)
	}
	wait(reset, "reset0")
	wait(reset, "reset1")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.enter(gone, reset); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	for range 5 {
		g.leave()
		order = append(order, <-arrived)
	}
	if want := []string{"reset0", "login0", "reset1", "login1", "login2"}; !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
	g.leave()
	if g.free != 1 {
		t.Errorf("%d slots are free, want 1", g.free)
	}
}

// A store that is gone is never a success.
func TestStoreGone(t *testing.T) {
	engine, domain := testDomain(t, directory.SimpleAD)
	person(t, engine, domain, "jane", "F1rst-one-ever")
	conn, err := engine.Conn(domain.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.store.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = directory.ResetPassword(ctx, conn, domain, "jane", []byte("Sec0nd-one-now"), directory.ResetOptions{})
	if !errors.Is(err, directory.ErrOutcomeUnknown) && !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("a reset without a store: %v", err)
	}
	if _, err := engine.Bind(t.Context(), true, "jane", []byte("Sec0nd-one-now")); err == nil {
		t.Error("the new password works")
	}
}
