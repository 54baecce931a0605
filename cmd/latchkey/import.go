package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
	"latchkey/internal/wire"
)

// maxParallel is how many calls one command may have under way.
const maxParallel = 64

type userImportCommand struct {
	File string `arg:"" help:"The CSV or LDIF file; - is standard input."`
	data
	DryRun   bool          `name:"dry-run" group:"Import" help:"Check the file, the groups and whether the users exist, and write nothing."`
	Existing string        `name:"existing" enum:"fail,skip,update" default:"fail" group:"Import" help:"What becomes of users that exist already: fail reports them, skip leaves them alone, update replaces what the file has of them."`
	Parallel int           `name:"parallel" default:"8" placeholder:"N" group:"Import" help:"How many users at a time, up to 64."`
	Patience time.Duration `name:"patience" default:"30s" group:"Import" help:"How long to try again while the server can't be reached or has no time."`
	State    string        `name:"state" placeholder:"FILE" group:"Import" help:"File that says how far the import is; FILE.state without it, and none for standard input."`
	Failed   string        `name:"failed" placeholder:"FILE" group:"Import" help:"File for the rows that failed; NAME.failed.csv or NAME.failed.ldif without it, and none for standard input."`
}

// Help is what `latchkey user import --help` says beyond the flags.
func (*userImportCommand) Help() string {
	return `The first row of a CSV file has the columns' names. SAMAccountName is needed; GivenName, Surname, EmailAddress, Password, Groups (Staff;Help Desk), Enabled, and every other AD attribute (title, telephoneNumber) may be there:

  SAMAccountName,GivenName,Surname,EmailAddress,title,Groups,Password
  jane,Jane,Doe,jane@corp.example.com,Engineer,Staff;Help Desk,Winter-Sun-2025

An LDIF file has an entry for each user; entries that are no users are left out. memberOf names groups, userPassword or unicodePwd has the password.

A user without a password is disabled until latchkey user reset-password sets one. The whole file is checked before anything is written. An import that was stopped, by whatever, goes on when the same command is run again; rows that failed are tried again, and others are left alone, also where nothing but a password was changed in them.

Examples:

  latchkey user import users.csv --dry-run
  latchkey user import users.csv
  latchkey user import export.ldif --existing update`
}

// Validate tells what is wrong with the flags.
func (c *userImportCommand) Validate() error {
	if c.Parallel < 1 || c.Parallel > maxParallel {
		return fmt.Errorf("--parallel: %d is not between 1 and %d", c.Parallel, maxParallel)
	}
	return nil
}

// importer is an import at work.
type importer struct {
	*userImportCommand
	streams
	session *session
	id      *string // of the directory
	state   *importState
	bar     *bar
	names   map[string]int  // the groups of the file, and the line that has each first
	others  map[string]bool // the attributes that the API has no member for
	total   int
	noUsers int // entries that are none

	mu       sync.Mutex
	rows     rows
	failures *os.File
	existing int // users that were there and are left alone
}

// Run checks the file, and writes its users.
func (c *userImportCommand) Run(s streams) error {
	file, err := c.open(s.in)
	if err != nil {
		return err
	}
	defer file.Close()
	im := &importer{userImportCommand: c, streams: s, names: map[string]int{}, others: map[string]bool{}}
	if err := im.check(file); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal has its usual effect
	if im.session, im.id, err = c.data.open(ctx); err != nil {
		return err
	}
	defer im.session.http.CloseIdleConnections()
	if err := im.checkAttributes(ctx); err != nil {
		return err
	}
	if err := im.checkGroups(ctx); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if im.rows, err = openRows(file); err != nil {
		return err
	}
	state := c.State
	if c.DryRun {
		state = ""
	}
	if im.state, err = openState(state, *im.id); err != nil {
		return err
	}
	im.bar = newBar(s.err, im.total)
	err = im.write(ctx)
	im.bar.stop()
	done := err == nil && im.bar.failed == 0
	err = errors.Join(err, im.state.close(done))
	if im.failures != nil {
		err = errors.Join(err, im.failures.Close())
	}
	return errors.Join(im.report(), im.outcome(ctx, err))
}

// write gives the rows to so many workers. When it is to stop, by the context or an error that is no row's, each
// worker ends the row that it is at.
func (im *importer) write(ctx context.Context) error {
	stopping, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	queue := make(chan *row)
	var workers errgroup.Group
	for range im.Parallel {
		workers.Go(func() error {
			for r := range queue {
				if err := im.one(stopping, r); err != nil {
					stop(err)
					return err
				}
			}
			return nil
		})
	}
	err := im.feed(stopping, queue)
	close(queue)
	return errors.Join(err, workers.Wait())
}

func (im *importer) feed(ctx context.Context, queue chan<- *row) error {
	for {
		im.mu.Lock()
		r, err := im.rows.next()
		im.mu.Unlock()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return inFile(im.File, err) // the file has changed since it was checked
		}
		select {
		case queue <- r:
		case <-ctx.Done():
			return nil
		}
	}
}

