package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"latchkey/internal/store"
)

// storeTimeout is how long the store may take to show that it works.
const storeTimeout = 2 * time.Second

// health answers GET /healthz, which says that the process takes requests, and GET /readyz: 200 while the store answers, too,
// and 503 otherwise. No signature is asked for, and nothing else is told. Everything else is for next. The addresses are open
// only once every directory is served.
type health struct {
	store  *store.Store
	logger *slog.Logger
	next   http.Handler
}

var errStoreSilent = errors.New("the store does not answer")

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.next.ServeHTTP(w, r)
	case r.URL.Path == "/healthz":
		say(w, nil)
	case r.URL.Path == "/readyz":
		say(w, h.ready(r.Context()))
	default:
		h.next.ServeHTTP(w, r)
	}
}

func (h *health) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := h.store.Ready(ctx); err != nil {
		h.logger.Warn("not ready", "err", err)
		return errStoreSilent
	}
	return nil
}

func say(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error()
	}
	_, _ = fmt.Fprintln(w, text)
}
