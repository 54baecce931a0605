package wire

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"latchkey/internal/fault"
)

// ContentType is what a request of JSON 1.1 carries, and every answer to one.
const ContentType = "application/x-amz-json-1.1"

// ContentType is what the answers of the service carry.
func (s *Service) ContentType() string {
	if s.rest {
		return restContentType
	}
	return ContentType
}

// Target is the service and the operation that a request asks for: by its path in REST, by its header X-Amz-Target otherwise. UnknownOperationException is the answer
// to a method other than POST, another content type, a target that is missing, given twice or of another service, and to
// an operation that is not in the model, in exact case. (AWS answers the first two with status 404 and XML; no SDK sends
// either, and this server answers them in the same JSON as the others.)
func Target(r *http.Request) (service *Service, operation string, err error) {
	if r.Method != http.MethodPost {
		return nil, "", unknown("the method is not POST")
	}
	if Of(r) == DSData {
		operation, err = restTarget(r)
		return DSData, operation, err
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != ContentType {
		return nil, "", unknown("the content type is not " + ContentType)
	}
	targets := r.Header.Values("X-Amz-Target")
	if len(targets) != 1 {
		return nil, "", unknown("there is not one X-Amz-Target")
	}
	for _, service := range services {
		operation, ok := strings.CutPrefix(targets[0], service.prefix)
		if !ok || service.rest {
			continue
		}
		if _, ok := service.operations[operation]; !ok {
			return nil, "", unknown("X-Amz-Target names no operation")
		}
		return service, operation, nil
	}
	return nil, "", unknown("X-Amz-Target is of another service")
}

func unknown(reason string) error {
	return fault.New(fault.UnknownOperation, "").Because(errors.New(reason))
}

// Fault is an error as the service can answer it: a code that it can't answer with becomes its exception for failures of its
// own, without the text.
func (s *Service) Fault(err error) *fault.Error {
	f := fault.From(err)
	if _, ok := fault.Framework(f.Code); !ok && !fault.Modelled(s.Name, f.Code) {
		if f = fault.From(errors.New(f.Code)); s.rest {
			f.Code, f.Message = fault.InternalServer, "An internal error has occurred."
		}
	}
	return f
}

// Error is the HTTP status and body of an exception that Fault gave. In JSON 1.1 one of the model carries the request's id
// behind its text and as a member, one of the framework neither.
func (s *Service) Error(f *fault.Error, requestID string) (status int, body []byte) {
	form, ok := fault.Framework(f.Code)
	switch {
	case s.rest:
		return fault.Status(s.Name, f.Code), restBody(f)
	case ok:
		return fault.Status(s.Name, f.Code), frameworkBody(form, f.Message)
	}
	body = append(body, `{"__type":`...)
	body = appendString(body, f.Code)
	body = append(body, `,"Message":`...)
	body = appendString(body, f.Message+" : RequestId: "+requestID)
	body = append(body, `,"RequestId":`...)
	body = appendString(body, requestID)
	return fault.Status(s.Name, f.Code), append(body, '}')
}

func frameworkBody(form fault.Form, message string) []byte {
	if form.Type == "" {
		return nil
	}
	body := appendString([]byte(`{"__type":`), form.Type)
	if form.MessageKey != "" && message != "" {
		body = append(body, `,"`+form.MessageKey+`":`...)
		body = appendString(body, message)
	}
	return append(body, '}')
}
