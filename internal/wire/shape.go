// Package wire turns the bytes of the AWS JSON 1.1 protocol into Go values and back: it names a request's operation,
// decodes and validates its body against the API's model, and writes results and exceptions.
//
// The tables of shapes and operations are generated from the model files, see gen. Nothing here knows what an operation
// does.
package wire

import (
	"maps"
	"slices"
)

//go:generate go run ./gen

type kind int

const (
	text kind = iota
	boolean
	integer
	long
	timestamp
	structure
	list
	dictionary
)

// shape is one shape of the model. min and max bound a text's length in code points, a list's or dictionary's in items,
// and a number's value.
type shape struct {
	kind      kind
	members   []member
	item, key string // of a list or dictionary
	min, max  *int
	pattern   string
	enum      []string
	sensitive bool
}

type member struct {
	name, shape string
	required    bool
}

const (
	required = true
	optional = false
)

type operation struct {
	input, output string
	errors        []string
}

// Operation is what the model says about one operation of ds.
type Operation struct {
	Name   string
	Input  string   // the request's shape
	Output string   // the response's shape
	Errors []string // the exceptions it declares, in the model's order
}

// Operations is every operation of ds, by name.
func Operations() []Operation {
	all := make([]Operation, 0, len(dsOperations))
	for _, name := range slices.Sorted(maps.Keys(dsOperations)) {
		op := dsOperations[name]
		all = append(all, Operation{Name: name, Input: op.input, Output: op.output, Errors: slices.Clone(op.errors)})
	}
	return all
}
