package e2e

import (
	"bytes"
	"os"
	"sync"
)

// safeBuffer takes a server's log from many goroutines.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// The store ends the process when it can't write: what it says is to be seen.
	if bytes.Contains(p, []byte(`"level":"ERROR"`)) && bytes.Contains(p, []byte(`"component":"etcd"`)) {
		_, _ = os.Stderr.Write(p)
	}
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
