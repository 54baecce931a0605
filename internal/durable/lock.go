package durable

import "syscall"

// Released returns when whatever this process has closed is closed indeed. A program that is being started has copies of all
// descriptors until it runs, and with them the locks on their files (flock(2)): who locks a file that this process may have had
// locked before calls it first.
func Released() {
	syscall.ForkLock.RLock() // writers hold it from before the fork until the program runs
	//nolint:staticcheck // there is nothing to do but wait
	syscall.ForkLock.RUnlock()
}
