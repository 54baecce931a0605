// Command latchkey is AWS Directory Service on your own machines.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"latchkey/internal/app"
	"latchkey/internal/config"
	"latchkey/internal/masterkey"
)

// commandLine is what kong makes flags, environment variables, help and completion of.
type commandLine struct {
	Serve      serveCommand      `cmd:"" help:"Run the server: the AWS API, LDAP and LDAPS."`
	Directory  directoryCommand  `cmd:"" help:"Look after the directories of a running server."`
	User       userCommand       `cmd:"" help:"Look after a directory's users."`
	Group      groupCommand      `cmd:"" help:"Look after a directory's groups."`
	AccessKey  accessKeyCommand  `cmd:"" help:"Look after the access keys of a running server."`
	Policy     policyCommand     `cmd:"" help:"Look after IAM policies."`
	Healthz    healthzCommand    `cmd:"" help:"Ask a running server whether it is ready; the exit status tells."`
	Audit      auditCommand      `cmd:"" help:"Look at the audit trail of a server."`
	Backup     backupCommand     `cmd:"" help:"Save everything that a server keeps in one encrypted file."`
	Restore    restoreCommand    `cmd:"" help:"Make a data directory of a backup."`
	MasterKey  masterKeyCommand  `cmd:"" help:"Look after the key that all secrets are sealed with."`
	Krb5Conf   krb5ConfCommand   `cmd:"" name:"krb5-conf" help:"Print the krb5.conf of a directory."`
	Keytab     keytabCommand     `cmd:"" help:"Write the keytab of a service's or a computer's account."`
	Seed       seedCommand       `cmd:"" help:"Look after seed files."`
	Dev        devCommand        `cmd:"" help:"Make a server with --dev fail, or begin anew."`
	Completion completionCommand `cmd:"" help:"Print a shell's completion script."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

const description = `AWS Directory Service on your own machines: password resets and user management for unchanged AWS clients, on directories that real logins use.

Examples:

  latchkey serve --dev --seed examples/corp.yaml
  latchkey serve --data /var/lib/latchkey --config /etc/latchkey.yaml
  latchkey directory list
  latchkey user create jane --given-name Jane --surname Doe --generate
  latchkey user import users.csv
  latchkey seed check examples/corp.yaml
  source <(latchkey completion bash)`

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	forbidCores()
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// where is the help for what was typed.
func where(err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
		if command := wrong.Context.Selected(); command != nil && len(command.Children) > 0 {
			return command.FullPath() + " --help lists the commands"
		} else if command != nil {
			return command.FullPath() + " --help tells what it takes"
		}
	}
	return "latchkey --help lists the commands, and latchkey COMMAND --help its flags"
}

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func newParser(grammar *commandLine, s streams) (*kong.Kong, error) {
	return kong.New(grammar, kong.Name("latchkey"), kong.Description(description), kong.Writers(s.out, s.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
}

func run(args []string, s streams) int {
	parser, err := newParser(&commandLine{}, s)
	if err != nil {
		complain(s.err, err)
		return exitFailure
	}
	command, err := parser.Parse(args)
	if err != nil {
		complain(s.err, err)
		if _, ok := errors.AsType[*config.Problem](err); !ok {
			hint(s.err, where(err))
		}
		return exitUsage
	}
	if err := command.Run(parser, s); err != nil {
		complain(s.err, err)
		return exitFailure
	}
	return 0
}

// complain prints every error that is joined in err on a line of its own, and what to do about it where that is known.
func complain(w io.Writer, err error) {
	for _, each := range apart(err) {
		fmt.Fprintf(w, "latchkey: error: %v\n", each)
		problem, ok := errors.AsType[*config.Problem](each)
		told, hinted := errors.AsType[*advised](each)
		switch {
		case hinted:
			hint(w, told.hint)
		case ok && problem.Hint != "":
			hint(w, problem.Hint)
		case errors.Is(each, masterkey.ErrForeign):
			hint(w, "put master.key back from a backup of the data directory, or copy it from another server of the same store; a key that is kept elsewhere takes --master-key-file, --master-key-command or LATCHKEY_MASTER_KEY")
		case errors.Is(each, app.ErrLocked):
			hint(w, "one server at a time uses a data directory; --dev needs none")
		case errors.Is(each, syscall.EADDRINUSE):
			hint(w, "another server may be running; port 0 takes a free port")
		}
	}
}

func hint(w io.Writer, text string) { fmt.Fprintln(w, "hint: "+text) }

// apart is the errors that err joins. A configuration's problems come wrapped by kong, in the name of the command, which
// says nothing new.
func apart(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only where nothing is wrapped around
	if _, is := errors.AsType[*config.Problem](err); is && !ok {
		ok = errors.As(err, &joined)
	}
	if !ok {
		return []error{err}
	}
	var all []error
	for _, each := range joined.Unwrap() {
		all = append(all, apart(each)...)
	}
	return all
}

type versionCommand struct{}

// Run prints the version that the Go toolchain has recorded.
func (versionCommand) Run(s streams) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("the program was built without its build information")
	}
	revision := ""
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			revision = " " + setting.Value
		}
	}
	_, err := fmt.Fprintf(s.out, "latchkey %s%s %s\n", info.Main.Version, revision, info.GoVersion)
	return err
}
