package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"latchkey/internal/chaos"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
	"latchkey/internal/sts"
	"latchkey/internal/wire"
)

// addFault has calls answered with a fault from now on.
func (s *Service) addFault(_ context.Context, _ *operation.Call, in *AddFaultRequest) (*AddFaultResult, error) {
	if err := s.developing(); err != nil {
		return nil, err
	}
	code := value(in.Code)
	if !value(in.Drop) && code == "" && in.DelayMilliseconds == nil {
		return nil, fault.New(fault.InvalidParameter, "A fault has a Code, a DelayMilliseconds or a Drop.")
	}
	operations, codes := sts.Actions(), []string(nil)
	for _, service := range []*wire.Service{wire.DS, wire.DSData} {
		for _, op := range service.Operations() {
			operations = append(operations, op.Name)
			codes = append(codes, op.Errors...)
		}
	}
	codes = append(codes, fault.Throttling, fault.AccessDenied, fault.Validation, fault.ServiceUnavailable, fault.ExpiredToken, fault.UnrecognizedClient, fault.InvalidSignature)
	if err := known("operation", value(in.Operation), operations); err != nil {
		return nil, err
	}
	if err := known("exception", code, codes); err != nil {
		return nil, err
	}
	id := s.Faults.Add(chaos.Fault{
		Operation: value(in.Operation), Directory: value(in.DirectoryId), User: value(in.UserName), Code: code,
		Message: cmp.Or(value(in.Message), "Injected by latchkey dev fault."), Delay: time.Duration(value(in.DelayMilliseconds)) * time.Millisecond,
		Drop: value(in.Drop), Times: int(value(in.Times)),
	})
	if id == "" {
		return nil, fault.Newf(fault.Client, "There are %d faults already.", chaos.Max)
	}
	return &AddFaultResult{FaultId: &id}, nil
}

// known refuses a name that nothing has, and suggests one that is like it.
func known(what, name string, names []string) error {
	if name == "" || slices.Contains(names, name) {
		return nil
	}
	hint := ""
	for _, other := range names {
		if strings.Contains(strings.ToLower(other), strings.ToLower(name)) {
			hint = " Did you mean " + other + "?"
			break
		}
	}
	return fault.Newf(fault.InvalidParameter, "There is no %s %s.%s", what, name, hint)
}

// developing refuses what only a developer's server does.
func (s *Service) developing() error {
	if s.Faults == nil {
		return fault.New(fault.UnsupportedOperation, "The server was not started with --dev.")
	}
	return nil
}
