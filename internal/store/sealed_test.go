package store

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// byteFields is the paths of all fields below a type that hold bytes.
func byteFields(of reflect.Type, path string) (all []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Map:
		return byteFields(of.Elem(), path)
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return []string{path}
		}
		return byteFields(of.Elem(), path)
	case reflect.Struct:
		for field := range of.Fields() {
			if field.IsExported() {
				all = append(all, byteFields(field.Type, strings.TrimPrefix(path+"."+field.Name, "."))...)
			}
		}
	}
	return all
}

// TestEachSecret: a record has no bytes but those that are sealed and known to Reseal. JSON is no secret.
func TestEachSecret(t *testing.T) {
	want := []string{"Password", "Connect.Password", "Radius.Secret", "Trusts.Password"}
	got := slices.DeleteFunc(byteFields(reflect.TypeFor[Directory](), ""), func(path string) bool { return path == "Remote" })
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("a directory's record has the bytes %v, and Reseal is known to see %v", got, want)
	}
	full := &Directory{Password: []byte{1}, Radius: &Radius{Secret: []byte{1}}, Connect: &Connect{Password: []byte{1}}, Trusts: []Trust{{Password: []byte{1}}}, Remote: json.RawMessage("{}")}
	seen := 0
	full.eachSecret(func(sealed *[]byte, _ string) { seen += len(*sealed) })
	if seen != len(want) {
		t.Errorf("%d of %d were seen", seen, len(want))
	}
	if got := byteFields(reflect.TypeFor[AccessKey](), ""); !slices.Equal(got, []string{"Secret"}) {
		t.Errorf("an access key has the bytes %v", got)
	}
}
