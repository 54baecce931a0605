package durable

import (
	"fmt"
	"io"
	"os"
)

// ReadSmall is what a file holds that somebody has written by hand: at most 1 MiB.
func ReadSmall(path string) ([]byte, error) {
	const most = 1 << 20
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return text, err
}
