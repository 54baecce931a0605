package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// model is a service's API in the form that botocore publishes, without its prose.
type model struct {
	Metadata struct {
		TargetPrefix string `json:"targetPrefix"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

type operation struct {
	Name   string `json:"name"`
	Input  ref    `json:"input"`
	Output ref    `json:"output"`
	Errors []ref  `json:"errors"`
	HTTP   struct {
		Path string `json:"requestUri"`
	} `json:"http"`
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type      string   `json:"type"`
	Members   members  `json:"members"`
	Required  []string `json:"required"`
	Member    ref      `json:"member"`
	Key       ref      `json:"key"`
	Value     ref      `json:"value"`
	Min       *int     `json:"min"`
	Max       *int     `json:"max"`
	Pattern   string   `json:"pattern"`
	Enum      []string `json:"enum"`
	Sensitive bool     `json:"sensitive"`
	Union     bool     `json:"union"`
	Exception bool     `json:"exception"`
	Fault     bool     `json:"fault"`
	Error     struct {
		Status int `json:"httpStatusCode"`
	} `json:"error"`
}

type member struct {
	Name  string
	Shape string
	Query bool // it is in the request's query
}

// members keeps the order of the model file, which is the order of everything that is made from it.
type members []member

func (m *members) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var target struct {
			ref
			Location string `json:"location"`
		}
		if err := decoder.Decode(&target); err != nil {
			return err
		}
		*m = append(*m, member{Name: name.(string), Shape: target.Shape, Query: target.Location == "querystring"})
	}
	return nil
}

func load(path string) (*model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(model)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func (m *model) operations() []operation {
	list := make([]operation, 0, len(m.Operations))
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		list = append(list, m.Operations[name])
	}
	return list
}

// reachable is every shape that a request or a response holds, sorted. A shape that holds itself is refused: neither the
// tables nor what walks them are made for one.
func (m *model) reachable() ([]string, error) {
	seen := map[string]bool{}
	var visit func(name string, above []string) error
	visit = func(name string, above []string) error {
		if slices.Contains(above, name) {
			return fmt.Errorf("shape %s holds itself", name)
		}
		if seen[name] {
			return nil
		}
		s, ok := m.Shapes[name]
		if !ok {
			return fmt.Errorf("shape %s is not in the model", name)
		}
		above = append(above, name)
		for _, inner := range s.Members {
			if err := visit(inner.Shape, above); err != nil {
				return err
			}
		}
		for _, inner := range []ref{s.Member, s.Key, s.Value} {
			if inner.Shape == "" {
				continue
			}
			if err := visit(inner.Shape, above); err != nil {
				return err
			}
		}
		seen[name] = true
		return nil
	}
	for _, op := range m.operations() {
		for _, name := range []string{op.Input.Shape, op.Output.Shape} {
			if err := visit(name, nil); err != nil {
				return nil, fmt.Errorf("%s: %w", op.Name, err)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// exceptions is every exception of the model, sorted, with its HTTP status: the error trait's, or for a model without
// error traits 500 for the service's fault and 400 for the caller's.
func (m *model) exceptions() ([]string, map[string]int) {
	status := map[string]int{}
	for name, s := range m.Shapes {
		switch {
		case !s.Exception:
		case s.Error.Status != 0:
			status[name] = s.Error.Status
		case s.Fault:
			status[name] = 500
		default:
			status[name] = 400
		}
	}
	return slices.Sorted(maps.Keys(status)), status
}
