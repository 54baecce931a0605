package dsdata

import (
	"context"
	"errors"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/store"
)

// because is an exception with its reason, one of the model's ValidationExceptionReason, AccessDeniedReason or
// DirectoryUnavailableReason.
func because(reason string, exception *fault.Error) *fault.Error {
	exception.Reason = reason
	return exception
}

func invalid(reason, format string, args ...any) *fault.Error {
	return because(reason, fault.Newf(fault.Validation, format, args...))
}

func unavailable(reason, format string, args ...any) *fault.Error {
	return because(reason, fault.Newf(fault.DirectoryUnavailable, format, args...))
}

func denied(message string) *fault.Error {
	return because("DIRECTORY_AUTH", fault.New(fault.AccessDenied, message))
}

// fault is the exception for each way in which a directory does not do what it is asked; noun is what was to be found. Of the
// texts AWS documents only "User not found in directory …" (Administration Guide, "Logging Directory Service Data API calls").
func (d session) fault(noun string, err error) error {
	if errors.Is(err, directory.ErrOutcomeUnknown) || errors.Is(err, store.ErrUnknown) {
		return fault.New(fault.InternalServer, "It is not known whether the request was carried out.").Because(err).Unknown()
	}
	for _, row := range []struct {
		is        bool
		exception *fault.Error
	}{
		{errors.Is(err, store.ErrFull), unavailable("NO_DISK_SPACE", "Directory %s has no space left.", d.id)},
		{errors.Is(err, directory.ErrNoSuchPrincipal), fault.Newf(fault.ResourceNotFound, "%s not found in directory %s.", noun, d.id)},
		{errors.Is(err, directory.ErrNotMember), fault.New(fault.ResourceNotFound, "The member is not in the group.")},
		{errors.Is(err, directory.ErrExists), fault.Newf(fault.Conflict, "%s already exists in directory %s.", noun, d.id)},
		{errors.Is(err, directory.ErrChanged), fault.Newf(fault.Conflict, "%s was changed by another request at the same time.", noun)},
		{errors.Is(err, directory.ErrProtected), denied(noun + " is not in your organizational unit, or is the directory's administrator.")},
		{errors.Is(err, directory.ErrNoContainer), denied("Your organizational unit does not exist in directory " + d.id + ".")},
		{errors.Is(err, directory.ErrForbidden), denied("The account that the service uses in the directory may not do this.")},
		{errors.Is(err, directory.ErrAttribute), invalid("INVALID_ATTRIBUTE_VALUE", "The directory does not take the value of an attribute.")},
		{errors.Is(err, directory.ErrRefused), invalid("LDAP_UNSUPPORTED_OPERATION", "The directory does not allow this.")},
		{errors.Is(err, directory.ErrTooMany), invalid("LDAP_SIZE_LIMIT_EXCEEDED", "The request finds more objects than the directory can list.")},
		{errors.Is(err, directory.ErrLate) || errors.Is(err, context.DeadlineExceeded), unavailable("DIRECTORY_TIMEOUT", "Directory %s did not answer in time.", d.id)},
		{errors.Is(err, directory.ErrBusy), unavailable("DIRECTORY_RESOURCES_EXCEEDED", "Directory %s is too busy.", d.id)},
		{errors.Is(err, directory.ErrUnavailable) || errors.Is(err, store.ErrUnavailable), unavailable("INVALID_DIRECTORY_STATE", "Directory %s can't be reached.", d.id)},
	} {
		if row.is {
			return row.exception.Because(err)
		}
	}
	return err
}
