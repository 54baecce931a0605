package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"time"
)

// profileTimeout is for the longest profile that may be asked for.
const profileTimeout = 5 * time.Minute

// pprofServer is Go's profiles on a Unix socket that only this user, and root, may connect to.
type pprofServer struct {
	path     string
	listener net.Listener
	server   *http.Server
}

// listenPprof takes the path: from nobody, or from a server that is gone. There is never a moment in which others could connect.
func listenPprof(path string) (*pprofServer, error) {
	fail := func(err error) (*pprofServer, error) { return nil, fmt.Errorf("--pprof-socket: %w", err) }
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail(err)
	case info.Mode().Type() != fs.ModeSocket:
		return fail(fmt.Errorf("%s is there already, and is no socket", path))
	default:
		if conn, err := net.Dial("unix", path); err == nil {
			_ = conn.Close()
			return fail(fmt.Errorf("%s is in use by another process", path))
		}
	}
	// Nobody else gets into the directory that it is made in.
	private, err := os.MkdirTemp(filepath.Dir(path), ".pprof-")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(private) }()
	made := filepath.Join(private, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return fail(err)
	}
	listener.SetUnlinkOnClose(false)
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = listener.Close()
		return fail(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &pprofServer{path, listener, &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: profileTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader}}, nil
}

// Serve answers until Close.
func (p *pprofServer) Serve() error { return p.server.Serve(p.listener) }

// Close ends it, and removes the socket. Closing twice does nothing.
func (p *pprofServer) Close() error {
	if p.path == "" {
		return nil
	}
	path := p.path
	p.path = ""
	_ = p.listener.Close() // Serve may have closed it
	err := p.server.Close()
	if gone := os.Remove(path); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}
