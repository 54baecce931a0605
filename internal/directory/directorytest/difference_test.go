package directorytest

import (
	"slices"
	"strings"
	"testing"

	"latchkey/internal/directory"
)

func TestTables(t *testing.T) {
	for _, problem := range problems(Topics(), differences()) {
		t.Error(problem)
	}
	for _, kind := range []directory.Kind{directory.SimpleAD, directory.MicrosoftAD} {
		count := 0
		for _, topic := range Topics() {
			for _, s := range topic.Scenarios {
				if s.Kind == "" || s.Kind == kind {
					count++
				}
			}
		}
		if count < 120 {
			t.Errorf("%s: %d scenarios are fewer than 120", kind, count)
		}
	}
}

// A table that does not fit the suite fails every run of it.
func TestProblems(t *testing.T) {
	topics := []Topic{{Name: "topic", Scenarios: []Scenario{{Rule: "rule"}, {Rule: "other"}}}}
	good := Difference{Scenario: "topic/rule", Engines: onSamba, Reason: "because", Finding: "x"}
	with := func(change func(*Difference)) Difference {
		d := good
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		topics []Topic
		table  []Difference
		want   string
	}{
		"good":              {topics, []Difference{good, with(func(d *Difference) { d.Engines = []string{Embedded} })}, ""},
		"unknown scenario":  {topics, []Difference{with(func(d *Difference) { d.Scenario = "topic/gone" })}, "does not exist"},
		"no reason":         {topics, []Difference{with(func(d *Difference) { d.Reason = "" })}, "no reason"},
		"no engine":         {topics, []Difference{with(func(d *Difference) { d.Engines = nil })}, "no engine"},
		"unknown engine":    {topics, []Difference{with(func(d *Difference) { d.Engines = []string{"openldap"} })}, "no engine"},
		"twice":             {topics, []Difference{good, good}, "two differences"},
		"of the two kinds":  {topics, []Difference{with(func(d *Difference) { d.Kind = directory.SimpleAD }), with(func(d *Difference) { d.Kind = directory.MicrosoftAD })}, ""},
		"of one kind twice": {topics, []Difference{good, with(func(d *Difference) { d.Kind = directory.SimpleAD })}, "two differences"},
		"two of one name":   {[]Topic{{Name: "topic", Scenarios: []Scenario{{Rule: "rule"}, {Rule: "rule"}}}}, nil, "two scenarios"},
	} {
		found := problems(c.topics, c.table)
		if c.want == "" && len(found) > 0 || c.want != "" && (len(found) != 1 || !strings.Contains(found[0], c.want)) {
			t.Errorf("%s: %q, want %q", name, found, c.want)
		}
	}
}

// An entry neither outlives its difference nor hides another one.
func TestUnexplained(t *testing.T) {
	d := Difference{Finding: "result 80"}
	for name, c := range map[string]struct {
		findings []string
		want     []string
	}{
		"as known":       {[]string{"a.go:1: result 80, want 32"}, nil},
		"no longer":      {nil, []string{"no longer differs"}},
		"otherwise":      {[]string{"a.go:1: result 1"}, []string{"otherwise"}},
		"also otherwise": {[]string{"a.go:1: result 80", "a.go:2: result 1"}, []string{"a.go:2"}},
	} {
		got := d.unexplained(c.findings)
		if !slices.EqualFunc(got, c.want, strings.Contains) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What a scenario finds is kept with its line, and Fatalf ends it.
func TestFindings(t *testing.T) {
	s := Scenario{run: func(c *check) {
		c.equal("a", "b", "c")
		c.Fatalf("%s", "enough")
		c.Errorf("never")
	}}
	found := s.findings(t, Fixture{})
	want := []string{`difference_test.go:`, "enough"}
	if !slices.EqualFunc(found, want, strings.Contains) {
		t.Errorf("%q", found)
	}
}