// one writes a row, or looks at it, and counts it. Its errors end the import.
func (im *importer) one(ctx context.Context, r *row) error {
	key, err := r.key()
	if err != nil {
		return err
	}
	if im.state.at(key) == stepDone {
		im.bar.count(0, 1, 0, "")
		return nil
	}
	if im.DryRun {
		err = im.look(ctx, r)
	} else {
		err = im.row(ctx, r, key)
	}
	stopped, isStop := errors.AsType[*stopping](err)
	switch {
	case isStop:
		return stopped.error
	case err != nil:
		return im.fail(r, err)
	}
	im.bar.count(1, 0, 0, "")
	if im.DryRun {
		return nil
	}
	return im.state.put(key, stepDone)
}

// fail reports a row, and keeps it.
func (im *importer) fail(r *row, reason error) error {
	im.bar.count(0, 0, 1, im.complaint(r.line, fmt.Errorf("%s: %w", *r.user.SAMAccountName, reason)))
	if im.Failed == "" || im.DryRun {
		return nil
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.failures == nil {
		var err error
		if im.failures, err = os.OpenFile(im.Failed, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return err
		}
	}
	return im.rows.failed(im.failures, r, reason)
}

var errExists = errors.New("a user of this name exists already; --existing skip leaves such users alone, --existing update changes them")

// look says whether a row could be written.
func (im *importer) look(ctx context.Context, r *row) error {
	found, err := im.find(ctx, r)
	switch {
	case err != nil:
		return err
	case found && im.Existing == "fail":
		return errExists
	case found && im.Existing == "skip":
		im.leave()
	}
	return nil
}

// leave counts a user that stays as it is.
func (im *importer) leave() {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.existing++
}

func (im *importer) find(ctx context.Context, r *row) (bool, error) {
	in := &dsdata.DescribeUserRequest{DirectoryId: im.id, SAMAccountName: r.user.SAMAccountName}
	err := im.patiently(ctx, func(ctx context.Context) error {
		_, err := im.session.call(ctx, wire.DSData, "DescribeUser", in, &dsdata.DescribeUserResult{})
		return err
	})
	if isException(err, "ResourceNotFoundException") {
		return false, nil
	}
	return err == nil, err
}

// row makes the user, adds it to its groups, and sets its password last.
func (im *importer) row(ctx context.Context, r *row, key rowKey) error {
	if im.state.at(key) != stepCreated {
		left, err := im.create(ctx, r, key)
		if left || err != nil {
			return err
		}
		if err := im.state.put(key, stepCreated); err != nil {
			return &stopping{err}
		}
	}
	name := r.user.SAMAccountName
	for _, group := range r.groups {
		err := im.patiently(ctx, func(ctx context.Context) error { return im.session.add(ctx, im.id, group, *name) })
		if err != nil {
			return fmt.Errorf("the user is there, but not a member of %s: %w", group, err)
		}
	}
	if r.password == "" {
		return nil
	}
	err := im.patiently(ctx, func(ctx context.Context) error {
		return im.session.reset(ctx, &ds.ResetUserPasswordRequest{DirectoryId: im.id, UserName: name}, []byte(r.password))
	})
	if err == nil && r.disabled {
		err = im.patiently(ctx, func(ctx context.Context) error {
			_, err := im.session.call(ctx, wire.DSData, "DisableUser", &dsdata.DisableUserRequest{DirectoryId: im.id, SAMAccountName: name}, &dsdata.DisableUserResult{})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("the user is there, but without this password: %w", err)
	}
	return nil
}

// conflicts is how often CreateUser is tried when it says Conflict and there is no such user: somebody else writes as well.
const conflicts = 4

// create makes the user, or does with the one that exists what it is asked to do, and says whether that is to leave it alone.
func (im *importer) create(ctx context.Context, r *row, key rowKey) (left bool, err error) {
	in := r.user
	in.DirectoryId, in.ClientToken = im.id, new(im.state.id+"-"+key.String())
	doubt := im.state.at(key) == stepBegun
	if err := im.state.put(key, stepBegun); err != nil {
		return false, &stopping{err}
	}
	pause, until := firstPause, time.Now().Add(im.Patience)
	for try := 1; ; try++ {
		calls := 0
		err := im.patiently(ctx, func(ctx context.Context) error {
			calls++
			_, err := im.session.call(ctx, wire.DSData, "CreateUser", &in, &dsdata.CreateUserResult{})
			return err
		})
		if _, stops := errors.AsType[*stopping](err); err == nil || stops {
			return false, err
		}
		doubt = doubt || calls > 1
		found := false
		if isException(err, "ConflictException") {
			var failed error
			if found, failed = im.find(ctx, r); failed != nil {
				return false, failed
			}
			// A call of this row that nobody waits for any more may be at work: once it is done, the token makes this one
			// a success.
			if (found && doubt && time.Now().Before(until) || !found && try < conflicts) && wait(ctx, pause) {
				pause = min(2*pause, longestPause)
				continue
			}
		}
		if failed := im.state.put(key, stepRefused); failed != nil {
			return false, &stopping{failed}
		}
		switch {
		case !found:
			return false, err
		case im.Existing == "fail":
			return false, errExists
		case im.Existing == "skip":
			im.leave()
			return true, nil
		}
		return false, im.update(ctx, r)
	}
}

// update replaces what the row has of a user.
func (im *importer) update(ctx context.Context, r *row) error {
	if !r.changes() {
		return nil
	}
	in := &dsdata.UpdateUserRequest{
		DirectoryId: im.id, SAMAccountName: r.user.SAMAccountName, UpdateType: new(dsdata.UpdateTypeREPLACE),
		GivenName: r.user.GivenName, Surname: r.user.Surname, EmailAddress: r.user.EmailAddress, OtherAttributes: r.user.OtherAttributes,
	}
	return im.patiently(ctx, func(ctx context.Context) error {
		_, err := im.session.call(ctx, wire.DSData, "UpdateUser", in, &dsdata.UpdateUserResult{})
		return err
	})
}

// stopping is an error that every other row would meet as well.
type stopping struct{ error }

// ofRow are the exceptions that are about a row, and not about the whole import.
var ofRow = []string{
	"ValidationException", "ConflictException", "ResourceNotFoundException", "InvalidPasswordException", "UserDoesNotExistException", "UnsupportedOperationException",
	"InvalidParameterException", "ClientException", "SerializationException",
}

// passing are those that another try may not meet.
var passing = []string{"ThrottlingException", "DirectoryUnavailableException", "InternalServerException", "ServiceException"}

// patiently makes calls that can be made twice, until the server has an answer. A call that is under way is not broken off when
// the context ends: nobody would know what came of it.
func (im *importer) patiently(ctx context.Context, call func(context.Context) error) error {
	pause, until := firstPause, time.Now().Add(im.Patience)
	for {
		err := call(context.WithoutCancel(ctx))
		refused, answered := errors.AsType[*exception](err)
		switch {
		case err == nil, isException(err, ofRow...), answered && refused.Code == "AccessDeniedException" && refused.Reason == "DIRECTORY_AUTH":
			return err
		case answered && !isException(err, passing...):
			return &stopping{err}
		case time.Now().After(until) || !wait(ctx, pause):
			if isException(err, "InternalServerException", "ServiceException") {
				return err
			}
			return &stopping{err}
		}
		pause = min(2*pause, longestPause)
	}
}

// report writes what has become of the rows.
func (im *importer) report() error {
	imported := im.bar.done - im.existing
	if im.Output == "json" {
		_, err := fmt.Fprintf(im.out, "{\n  \"DirectoryId\": %q,\n  \"Rows\": %d,\n  \"Imported\": %d,\n  \"ImportedBefore\": %d,\n  \"LeftAlone\": %d,\n  \"Failed\": %d,\n  \"DryRun\": %t\n}\n",
			*im.id, im.total, imported, im.bar.before, im.existing, im.bar.failed, im.DryRun)
		return err
	}
	verb := "imported into"
	if im.DryRun {
		verb = "could be imported into"
	}
	parts := []string{fmt.Sprintf("%s of %s %s %s", grouped(imported), counted(im.total, "user", "users"), verb, *im.id)}
	for _, more := range []struct {
		n         int
		one, many string
	}{{im.bar.before, "imported before", "imported before"}, {im.existing, "exists and is left alone", "exist and are left alone"}, {im.bar.failed, "failed", "failed"}} {
		if more.n > 0 {
			parts = append(parts, counted(more.n, more.one, more.many))
		}
	}
	line := strings.Join(parts, ", ")
	if im.noUsers > 0 {
		line += "; " + counted(im.noUsers, "entry is no user", "entries are no users")
	}
	_, err := fmt.Fprintln(im.out, line)
	return err
}

// outcome is the error of an import that did not do all, with how to go on.
func (im *importer) outcome(ctx context.Context, err error) error {
	again := "the same command goes on from here"
	repair := "repair them in " + im.File + " and run the same command again: what is done is left alone"
	if im.State == "" {
		again = "--state names a file that lets the same command go on from here"
		repair = "repair them there, and import that file with --existing update"
	}
	switch {
	case im.DryRun && im.bar.failed > 0 && err == nil:
		return fmt.Errorf("%s of %s would fail", grouped(im.bar.failed), counted(im.total, "row", "rows"))
	case err == nil && im.bar.done+im.bar.before+im.bar.failed < im.total && ctx.Err() != nil:
		return &advised{errors.New("the import was stopped"), again}
	case err != nil:
		if hinted, ok := errors.AsType[*advised](err); ok {
			again = hinted.hint + "; then " + again
		}
		return &advised{fmt.Errorf("the import was stopped: %w", err), again}
	case im.bar.failed > 0 && im.failures != nil:
		return &advised{
			fmt.Errorf("%s of %s failed; %s has them, with the reasons", grouped(im.bar.failed), counted(im.total, "row", "rows"), im.Failed),
			repair,
		}
	case im.bar.failed > 0:
		return fmt.Errorf("%s of %s failed", grouped(im.bar.failed), counted(im.total, "row", "rows"))
	}
	return nil
}
