package wire

import "testing"

func TestNoRequestHoldsADictionary(t *testing.T) {
	var walk func(name string)
	walk = func(name string) {
		s, ok := dsShapes[name]
		if !ok {
			t.Fatalf("there is no shape %s", name)
		}
		if s.kind == dictionary {
			t.Errorf("%s is a dictionary, which Decode does not read", name)
		}
		for _, m := range s.members {
			walk(m.shape)
		}
		if s.item != "" {
			walk(s.item)
		}
	}
	for _, op := range dsOperations {
		walk(op.input)
	}
}

func TestPath(t *testing.T) {
	at := &path{above: &path{above: &path{name: "tags"}, item: 2}, name: "key"}
	if got := at.String(); got != "tags.2.member.key" {
		t.Errorf("the path is %q", got)
	}
}
