package wire

import "reflect"

// What the audit trail writes for a member that it does not show, as CloudTrail does.
const (
	hiddenMember = "HIDDEN_DUE_TO_SECURITY_REASONS"
	hiddenToken  = "REDACTED"
)

// Redact is a request as the audit trail shows it, ready for encoding/json: names with their first letter in lower case,
// absent members left out, sensitive ones and the paging token hidden. It is nil for an operation or a value that does
// not fit the model.
func (s *Service) Redact(op string, in any) map[string]any {
	p, v, err := s.planFor(op, false, in)
	if err != nil {
		return nil
	}
	return p.redactMembers(v)
}

// RedactResult is Redact for an operation's result; nil, CloudTrail's null, for one without members.
func (s *Service) RedactResult(op string, out any) map[string]any {
	p, v, err := s.planFor(op, true, out)
	if err != nil || len(p.fields) == 0 {
		return nil
	}
	return p.redactMembers(v)
}

func (p *plan) redactMembers(v reflect.Value) map[string]any {
	shown := make(map[string]any, len(p.fields))
	for i := range p.fields {
		f := &p.fields[i]
		inner, ok := f.value(v)
		switch {
		case !ok:
		case f.name == "NextToken":
			shown[f.path] = hiddenToken
		default:
			shown[f.path] = f.redact(inner)
		}
	}
	return shown
}

func (p *plan) redact(v reflect.Value) any {
	switch {
	case p.sensitive:
		return hiddenMember
	case p.kind == structure:
		return p.redactMembers(v)
	case p.kind == list:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = p.item.redact(v.Index(i))
		}
		return items
	case p.kind == dictionary:
		items := make(map[string]any, v.Len())
		for _, key := range sortedKeys(v) {
			items[key.String()] = p.item.redact(v.MapIndex(key))
		}
		return items
	}
	return v.Interface()
}
