package durable

import (
	"errors"
	"os"
	"syscall"
	"time"
)

const releaseTimeout = time.Second

// Released waits until nobody has the file locked (flock(2)), for a second at most. A program that is being started has copies
// of all descriptors until it runs, and with them the locks of files that this process has closed since: who locks a file that
// this process may have had locked before calls it first.
func Released(path string) {
	for deadline := time.Now().Add(releaseTimeout); locked(path) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

func locked(path string) bool {
	// No program is started meanwhile: none gets a copy of this descriptor.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	// Closing would do, but for the moment in which the kernel looks something up in another thread and holds the file by mistake.
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
	return errors.Is(err, syscall.EWOULDBLOCK)
}
