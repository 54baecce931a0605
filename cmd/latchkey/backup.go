package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"latchkey/internal/admin"
	"latchkey/internal/app"
	"latchkey/internal/backup"
	"latchkey/internal/durable"
	"latchkey/internal/wire"
)

// passphraseVariable has a passphrase where no file does.
const passphraseVariable = "LATCHKEY_BACKUP_PASSPHRASE" //nolint:gosec // the name of one

// passphrase is what opens a backup without any other key.
type passphrase struct {
	PassphraseFile string `name:"passphrase-file" placeholder:"FILE" help:"File whose first line is the passphrase; otherwise it is in LATCHKEY_BACKUP_PASSPHRASE."`
}

// read is the passphrase; "" where there is none.
func (p *passphrase) read() (string, error) {
	text := []byte(os.Getenv(passphraseVariable))
	if p.PassphraseFile != "" {
		file, err := os.Open(p.PassphraseFile)
		if err != nil {
			return "", err
		}
		defer file.Close()
		if text, err = io.ReadAll(io.LimitReader(file, maxPassword)); err != nil {
			return "", err
		}
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if p.PassphraseFile != "" && len(line) == 0 {
		return "", fmt.Errorf("%s: the first line is empty", p.PassphraseFile)
	}
	return string(line), nil
}

type backupCommand struct {
	Out string `arg:"" placeholder:"FILE" help:"File to write, of mode 0600; it is replaced when the backup is whole."`
	client
	passphrase

	Recipients []string `name:"recipient" placeholder:"age1…" help:"Public key of an age identity that is to open the backup; repeatable. age-keygen makes one."`
	Stopped    bool     `name:"stopped" help:"The server is stopped: save its data directory, which this process can read."`
	Data       string   `name:"data" env:"LATCHKEY_DATA" default:"./latchkey-data" help:"That data directory."`
}

// Help is what --help says beyond the flags.
func (*backupCommand) Help() string {
	return `Saves everything that a server keeps: directories with their passwords, access keys, the audit trail, certificates, the root's key, and the master key where that lies in the data directory. Who can open the backup has all of that.

The server goes on meanwhile, and everything that was acknowledged before is in the backup. An access key whose policy allows latchkey:CreateBackup and latchkey:ReadBackup is enough. With domain controllers of its own it has to be stopped, and --stopped given.

Examples:

  latchkey backup latchkey-$(date +%F).age --passphrase-file /etc/latchkey/backup.passphrase
  latchkey backup latchkey.age --recipient age1… --endpoint-url https://latchkey.example.com
  latchkey backup latchkey.age --recipient age1… --stopped --data /var/lib/latchkey`
}

// recipients is who can open the backup.
func (c *backupCommand) recipients() ([]age.Recipient, error) {
	phrase, err := c.read()
	if err != nil {
		return nil, err
	}
	if len(c.Recipients) == 0 {
		if phrase == "" {
			return nil, &advised{errors.New("nobody could open the backup"), "give --passphrase-file, or --recipient with what age-keygen says"}
		}
		recipient, err := age.NewScryptRecipient(phrase)
		return []age.Recipient{recipient}, err
	}
	if c.PassphraseFile != "" {
		return nil, errors.New("a backup is for recipients or for who has the passphrase, not for both")
	}
	recipients, err := age.ParseRecipients(strings.NewReader(strings.Join(c.Recipients, "\n")))
	if err != nil {
		return nil, fmt.Errorf("--recipient: %w", err)
	}
	return recipients, nil
}

// Run writes the backup beside its place, and puts it there when it is whole.
func (c *backupCommand) Run(s streams) (err error) {
	recipients, err := c.recipients()
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(c.Out), "."+filepath.Base(c.Out)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		_ = draft.Close()
		if err != nil {
			_ = os.Remove(draft.Name())
		}
	}()
	ctx := context.Background()
	if c.Stopped {
		err = app.Backup(ctx, c.Data, draft, quiet(s), recipients...)
	} else {
		err = c.fetch(ctx, draft, recipients)
	}
	if err != nil {
		return err
	}
	info, err := draft.Stat()
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), c.Out); err != nil {
		return err
	}
	if err := durable.Sync(filepath.Dir(c.Out)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %d KiB\n", c.Out, (info.Size()+1023)>>10)
	return err
}

