package fault

import "net/http"

// The exceptions of the framework in front of every service. No model declares them, but for AccessDenied, Validation
// and Throttling, which ds-data (and AccessDenied also ds) declares as well.
const (
	UnknownOperation           = "UnknownOperationException"
	Serialization              = "SerializationException"
	MissingAuthenticationToken = "MissingAuthenticationTokenException"
	IncompleteSignature        = "IncompleteSignatureException"
	InvalidSignature           = "InvalidSignatureException"
	UnrecognizedClient         = "UnrecognizedClientException"
	ExpiredToken               = "ExpiredTokenException"
	RequestTooLarge            = "RequestEntityTooLargeException"
	ServiceUnavailable         = "ServiceUnavailableException"
	UnsupportedMediaType       = "UnsupportedMediaTypeException"
)

// Form is how the framework writes one of its own exceptions in an awsJson body.
type Form struct {
	// Type is the value of __type; "" is an answer without a body.
	Type string
	// MessageKey is message or Message: the framework's layers do not agree. "" is a body without a text.
	MessageKey string

	ds, dsdata int
}

const coral = "com.amazon.coral.service#"

// framework holds the statuses that the JSON 1.1 front end (ds) and the REST-JSON one (ds-data) give: the first answers
// 400 to a signature it refuses, the second 403.
var framework = map[string]Form{
	UnknownOperation:           {coral + UnknownOperation, "", http.StatusBadRequest, http.StatusNotFound},
	Serialization:              {coral + Serialization, "Message", http.StatusBadRequest, http.StatusBadRequest},
	MissingAuthenticationToken: {coral + MissingAuthenticationToken, "message", http.StatusBadRequest, http.StatusForbidden},
	IncompleteSignature:        {IncompleteSignature, "message", http.StatusBadRequest, http.StatusForbidden},
	InvalidSignature:           {InvalidSignature, "message", http.StatusBadRequest, http.StatusForbidden},
	UnrecognizedClient:         {UnrecognizedClient, "message", http.StatusBadRequest, http.StatusForbidden},
	ExpiredToken:               {ExpiredToken, "message", http.StatusBadRequest, http.StatusForbidden},
	AccessDenied:               {AccessDenied, "Message", http.StatusBadRequest, http.StatusForbidden},
	Validation:                 {Validation, "message", http.StatusBadRequest, http.StatusBadRequest},
	Throttling:                 {Throttling, "message", http.StatusBadRequest, http.StatusTooManyRequests},
	RequestTooLarge:            {"", "", http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge},
	ServiceUnavailable:         {ServiceUnavailable, "message", http.StatusServiceUnavailable, http.StatusServiceUnavailable},
	UnsupportedMediaType:       {UnsupportedMediaType, "message", http.StatusUnsupportedMediaType, http.StatusUnsupportedMediaType},
}

// Framework is the form of an exception that the framework answers with; false for one that only a service throws. Where
// both may, as with AccessDenied, the framework's form is the one that is known.
func Framework(code string) (Form, bool) {
	form, ok := framework[code]
	return form, ok
}

// Modelled tells whether the service ("ds", "latchkey", "ds-data" or "cloudtrail") declares the exception in its model.
func Modelled(service, code string) bool {
	_, ok := modelled[service][code]
	return ok
}

// Status is the HTTP status of an exception on a service ("ds", "latchkey", "ds-data" or "cloudtrail"): the model's, else the framework's, and
// 500 for a code that neither knows.
func Status(service, code string) int {
	if status, ok := modelled[service][code]; ok {
		return status
	}
	form, ok := framework[code]
	switch {
	case !ok:
		return http.StatusInternalServerError
	case service == "ds-data":
		return form.dsdata
	default:
		return form.ds
	}
}
