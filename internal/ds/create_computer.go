package ds

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// createComputer makes a computer's account with a password, with which the computer can join the domain (API reference,
// CreateComputer).
func (s *Service) createComputer(ctx context.Context, call *operation.Call, in *CreateComputerRequest) (*CreateComputerResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	conn, domain, err := s.reach(record)
	if err != nil {
		return nil, err
	}
	attributes := map[string][]string{}
	for _, a := range in.ComputerAttributes {
		if a.Name == nil || a.Value == nil {
			return nil, fault.New(fault.InvalidParameter, "A computer attribute has a Name and a Value.")
		}
		attributes[*a.Name] = append(attributes[*a.Name], *a.Value)
	}
	made, err := directory.CreateComputer(ctx, conn, domain, directory.NewComputer{
		Name: *in.ComputerName, Container: value(in.OrganizationalUnitDistinguishedName), Password: in.Password.Bytes(), Attributes: attributes,
	})
	if err != nil {
		return nil, computerFault(*in.ComputerName, err)
	}
	sid := made.SID.String()
	return &CreateComputerResult{Computer: &Computer{ComputerId: &sid, ComputerName: &made.Name, ComputerAttributes: in.ComputerAttributes}}, nil
}

// computerFault is the exception for each reason why a computer was not made.
func computerFault(name string, err error) error {
	if errors.Is(err, directory.ErrOutcomeUnknown) {
		return fault.New(fault.Service, "It is not known whether the computer was made.").Because(err).Unknown()
	}
	return tell(err, []cause{
		{directory.ErrExists, fault.EntityAlreadyExists, "A computer or another account of the name " + name + " exists already."},
		{directory.ErrPassword, fault.InvalidParameter, "The password does not meet the password complexity requirements defined in your directory."},
		{directory.ErrNoContainer, fault.InvalidParameter, "The organizational unit does not exist, or computers can't be made in it."},
		{directory.ErrAttribute, fault.InvalidParameter, "The name, an attribute of the computer, or a value of it is not valid."},
		{directory.ErrUnavailable, fault.DirectoryUnavailable, "The specified directory is unavailable."},
		{directory.ErrForbidden, fault.AuthenticationFailed, "The account that the service uses in the directory may not make computers there."},
	})
}
