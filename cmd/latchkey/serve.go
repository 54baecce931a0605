package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/lmittmann/tint"
	"golang.org/x/sys/unix"

	"latchkey/internal/app"
	"latchkey/internal/config"
)

type serveCommand struct {
	config.Config
}

// Help is what `latchkey serve --help` says beyond the flags.
func (*serveCommand) Help() string {
	return `Needs no configuration: the data directory, a root access key (DIR/root-credentials, in the format of AWS's shared credentials file) and a certificate for LDAP (its CA in DIR) are made on the first start. The key can be chosen by LATCHKEY_ROOT_ACCESS_KEY_ID and LATCHKEY_ROOT_SECRET_ACCESS_KEY.

Once it is ready, one line of JSON on standard output tells the addresses. Logs go to standard error.

Examples:

  latchkey serve --dev --seed examples/corp.yaml
  latchkey serve --data /var/lib/latchkey --listen 0.0.0.0:4389 --tls-cert api.pem --tls-key api.key
  LATCHKEY_LISTEN=127.0.0.1:0 latchkey serve --config latchkey.yaml

SIGTERM ends the server once the calls that are under way have their answers. SIGHUP reads the configuration again: the log level and the file of --roles take effect at once, and for all other options the log says which need a restart. With a mistake in either nothing changes, and the log says what and where. Certificates need no signal; each connection begins with the files as they are.

A flag goes before its environment variable, that before the file, and the file before the default.`
}

// Run serves until the process is told to stop; a second signal ends it at once.
func (c *serveCommand) Run(s streams) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Once the first signal is here, the next one has its usual effect.
	context.AfterFunc(ctx, stop)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	level := new(slog.LevelVar)
	level.Set(c.Level())
	logger := newLogger(&c.Config, level, s)
	server, err := app.New(ctx, &c.Config, logger, s.out)
	if err != nil {
		return err
	}
	go func() {
		for {
			select {
			case <-hangups:
				reload(server, &c.Config, level, logger)
			case <-ctx.Done():
				return
			}
		}
	}()
	return server.Run(ctx)
}

// reload reads the configuration once more, as this process was told it.
func reload(server *app.App, running *config.Config, level *slog.LevelVar, logger *slog.Logger) {
	again := &commandLine{}
	parser, err := newParser(again, streams{os.Stdin, io.Discard, io.Discard})
	if err == nil {
		_, err = parser.Parse(os.Args[1:])
	}
	if err == nil {
		err = server.Reload(&again.Serve.Config)
	}
	if err != nil {
		for _, each := range apart(err) {
			logger.Error("the configuration can't be read again; nothing changes", "err", each)
		}
		return
	}
	level.Set(again.Serve.Level())
	logger.Info("the configuration was read again", "log-level", level.Level(), "need-restart", config.Differences(running, &again.Serve.Config))
}

func newLogger(c *config.Config, level slog.Leveler, s streams) *slog.Logger {
	terminal := isTerminal(s.err)
	if c.LogFormat == "json" || c.LogFormat == "auto" && !terminal {
		return slog.New(slog.NewJSONHandler(s.err, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(s.err, &tint.Options{Level: level, NoColor: !terminal}))
}

// forbidCores keeps the process's memory, which passwords pass through, out of core files and away from debuggers of the
// same user. Where the system refuses, there is nothing to be done.
func forbidCores() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
