package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"latchkey/internal/authz"
	"latchkey/internal/operation"
)

// asked is what of a call decides whether it is allowed, but for the action and the resource.
func (g *Gateway) asked(ctx context.Context, x *exchange, r *http.Request) (*authz.Request, error) {
	asked := &authz.Request{Principal: x.proof.Principal, Time: x.event.EventTime}
	if asked.Principal.Type == "Root" {
		return asked, nil
	}
	var err error
	if asked.Grant, err = g.Grants(asked.Principal); err != nil {
		return nil, err
	}
	members := x.service.Redact(x.name, x.request)
	var about map[string][]string
	asked.Values = func(key string) ([]string, error) {
		switch service, name, _ := strings.Cut(key, ":"); service {
		case "ds-data":
			return memberValue(members, name), nil
		case "latchkey":
			if about == nil && x.spec.About != nil {
				if about, err = x.spec.About(ctx, g.operationCall(x), x.request); err != nil {
					return nil, err
				}
			}
			for name, values := range about {
				if strings.EqualFold(name, key) {
					return values, nil
				}
			}
			return nil, nil
		}
		return g.requestValue(x, r, members, key), nil
	}
	return asked, nil
}

// memberValue is a condition key of Directory Service Data: a member of the request, or how the request names its user or group
// (service authorization reference, "Actions, resources, and condition keys for AWS Directory Service Data").
func memberValue(members map[string]any, key string) []string {
	for name, value := range members {
		switch text, ok := value.(string); {
		case !ok:
		case key == "identifier" && name == "sAMAccountName":
			return []string{"SAMAccountName"}
		case strings.EqualFold(name, key):
			return []string{text}
		}
	}
	return nil
}

// requestValue is one of AWS's global condition keys.
func (g *Gateway) requestValue(x *exchange, r *http.Request, members map[string]any, key string) []string {
	switch key {
	case "aws:requestedregion":
		return []string{x.proof.Region}
	case "aws:securetransport":
		return []string{strconv.FormatBool(r.TLS != nil)}
	case "aws:sourceip":
		return []string{x.event.SourceIPAddress}
	case "aws:useragent":
		return []string{r.UserAgent()}
	case "aws:tagkeys":
		return tagKeys(members)
	}
	if tag, ok := strings.CutPrefix(key, "aws:requesttag/"); ok {
		return requestTag(members, tag)
	}
	if tag, ok := strings.CutPrefix(key, "aws:resourcetag/"); ok {
		if id := x.spec.Directory(x.request); id != "" {
			return fold(g.Tags(x.proof.Principal.Account, id), tag)
		}
	}
	return nil
}

func fold(tags map[string]string, name string) []string {
	for key, value := range tags {
		if strings.EqualFold(key, name) {
			return []string{value}
		}
	}
	return nil
}

// tagKeys is the keys of the tags that a request has in Tags or TagKeys.
func tagKeys(members map[string]any) []string {
	var keys []string
	eachTag(members, func(key, _ string) { keys = append(keys, key) })
	list, _ := members["tagKeys"].([]any)
	for _, each := range list {
		if key, ok := each.(string); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

func requestTag(members map[string]any, name string) (values []string) {
	eachTag(members, func(key, value string) {
		if strings.EqualFold(key, name) {
			values = []string{value}
		}
	})
	return values
}

func eachTag(members map[string]any, visit func(key, value string)) {
	list, _ := members["tags"].([]any)
	for _, each := range list {
		tag, _ := each.(map[string]any)
		key, _ := tag["key"].(string)
		value, _ := tag["value"].(string)
		visit(key, value)
	}
}

func (g *Gateway) operationCall(x *exchange) *operation.Call {
	return &operation.Call{
		RequestID: x.id, Account: x.proof.Principal.Account, Region: x.proof.Region, Principal: x.proof.Principal, Time: x.event.EventTime,
	}
}
