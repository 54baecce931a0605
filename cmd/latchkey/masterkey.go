package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"latchkey/internal/app"
	"latchkey/internal/config"
	"latchkey/internal/masterkey"
)

type masterKeyCommand struct {
	Rotate masterKeyRotateCommand `cmd:"" help:"Seal everything with another master key; the server is stopped."`
}

// stopped is the data directory, store and master key of a server that is stopped: its own flags.
type stopped struct {
	Data             string   `name:"data" env:"LATCHKEY_DATA" default:"./latchkey-data" help:"The server's data directory."`
	MasterKeyFile    string   `name:"master-key-file" env:"LATCHKEY_MASTER_KEY_FILE" placeholder:"FILE" help:"File with the present master key, as latchkey serve has it."`
	MasterKeyCommand string   `name:"master-key-command" env:"LATCHKEY_MASTER_KEY_COMMAND" placeholder:"COMMAND" help:"Command that prints the present master key, as latchkey serve has it."`
	StoreEndpoints   []string `name:"store-endpoint" env:"LATCHKEY_STORE_ENDPOINT" placeholder:"URL" help:"Member of the server's etcd cluster; repeatable."`
	StoreCA          string   `name:"store-ca" env:"LATCHKEY_STORE_CA" placeholder:"FILE" help:"CA certificates (PEM) that the cluster's are signed by; the system's otherwise."`
	StoreCert        string   `name:"store-cert" env:"LATCHKEY_STORE_CERT" placeholder:"FILE" help:"Client certificate (PEM) for the cluster."`
	StoreKey         string   `name:"store-key" env:"LATCHKEY_STORE_KEY" placeholder:"FILE" help:"Private key (PEM) of --store-cert."`
}

func (c *stopped) config() *config.Config {
	return &config.Config{
		Data: c.Data, MasterKeyFile: c.MasterKeyFile, MasterKeyCommand: c.MasterKeyCommand,
		StoreEndpoints: c.StoreEndpoints, StoreCA: c.StoreCA, StoreCert: c.StoreCert, StoreKey: c.StoreKey,
	}
}

// quiet is a log of what went wrong.
func quiet(s streams) *slog.Logger {
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelError}))
}

type masterKeyRotateCommand struct {
	stopped
	NewFile    string `name:"new-master-key-file" env:"LATCHKEY_NEW_MASTER_KEY_FILE" placeholder:"FILE" help:"File with the new master key; otherwise the one in LATCHKEY_NEW_MASTER_KEY, or one that is made, for DIR/master.key."`
	NewCommand string `name:"new-master-key-command" env:"LATCHKEY_NEW_MASTER_KEY_COMMAND" placeholder:"COMMAND" help:"Command that prints the new master key in base64."`
	Last       bool   `name:"last" help:"With --store-endpoint: all other servers' data directories have been through this. The former key is forgotten."`
}

// Help is what --help says beyond the flags.
func (*masterKeyRotateCommand) Help() string {
	return `A rotation that is killed is ended by running it again; until then the server works with either key. When it has ended, only the new key opens anything.

Servers that share an etcd cluster: stop all, rotate in one's data directory, start all again. Then, one after the other, stop each of the others, rotate in its data directory with the same new key, and start it; for the last one give --last.

Examples:

  latchkey master-key rotate --data /var/lib/latchkey
  head -c 32 /dev/urandom | base64 > new.key
  latchkey master-key rotate --data /var/lib/latchkey --master-key-file old.key --new-master-key-file new.key`
}

// Run rotates.
func (c *masterKeyRotateCommand) Run(s streams) error {
	next := masterkey.Source{File: c.NewFile, Command: c.NewCommand, Env: masterkey.EnvNext}
	done, err := app.RotateMasterKey(context.Background(), c.config(), next, c.Last, quiet(s))
	var errs []error
	for _, damaged := range done.Damaged {
		errs = append(errs, fmt.Errorf("left as it was: %s", damaged))
	}
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	text := "the new master key is in use"
	if len(c.StoreEndpoints) > 0 && !c.Last {
		text = "both master keys are in use: rotate in the other servers' data directories, and in the last one with --last"
	}
	_, err = fmt.Fprintf(s.out, "%s sealed anew; %s\n", counted(done.Count, "secret was", "secrets were"), text)
	return errors.Join(append(errs, err)...)
}
