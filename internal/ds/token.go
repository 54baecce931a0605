package ds

import (
	"encoding/base64"

	"latchkey/internal/fault"
	"latchkey/internal/operation"
)

// sealToken is a NextToken: the id of the page's last item, sealed. It stays right while items come and go, and holds for the
// account and Region it was made for, and for one list: an operation's name, and what else tells its lists apart.
func (s *Service) sealToken(call *operation.Call, list, last string) *string {
	token := base64.RawURLEncoding.EncodeToString(s.Tokens.Seal([]byte(last), tokenOwner(call, list)))
	return &token
}

func (s *Service) openToken(call *operation.Call, list string, token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	invalid := fault.New(fault.InvalidNextToken, "Invalid value passed for the NextToken parameter")
	sealed, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return "", invalid.Because(err)
	}
	last, err := s.Tokens.Open(sealed, tokenOwner(call, list))
	if err != nil {
		return "", invalid.Because(err)
	}
	return string(last), nil
}

func tokenOwner(call *operation.Call, list string) string {
	return list + "/" + call.Account + "/" + call.Region
}

// pageOf is one page of a list that is sorted by its keys, and the token of the next one.
func pageOf[T any](s *Service, call *operation.Call, list string, token *string, limit *int32, items []T, key func(T) string) (page []T, next *string, err error) {
	after, err := s.openToken(call, list, token)
	if err != nil {
		return nil, nil, err
	}
	most := pageLimit(limit, pageSize)
	for _, item := range items {
		if after != "" && key(item) <= after {
			continue
		}
		if len(page) == most {
			return page, s.sealToken(call, list, key(page[most-1])), nil
		}
		page = append(page, item)
	}
	return page, nil, nil
}

// pageLimit is how many items a page has: what the caller wants, and at most most. 0 and nothing stand for that.
func pageLimit(wanted *int32, most int) int {
	if wanted == nil || *wanted <= 0 {
		return most
	}
	return min(most, int(*wanted))
}
