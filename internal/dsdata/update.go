package dsdata

import (
	"context"
	"strings"

	"latchkey/internal/directory"
)

// update gives attributes of a principal, which was found with them, their new values, as the type of the update has it: ADD
// only where there was none, REMOVE whatever there was (API reference, UpdateType). Without a type it is REPLACE.
func (d session) update(ctx context.Context, class directory.Class, found directory.Principal, kind *string, values map[string][]string) error {
	for attribute, given := range values {
		switch value(kind) {
		case UpdateTypeADD:
			if len(given) == 0 {
				return invalid("INVALID_ATTRIBUTE_VALUE", "There is no value for %s.", attribute)
			}
			if len(found.Entry.GetEqualFoldAttributeValues(attribute)) > 0 {
				return invalid("ATTRIBUTE_EXISTS", "The attribute %s has a value already.", attribute)
			}
		case UpdateTypeREMOVE:
			values[attribute] = nil
		}
	}
	if err := directory.Update(ctx, d.conn, found, values); err != nil {
		return d.fault(noun(class), err)
	}
	return nil
}

func errMissing() error {
	return invalid("MISSING_ATTRIBUTE", "There is no attribute to update.")
}

// accountName refuses names that the model allows and AD does not: with spaces around them, control characters, or a dot at
// the end (MS-SAMR section 3.1.1.6).
func accountName(name string) error {
	if strings.TrimSpace(name) != name || strings.HasSuffix(name, ".") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid("INVALID_ATTRIBUTE_VALUE", "The name can't be that of an account.")
	}
	return nil
}
