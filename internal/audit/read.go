package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Read visits the records in dir, oldest first, each with its whole line. The server may be running; a record that it is
// writing is left out. What visit returns ends it.
func Read(dir string, visit func(e *Event, line []byte) error) error {
	// The current file before the names of the others: a file that is rotated meanwhile is then found once.
	current, err := os.Open(filepath.Join(dir, LogFile))
	if err != nil {
		return err
	}
	defer current.Close()
	info, err := current.Stat()
	if err != nil {
		return err
	}
	before, err := RotatedFiles(dir)
	if err != nil {
		return err
	}
	for _, first := range before {
		file, err := os.Open(filepath.Join(dir, RotatedFile(first)))
		if err != nil {
			return err
		}
		other, err := file.Stat()
		if err == nil && !os.SameFile(info, other) {
			err = readFile(file, visit)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return readFile(current, visit)
}

func readFile(file *os.File, visit func(*Event, []byte) error) error {
	lines := bufio.NewReaderSize(file, 256<<10)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s:%d: %w (hint: latchkey audit verify tells what is wrong)", file.Name(), number, err)
		}
		if err := visit(&e, line[:len(line)-1]); err != nil {
			return err
		}
	}
}
