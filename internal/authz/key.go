package authz

import "strings"

// key is a condition key: something that is known of a request.
type key struct {
	name  string
	kind  kind
	multi bool // it may have several values
}

// kind is what a key's values are, and so which operators can compare them.
type kind string

const (
	kindString  kind = "string"
	kindNumber  kind = "number"
	kindDate    kind = "date"
	kindBool    kind = "truth value"
	kindAddress kind = "address"
	kindARN     kind = "ARN"
)

// keys is every condition key (AWS, "AWS global condition context keys"; service authorization reference, "Actions, resources,
// and condition keys for AWS Directory Service" and "… Directory Service Data"), and Latchkey's own (package operation).
var keys = index(
	key{"aws:CurrentTime", kindDate, false},
	key{"aws:EpochTime", kindDate, false},
	key{"aws:PrincipalAccount", kindString, false},
	key{"aws:PrincipalArn", kindARN, false},
	key{"aws:PrincipalType", kindString, false},
	key{"aws:RequestedRegion", kindString, false},
	key{"aws:SecureTransport", kindBool, false},
	key{"aws:SourceIp", kindAddress, false},
	key{"aws:TagKeys", kindString, true},
	key{"aws:TokenIssueTime", kindDate, false},
	key{"aws:UserAgent", kindString, false},
	key{"aws:userid", kindString, false},
	key{"aws:username", kindString, false},
	key{"ds-data:Identifier", kindString, false},
	key{"ds-data:MemberName", kindString, false},
	key{"ds-data:MemberRealm", kindString, false},
	key{"ds-data:Realm", kindString, false},
	key{"ds-data:SAMAccountName", kindString, false},
	key{"latchkey:UserName", kindString, false},
	key{"latchkey:UserOU", kindString, true},
	key{"latchkey:UserGroups", kindString, true},
)

// tagged are the beginnings of keys that go on with the key of a tag.
var tagged = []string{"aws:PrincipalTag/", "aws:RequestTag/", "aws:ResourceTag/"}

func index(all ...key) map[string]key {
	byName := make(map[string]key, len(all))
	for _, k := range all {
		byName[strings.ToLower(k.name)] = k
	}
	return byName
}

// findKey is the key of that name, in whatever case.
func findKey(name string) (key, bool) {
	lower := strings.ToLower(name)
	if k, ok := keys[lower]; ok {
		return k, true
	}
	for _, beginning := range tagged {
		if tag, ok := strings.CutPrefix(lower, strings.ToLower(beginning)); ok && tag != "" {
			return key{beginning + name[len(beginning):], kindString, false}, true
		}
	}
	return key{}, false
}

// IsKey says whether there is a condition key of that name.
func IsKey(name string) bool {
	_, ok := findKey(name)
	return ok
}
