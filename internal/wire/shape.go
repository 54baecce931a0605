// Package wire turns the bytes of the AWS JSON 1.1 protocol into Go values and back: it names a request's service and
// operation, decodes and validates its body against the service's model, and writes results and exceptions.
//
// The tables of shapes and operations are generated from the model files, see gen. Nothing here knows what an operation
// does.
package wire

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
	union     bool // a structure of which one member is there
}

type member struct {
	name, shape string
	required    bool
	query       bool // it is in the request's query, not in its body
}

const (
	required = true
	optional = false

	inQuery = true
	inBody  = false
)

type operation struct {
	input, output string
	errors        []string
	path          string // of REST
}
