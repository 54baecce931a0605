package main

import (
	"fmt"
	"os"

	"latchkey/internal/seed"
)

type seedCommand struct {
	Check seedCheckCommand `cmd:"" help:"Read a seed file as serve --seed would, and tell every problem."`
}

type seedCheckCommand struct {
	File string `arg:"" help:"The seed file."`
}

// Run reads the file and changes nothing.
func (c *seedCheckCommand) Run(s streams) error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	parsed, err := seed.Parse(file, c.File)
	if err != nil {
		return err
	}
	groups, users := 0, 0
	for _, d := range parsed.Directories {
		groups += len(d.Groups)
		users += len(d.Users)
	}
	_, err = fmt.Fprintf(s.out, "%s: no problems in %s, %s, %s\n", c.File,
		counted(len(parsed.Directories), "directory", "directories"), counted(groups, "group", "groups"), counted(users, "user", "users"))
	return err
}
