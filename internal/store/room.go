package store

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrFull says that the disk has too little room for another write. Nothing was written.
var ErrFull = errors.New("the disk that the store is on is full")

// leastRoom is what must be free on the disk for a write to be begun. etcd ends the process when it can't write, and it
// takes 64 MiB at once when it begins a new file of its log: writes stop in good order before it comes to that.
const leastRoom = 96 << 20

// room fails with ErrFull where etcd in this process has too little left to be safe, after so many bytes more.
func (s *Store) room(more uint64) error {
	if s.server == nil {
		return nil
	}
	var disk syscall.Statfs_t
	dir := s.server.Server.Cfg.DataDir
	if err := syscall.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("look at the store's disk: %w", err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < leastRoom+more { //nolint:gosec // a block's size is positive
		return fmt.Errorf("%w: %d MiB are free in %s, and %d MiB must be", ErrFull, free>>20, dir, (leastRoom+more)>>20)
	}
	return nil
}

// Room fails with ErrFull where the disk has too little left for so many bytes beside the store.
func (s *Store) Room(bytes int64) error {
	return s.room(uint64(max(bytes, 0))) //nolint:gosec // it is not negative
}
