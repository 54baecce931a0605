package dsdata

import "latchkey/internal/directory"

// scopes are the bits of groupType for each scope (MS-ADTS section 2.2.12).
var scopes = map[string]uint32{
	GroupScopeDomainLocal: directory.GroupDomainLocal, GroupScopeGlobal: directory.GroupGlobal, GroupScopeUniversal: directory.GroupUniversal,
}

func scope(group directory.Principal) *string {
	if group.Group&directory.GroupBuiltin != 0 {
		return new(GroupScopeBuiltinLocal)
	}
	for name, bit := range scopes {
		if group.Group&bit != 0 {
			return new(name)
		}
	}
	return nil
}

func groupKind(group directory.Principal) *string {
	if group.Group&directory.GroupSecurity != 0 {
		return new(GroupTypeSecurity)
	}
	return new(GroupTypeDistribution)
}

// groupBits is the groupType of a scope and a type, where they are given, of a group that has had former. A built-in group
// can't be made (MS-SAMR section 3.1.1.8.3).
func groupBits(former uint32, scope, kind *string) (uint32, error) {
	bits := former
	if scope != nil {
		bit, ok := scopes[*scope]
		if !ok {
			return 0, invalid("INVALID_ATTRIBUTE_VALUE", "A group can't be made one of the scope %s.", *scope)
		}
		bits = bits&^(directory.GroupDomainLocal|directory.GroupGlobal|directory.GroupUniversal) | bit
	}
	switch value(kind) {
	case GroupTypeSecurity:
		bits |= directory.GroupSecurity
	case GroupTypeDistribution:
		bits &^= directory.GroupSecurity
	}
	return bits, nil
}

func groupSummary(group directory.Principal) GroupSummary {
	return GroupSummary{GroupScope: scope(group), GroupType: groupKind(group), SAMAccountName: &group.Name, SID: sid(group)}
}

func groupOf(group directory.Principal, other []attribute) Group {
	return Group{
		DistinguishedName: &group.DN, GroupScope: scope(group), GroupType: groupKind(group), OtherAttributes: show(group.Entry, other),
		SAMAccountName: &group.Name, SID: sid(group),
	}
}

func memberOf(p directory.Principal) Member {
	kind := MemberTypeUSER
	switch {
	case p.IsGroup():
		kind = MemberTypeGROUP
	case p.IsComputer():
		kind = MemberTypeCOMPUTER
	}
	return Member{MemberType: &kind, SAMAccountName: &p.Name, SID: sid(p)}
}
