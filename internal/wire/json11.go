package wire

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"latchkey/internal/fault"
)

// ContentType is what a request of JSON 1.1 carries, and every answer.
const ContentType = "application/x-amz-json-1.1"

const (
	service      = "ds"
	targetPrefix = "DirectoryService_20150416."
)

// Target is the operation that a request asks for, by its header X-Amz-Target. UnknownOperationException is the answer
// to a method other than POST, another content type, a target that is missing, given twice or of another service, and to
// an operation that is not in the model, in exact case. (AWS answers the first two with status 404 and XML; no SDK sends
// either, and this server answers them in the same JSON as the others.)
func Target(r *http.Request) (operation string, err error) {
	if r.Method != http.MethodPost {
		return "", unknown("the method is not POST")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != ContentType {
		return "", unknown("the content type is not " + ContentType)
	}
	targets := r.Header.Values("X-Amz-Target")
	if len(targets) != 1 {
		return "", unknown("there is not one X-Amz-Target")
	}
	operation, ok := strings.CutPrefix(targets[0], targetPrefix)
	if !ok {
		return "", unknown("X-Amz-Target is of another service")
	}
	if _, ok := dsOperations[operation]; !ok {
		return "", unknown("X-Amz-Target names no operation")
	}
	return operation, nil
}

func unknown(reason string) error {
	return fault.New(fault.UnknownOperation, "").Because(errors.New(reason))
}

// Error is an exception's HTTP status and body. One of the model carries the request's id behind its text and as a
// member, one of the framework neither. A code that ds cannot answer with becomes ServiceException, without its text.
func Error(f *fault.Error, requestID string) (status int, body []byte) {
	if form, ok := fault.Framework(f.Code); ok {
		return fault.Status(service, f.Code), frameworkBody(form, f.Message)
	}
	if !fault.Modelled(service, f.Code) {
		f = fault.From(errors.New(f.Code))
	}
	body = append(body, `{"__type":`...)
	body = appendString(body, f.Code)
	body = append(body, `,"Message":`...)
	body = appendString(body, f.Message+" : RequestId: "+requestID)
	body = append(body, `,"RequestId":`...)
	body = appendString(body, requestID)
	return fault.Status(service, f.Code), append(body, '}')
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
