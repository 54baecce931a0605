package audit

import "cmp"

// State is how a trail is.
type State struct {
	Records  uint64 // of all times; those that wait for the disk are among them
	Unsealed uint64 // that no digest covers yet
	Trouble  error  // why it can't be written; nil while it can
}

// State is how the trail was when the writer last did something.
func (l *Log) State() State { return *l.state.Load() }

// note is called by the writer, or before it runs.
func (l *Log) note() {
	l.mu.Lock()
	s := State{Trouble: cmp.Or(l.failed, l.trouble)}
	l.mu.Unlock()
	s.Records = l.files.chain.Sequence
	s.Unsealed = s.Records - l.files.sealedRecords
	l.state.Store(&s)
}
