package wire

import (
	"mime"
	"net/http"

	"latchkey/internal/fault"
)

const restContentType = "application/json"

// ErrorTypeHeader carries the name of an exception in REST with JSON
// (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html, "Operation error serialization").
const ErrorTypeHeader = "X-Amzn-Errortype"

// REST says whether the service's operations are paths, and its exceptions named by ErrorTypeHeader.
func (s *Service) REST() bool { return s.rest }

var restPaths = func() map[string]string {
	paths := map[string]string{}
	for name, op := range dsdataOperations {
		paths[op.path] = name
	}
	return paths
}()

// restTarget is the operation of a path. A body must say that it is JSON.
func restTarget(r *http.Request) (string, error) {
	operation, ok := restPaths[r.URL.Path]
	if !ok {
		return "", unknown("the path names no operation")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); r.ContentLength != 0 && (err != nil || media != restContentType) {
		return "", fault.New(fault.UnsupportedMediaType, "The content type is not "+restContentType+".")
	}
	return operation, nil
}

// restBody is the members of an exception.
func restBody(f *fault.Error) []byte {
	body := appendString([]byte(`{"Message":`), f.Message)
	if f.Reason != "" {
		body = append(body, `,"Reason":`...)
		body = appendString(body, f.Reason)
	}
	return append(body, '}')
}
