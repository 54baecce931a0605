package dsdata

import (
	"context"

	"latchkey/internal/directory"
)

// page is a page of a list, each principal as show makes it, and the token of the next.
func page[T any](ctx context.Context, l list, token *string, most *int32, filters, attributes []string, show func(directory.Principal) T) (shown []T, next *string, err error) {
	at, err := l.open(token)
	if err != nil {
		return nil, nil, err
	}
	limit := defaultResults
	if most != nil {
		limit = int(*most)
	}
	found, after, done, err := directory.Page(ctx, l.conn, l.domain, filters, attributes, at, limit)
	if err != nil {
		return nil, nil, l.fault("", err)
	}
	shown = make([]T, len(found))
	for i, principal := range found {
		shown[i] = show(principal)
	}
	if !done {
		next = l.seal(after)
	}
	return shown, next, nil
}
