package ldapserver

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// task is a decoded request, ready to run.
type task struct {
	name string
	// response is the tag of the message that ends the operation.
	response byte
	// update marks an operation that is carried out to its end once it was taken: neither abandon nor the client's going
	// away stops it.
	update bool
	// attributes describe the request for the log, without secrets.
	attributes func() []slog.Attr
	// run does the work. Its error becomes the result.
	run func(ctx context.Context, session Session, answer *answer) error
}

// answer is where a task puts what comes before and with its result.
type answer struct {
	c  *connection
	op *operation
	id int32

	buf      *[]byte
	entries  int
	tail     []byte
	controls []ldap.Control
}

// flushAt is when an answer's buffer goes out before the operation ends.
const flushAt = 32 << 10

// send keeps messages for the end of the operation or until there are enough of them.
func (a *answer) send(b []byte) error {
	*a.buf = b
	if len(b) < flushAt {
		return nil
	}
	if a.op.abandoned.Load() {
		return context.Canceled
	}
	err := a.c.write(b)
	*a.buf = b[:0]
	return err
}

// dispatch handles one message in the reader. An error ends the connection.
func (c *connection) dispatch(m message, pdu []byte) error {
	switch m.tag {
	case tagUnbindRequest:
		return errUnbind
	case tagAbandonRequest:
		return c.abandon(m)
	case tagBindRequest:
		return c.bind(m, c.in.behind(pdu))
	}
	if m.tag == tagExtendedRequest {
		extension, err := decodeExtension(m.body)
		if err != nil {
			return err
		}
		if extension.oid == oidStartTLS {
			return c.startTLS(m, extension, c.in.behind(pdu))
		}
		return c.start(m, extensionTask(m, extension, c.peer))
	}
	t, err := requestTask(m, c.peer)
	if errors.Is(err, errMalformed) {
		return err
	}
	if err != nil {
		if outcomeOf(err, false).code == ldap.LDAPResultAdminLimitExceeded {
			c.server.options.Observer.Refused(LimitFilter)
		}
		t.run = func(context.Context, Session, *answer) error { return err }
	}
	return c.start(m, t)
}

// start runs a task beside the others, once there is room for it.
func (c *connection) start(m message, t task) error {
	c.slots <- struct{}{}
	op := &operation{}
	base := c.ctx
	if t.update {
		base = c.server.running
	}
	ctx, cancel := context.WithTimeout(base, c.server.options.Limits.Operation)
	op.cancel = cancel
	if t.update {
		op.cancel = nil
	}
	c.mu.Lock()
	_, twice := c.operations[m.id]
	if !twice {
		c.operations[m.id] = op
	}
	c.mu.Unlock()
	if twice {
		cancel()
		<-c.slots
		return errMalformed
	}
	session := c.session
	c.work.Add(1)
	c.server.workers.run(func() {
		defer c.work.Done()
		defer func() { <-c.slots }()
		defer cancel()
		c.perform(ctx, session, m.id, op, t)
	})
	return nil
}

// perform runs a task to its last message.
func (c *connection) perform(ctx context.Context, session Session, id int32, op *operation, t task) {
	began := time.Now()
	a := &answer{c: c, op: op, id: id, buf: c.server.buffers.Get().(*[]byte)}
	*a.buf = (*a.buf)[:0]
	defer func() {
		if cause := recover(); cause != nil {
			c.server.logPanic(c.peer.Addr, cause)
			c.finish(id)
			c.cut()
		}
	}()
	o := outcomeOf(t.run(ctx, session, a), t.response == tagSearchDone)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.server.options.Observer.Refused(LimitOperationTime)
	}
	c.logOutcome(t, id, a.entries, o, time.Since(began))
	// The id is free once the client can have read the result, and it must not find StartTLS refused then.
	c.finish(id)
	if !op.abandoned.Load() {
		*a.buf = appendResult(*a.buf, id, t.response, o, a.tail, a.controls)
		_ = c.write(*a.buf)
	}
	clear(a.tail)
	if t.response == tagExtendedResponse {
		clear(*a.buf)
	}
	if cap(*a.buf) <= 2*flushAt {
		c.server.buffers.Put(a.buf)
	}
}

func (c *connection) finish(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.operations, id)
}

// abandon is RFC 4511 section 4.11: the operation ends without a response. Updates are too far gone for it.
func (c *connection) abandon(m message) error {
	// The id is an INTEGER under the operation's own tag.
	body := cursor(appendOctets(nil, tagInteger, m.body))
	id, err := body.integer(tagInteger)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(int32(id)) != id {
		return nil
	}
	if op := c.operations[int32(id)]; op != nil && op.cancel != nil {
		op.abandoned.Store(true)
		op.cancel()
	}
	return nil
}

func (c *connection) logOutcome(t task, id int32, entries int, o outcome, took time.Duration) {
	c.server.options.Observer.Answered(t.name, o.code, took)
	if o.fault != nil {
		c.server.log.Error("LDAP operation failed", "peer", c.peer.Addr, "operation", t.name, "error", o.fault)
	}
	if !c.server.log.Enabled(c.ctx, slog.LevelDebug) {
		return
	}
	attributes := []slog.Attr{
		slog.String("peer", c.peer.Addr), slog.Int("message", int(id)), slog.String("operation", t.name),
		slog.Int("result", int(o.code)), slog.Int("entries", entries), slog.Duration("took", took),
	}
	if t.attributes != nil {
		attributes = append(attributes, t.attributes()...)
	}
	c.server.log.LogAttrs(c.ctx, slog.LevelDebug, "LDAP operation", attributes...)
}