// fetch has a running server make the backup. It is encrypted for this process alone, and here for those who are to open it:
// no passphrase goes to the server, and what comes is proved to be whole.
func (c *backupCommand) fetch(ctx context.Context, w io.Writer, recipients []age.Recipient) error {
	session, err := c.connect()
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	begun := &admin.CreateBackupResult{}
	in := &admin.CreateBackupRequest{Recipients: []string{identity.Recipient().String()}}
	if _, err := session.call(ctx, wire.Latchkey, "CreateBackup", in, begun); err != nil {
		return err
	}
	plain, err := age.Decrypt(&parts{ctx: ctx, session: session, id: begun.BackupId}, identity)
	if err != nil {
		return err
	}
	encrypted, err := age.Encrypt(w, recipients...)
	if err != nil {
		return err
	}
	if _, err := io.Copy(encrypted, plain); err != nil {
		return err
	}
	return encrypted.Close()
}

// parts reads a backup from the server.
type parts struct {
	ctx     context.Context //nolint:containedctx // it lives as long as the reader
	session *session
	id      *string
	next    int32
	left    []byte
	last    bool
}

func (p *parts) Read(into []byte) (int, error) {
	for len(p.left) == 0 {
		if p.last {
			return 0, io.EOF
		}
		var out struct {
			Data []byte
			Last bool
		}
		in := &admin.ReadBackupRequest{BackupId: p.id, Part: &p.next}
		if _, err := p.session.call(p.ctx, wire.Latchkey, "ReadBackup", in, &out); err != nil {
			return 0, err
		}
		p.left, p.last = out.Data, out.Last
		p.next++
	}
	n := copy(into, p.left)
	p.left = p.left[n:]
	return n, nil
}

type restoreCommand struct {
	In   string `arg:"" placeholder:"FILE" help:"The backup."`
	Data string `name:"data" required:"" placeholder:"DIR" help:"The data directory to make; it is empty or not there yet."`
	passphrase
	Identity string `name:"identity" short:"i" placeholder:"FILE" help:"File with the age identity, AGE-SECRET-KEY-1…, of a recipient."`
}

// Help is what --help says beyond the flags.
func (*restoreCommand) Help() string {
	return `Makes the data directory of a backup, for a server to be started with: the whole of it, or nothing where the backup is damaged. Run it as the server's user, or as root where DIR is there already and is that user's.

Do not let the server that was saved run beside the restored one, and start that with the same flags. Update sequence numbers of directories go on beyond any that were ever given.

Examples:

  latchkey restore latchkey.age --data /var/lib/latchkey --passphrase-file backup.passphrase
  latchkey restore latchkey.age --data /var/lib/latchkey --identity backup.identity`
}

func (c *restoreCommand) identities() ([]age.Identity, error) {
	if c.Identity != "" {
		if c.PassphraseFile != "" {
			return nil, errors.New("a backup is opened by --identity or --passphrase-file, not by both")
		}
		file, err := os.Open(c.Identity)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		all, err := age.ParseIdentities(io.LimitReader(file, 1<<20))
		if err != nil {
			return nil, fmt.Errorf("%s holds no age identities", c.Identity) // the parser's error may repeat them
		}
		return all, nil
	}
	phrase, err := c.read()
	if err != nil {
		return nil, err
	}
	if phrase == "" {
		return nil, &advised{errors.New("nothing opens the backup"), "give --passphrase-file or --identity"}
	}
	identity, err := age.NewScryptIdentity(phrase)
	return []age.Identity{identity}, err
}

// Run restores.
func (c *restoreCommand) Run(s streams) error {
	identities, err := c.identities()
	if err != nil {
		return err
	}
	file, err := os.Open(c.In)
	if err != nil {
		return err
	}
	defer file.Close()
	manifest, err := backup.Restore(file, c.Data, quiet(s), identities...)
	if err != nil {
		return fmt.Errorf("%s: %w; nothing was restored", c.In, err)
	}
	if _, err := fmt.Fprintf(s.out, "%s is as it was %s\n", c.Data, manifest.Created.Format(time.RFC3339)); err != nil {
		return err
	}
	if !manifest.MasterKey {
		hint(s.err, "the master key is not in the backup: start the server with the same --master-key-file, --master-key-command or LATCHKEY_MASTER_KEY")
	}
	return nil
}
