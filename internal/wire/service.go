package wire

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Service is one API, with its model and its protocol: JSON 1.1, or REST with JSON.
type Service struct {
	// Name is the service's in package fault and in authorization actions, Signing that in a signature's scope.
	Name, Signing string

	rest bool
	// wiped says that sensitive texts are Secrets. Those of DSData are people's names, and only not shown.
	wiped      bool
	prefix     string // of X-Amz-Target
	operations map[string]*operation
	shapes     map[string]*shape
}

// The services: AWS Directory Service and its Data API, Latchkey's own for what has no counterpart on AWS, and the part of AWS
// CloudTrail that reads the audit trail.
var (
	DS       = &Service{"ds", "ds", false, true, dsTarget + ".", dsOperations, dsShapes}
	DSData   = &Service{"ds-data", "ds-data", true, false, "", dsdataOperations, dsdataShapes}
	Latchkey = &Service{"latchkey", "ds", false, true, latchkeyTarget + ".", latchkeyOperations, latchkeyShapes}

	CloudTrail = &Service{"cloudtrail", "cloudtrail", false, false, cloudtrailTarget + ".", cloudtrailOperations, cloudtrailShapes}
)

var services = []*Service{DS, DSData, Latchkey, CloudTrail}

// Of is the service that a request is for, as far as its path and X-Amz-Target tell: the APIs of JSON 1.1 share a path, and DS
// stands for those that are signed alike.
func Of(r *http.Request) *Service {
	switch path := r.URL.Path; {
	case path != "" && path != "/":
		return DSData
	case strings.HasPrefix(r.Header.Get("X-Amz-Target"), CloudTrail.prefix):
		return CloudTrail
	}
	return DS
}

// Target is the X-Amz-Target of a call of the operation.
func (s *Service) Target(operation string) string { return s.prefix + operation }

// Operation is what the model says about one operation.
type Operation struct {
	Name   string
	Input  string   // the request's shape
	Output string   // the response's shape
	Errors []string // the exceptions it declares, in the model's order
}

// Member is a member of a structure.
type Member struct {
	Name     string
	Required bool
}

// Members is the members of the structure of that name, in the model's order.
func (s *Service) Members(structure string) []Member {
	of := s.shapes[structure]
	if of == nil {
		return nil
	}
	var all []Member
	for _, m := range of.members {
		all = append(all, Member{m.name, m.required})
	}
	return all
}

// Operations is every operation of the service, by name.
func (s *Service) Operations() []Operation {
	all := make([]Operation, 0, len(s.operations))
	for _, name := range slices.Sorted(maps.Keys(s.operations)) {
		op := s.operations[name]
		all = append(all, Operation{Name: name, Input: op.input, Output: op.output, Errors: slices.Clone(op.errors)})
	}
	return all
}

// Declares says whether the model has the exception among those of the operation.
func (s *Service) Declares(operation, exception string) bool {
	op := s.operations[operation]
	return op != nil && slices.Contains(op.errors, exception)
}
