package wire

import "testing"

func TestPath(t *testing.T) {
	at := &path{above: &path{above: &path{name: "tags"}, item: 2}, name: "key"}
	if got := at.String(); got != "tags.2.member.key" {
		t.Errorf("the path is %q", got)
	}
}
