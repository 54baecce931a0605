package audit

import (
	"sync"
	"sync/atomic"
)

// progress is how far the trail is on the disk, and who is waiting for more.
type progress struct {
	mu       sync.Mutex
	sequence uint64
	more     chan struct{}
	needed   atomic.Pointer[func() uint64]
}

// Written is the number of the last record that is on the disk. The channel is closed once there are more.
func (l *Log) Written() (sequence uint64, more <-chan struct{}) {
	p := &l.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more == nil {
		p.more = make(chan struct{})
	}
	return p.sequence, p.more
}

func (p *progress) reached(sequence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sequence <= p.sequence {
		return
	}
	p.sequence = sequence
	if p.more != nil {
		close(p.more)
		p.more = nil
	}
}

// KeepFor keeps the files that have a record of the number that needed answers, or a later one, from being removed for their age.
func (l *Log) KeepFor(needed func() uint64) { l.progress.needed.Store(&needed) }

// held says whether the record of that number is still needed by somebody.
func (p *progress) held(sequence uint64) bool {
	needed := p.needed.Load()
	return needed != nil && (*needed)() <= sequence
}

// Dir is the directory that the trail is in.
func (l *Log) Dir() string { return l.files.dir }

// Link is where a line says that it stands in the chain.
type Link struct {
	Sequence uint64 `json:"sequence"`
	Digest   string `json:"digest"`
}

// LinkOf is what a line of the trail, with its line break, says of its place in the chain, and the record without that; false
// for a line that is not of the chain.
func LinkOf(line []byte) (record []byte, says Link, ok bool) {
	record, at, ok := split(line)
	if !ok {
		return nil, Link{}, false
	}
	digest, err := at.Digest.MarshalText()
	return record, Link{at.Sequence, string(digest)}, err == nil
}
