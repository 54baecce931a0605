package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"latchkey/internal/admin"
	"latchkey/internal/wire"
)

type devCommand struct {
	Fault devFaultCommand `cmd:"" help:"Have calls fail, be slow or lose their connection."`
	Reset devResetCommand `cmd:"" help:"Put a server with --dev back to its seed."`
	Stage devStageCommand `cmd:"" help:"Keep a directory in a stage."`
}

type devFaultCommand struct {
	Add   faultAddCommand   `cmd:"" help:"Have calls answered with a fault."`
	List  faultListCommand  `cmd:"" help:"List the faults."`
	Clear faultClearCommand `cmd:"" help:"End a fault, or all."`
}

type faultAddCommand struct {
	client
	Operation string        `name:"operation" placeholder:"NAME" group:"Calls" help:"Operation, such as ResetUserPassword; without it, every one."`
	Directory string        `name:"directory" placeholder:"d-…" group:"Calls" help:"Directory that the call is about."`
	User      string        `name:"user" placeholder:"NAME" group:"Calls" help:"User that the call is about."`
	Times     int32         `name:"times" placeholder:"N" group:"Calls" help:"How many calls; without it, until the fault is cleared."`
	Code      string        `name:"code" placeholder:"EXCEPTION" group:"Fault" help:"Exception that answers, such as ThrottlingException."`
	Message   string        `name:"message" group:"Fault" help:"What the exception says."`
	Delay     time.Duration `name:"delay" placeholder:"TIME" group:"Fault" help:"How long the call takes, such as 2s."`
	Drop      bool          `name:"drop" group:"Fault" help:"Close the connection without an answer."`
}

// Help is what --help says beyond the flags.
func (*faultAddCommand) Help() string {
	return `Example:

  latchkey dev fault add --operation ResetUserPassword --code ThrottlingException --times 3`
}

// Validate tells what the flags lack as a whole.
func (c *faultAddCommand) Validate() error {
	if c.Code == "" && c.Delay == 0 && !c.Drop {
		return errors.New("--code, --delay or --drop has to say what happens")
	}
	return nil
}

// Run adds the fault.
func (c *faultAddCommand) Run(s streams) error {
	in := &admin.AddFaultRequest{
		Operation: optional(c.Operation), DirectoryId: optional(c.Directory), UserName: optional(c.User), Code: optional(c.Code), Message: optional(c.Message), Times: optional(c.Times),
		Drop: optional(c.Drop), DelayMilliseconds: optional(int32(c.Delay.Milliseconds())), //nolint:gosec // the server bounds it
	}
	out := &admin.AddFaultResult{}
	return c.told(s, "AddFault", in, out, func(w io.Writer) { fmt.Fprintln(w, *out.FaultId) })
}

type faultListCommand struct{ client }

// Run lists the faults.
func (c *faultListCommand) Run(s streams) error {
	out := &admin.ListFaultsResult{}
	return c.told(s, "ListFaults", &admin.ListFaultsRequest{}, out, func(w io.Writer) {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tOPERATION\tDIRECTORY\tUSER\tFAULT\tLEFT")
		for _, f := range out.Faults {
			what := text(f.Code)
			if f.DelayMilliseconds != nil {
				what += fmt.Sprintf(" after %v", time.Duration(*f.DelayMilliseconds)*time.Millisecond)
			}
			if f.Drop != nil {
				what = "connection dropped"
			}
			left := "all"
			if f.Times != nil {
				left = fmt.Sprint(*f.Times)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", text(f.FaultId), text(f.Operation), text(f.DirectoryId), text(f.UserName), what, left)
		}
		_ = table.Flush()
	})
}

type faultClearCommand struct {
	client
	ID string `arg:"" optional:"" placeholder:"f-…" help:"The fault; without it, all."`
}

// Run ends the fault.
func (c *faultClearCommand) Run(s streams) error {
	return c.told(s, "ClearFaults", &admin.ClearFaultsRequest{FaultId: optional(c.ID)}, &admin.ClearFaultsResult{}, func(io.Writer) {})
}

type devResetCommand struct{ client }

// Run puts the server back.
func (c *devResetCommand) Run(s streams) error {
	return c.told(s, "ResetServer", &admin.ResetServerRequest{}, &admin.ResetServerResult{}, func(io.Writer) {})
}

type devStageCommand struct {
	client
	ID      string `arg:"" placeholder:"d-…" help:"The directory."`
	Stage   string `arg:"" optional:"" help:"The stage, such as Impaired."`
	Reason  string `name:"reason" help:"What StageReason says."`
	Release bool   `name:"release" help:"Let the directory go: it is Active again."`
}

// Validate tells what the flags lack as a whole.
func (c *devStageCommand) Validate() error {
	if (c.Stage == "") != c.Release {
		return errors.New("give a stage, or --release")
	}
	return nil
}

// Run sets the stage.
func (c *devStageCommand) Run(s streams) error {
	in := &admin.SetStageRequest{DirectoryId: &c.ID, Stage: optional(c.Stage), Reason: optional(c.Reason), Release: optional(c.Release)}
	return c.told(s, "SetStage", in, &admin.SetStageResult{}, func(io.Writer) {})
}

// told makes a call of Latchkey's own API and writes what came of it: the server's JSON, or the text.
func (c *client) told(s streams, operation string, in, out any, write func(io.Writer)) error {
	answer, err := c.call(context.Background(), wire.Latchkey, operation, in, out)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return writeJSON(s.out, answer)
	}
	write(s.out)
	return nil
}
