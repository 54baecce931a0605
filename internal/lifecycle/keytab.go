package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"latchkey/internal/directory"
	"latchkey/internal/keytab"
	"latchkey/internal/store"
)

// ErrNoKeys says that the keys of a directory's accounts can't be had, or that an account has none.
var ErrNoKeys = errors.New("there are no keys")

// keyholder is an engine that gives the keys of its directories' accounts away.
type keyholder interface {
	// AccountKeys is the AES keys of the account of that sAMAccountName; none for one that has no password.
	AccountKeys(ctx context.Context, id, account string) ([]keytab.Key, error)
}

// Keys is the long-term keys of an account, for whom the caller wipes them. The error wraps ErrNoKeys for an account without
// any and for an engine that does not give them away.
func (w *Worker) Keys(ctx context.Context, record store.Directory, account directory.Keyholder) ([]keytab.Key, error) {
	engine, err := w.engine(record)
	if err != nil {
		return nil, err
	}
	holder, ok := engine.(keyholder)
	if !ok {
		return nil, fmt.Errorf("%w: the engine %s does not give them away", ErrNoKeys, EngineName(record))
	}
	keys, err := holder.AccountKeys(ctx, record.ID, account.Name)
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("%w: %s has no password, or none since it knows AES", ErrNoKeys, account.Name)
	}
	return keys, err
}
