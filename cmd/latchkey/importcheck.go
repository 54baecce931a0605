package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latchkey/internal/dsdata"
	"latchkey/internal/wire"
)

// open opens the file, which is read twice: what standard input has is kept in one that has no name any more.
func (c *userImportCommand) open(in io.Reader) (*os.File, error) {
	if c.File != "-" {
		base := strings.TrimSuffix(c.File, filepath.Ext(c.File))
		if c.State == "" {
			c.State = c.File + ".state"
		}
		if c.Failed == "" {
			c.Failed = base + ".failed" + filepath.Ext(c.File)
		}
		return os.Open(c.File)
	}
	c.File = "standard input"
	file, err := os.CreateTemp("", "latchkey-import-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, in)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// check reads the whole file and reports every row that is wrong.
func (im *importer) check(file *os.File) error {
	all, err := openRows(file)
	if err != nil {
		return inFile(im.File, err)
	}
	seen, wrong := map[string]int{}, 0
	for {
		r, err := all.next()
		if errors.Is(err, io.EOF) {
			break
		}
		im.total++
		bad, isRow := errors.AsType[*rowError](err)
		switch {
		case isRow:
			wrong++
			im.complain(bad.line, bad.reason)
			if r == nil || r.user.SAMAccountName == nil {
				continue
			}
		case err != nil:
			return inFile(im.File, err)
		}
		name := strings.ToLower(*r.user.SAMAccountName)
		if first, ok := seen[name]; ok {
			wrong++
			im.complain(r.line, fmt.Errorf("%s is in line %d already", name, first))
			continue
		}
		seen[name] = r.line
		for attribute := range r.user.OtherAttributes {
			im.others[attribute] = true
		}
		for _, group := range r.groups {
			if _, ok := im.names[group]; !ok {
				im.names[group] = r.line
			}
		}
	}
	if l, ok := all.(*ldifRows); ok {
		im.noUsers = l.others
	}
	switch {
	case wrong > 0:
		return fmt.Errorf("%s: %s of %s %s wrong; nothing was written", im.File, grouped(wrong), counted(im.total, "row", "rows"), form(wrong, "is", "are"))
	case im.total == 0:
		return fmt.Errorf("%s has no users", im.File)
	}
	return nil
}

// inFile is an error in the name of the file, with its hint.
func inFile(file string, err error) error {
	if hinted, ok := errors.AsType[*advised](err); ok {
		return &advised{fmt.Errorf("%s: %w", file, hinted.error), hinted.hint}
	}
	return fmt.Errorf("%s: %w", file, err)
}

// complain says what is wrong with a row, in one line.
func (im *importer) complain(line int, reason error) {
	fmt.Fprintln(im.err, im.complaint(line, reason))
}

func (im *importer) complaint(line int, reason error) string {
	return fmt.Sprintf("%s:%d: %s", im.File, line, strings.ReplaceAll(text(new(reason.Error())), "\n", "; "))
}

// checkAttributes asks whether users have the attributes of the file.
func (im *importer) checkAttributes(ctx context.Context) error {
	for names := range slices.Chunk(slices.Sorted(maps.Keys(im.others)), maxAttributes) {
		in := &dsdata.DescribeUserRequest{DirectoryId: im.id, SAMAccountName: new(administrator), OtherAttributes: names}
		_, err := im.session.call(ctx, wire.DSData, "DescribeUser", in, &dsdata.DescribeUserResult{})
		if isException(err, "ValidationException") {
			return fmt.Errorf("%s: %w; nothing was written", im.File, err)
		} else if err != nil && !isException(err, "ResourceNotFoundException", "AccessDeniedException") {
			return err
		}
	}
	return nil
}

// checkGroups asks for each group of the file.
func (im *importer) checkGroups(ctx context.Context) error {
	var missing []error
	names := slices.SortedFunc(maps.Keys(im.names), func(a, b string) int { return cmp.Or(im.names[a]-im.names[b], strings.Compare(a, b)) })
	for _, name := range names {
		in := &dsdata.DescribeGroupRequest{DirectoryId: im.id, SAMAccountName: &name}
		_, err := im.session.call(ctx, wire.DSData, "DescribeGroup", in, &dsdata.DescribeGroupResult{})
		switch {
		case isException(err, "ResourceNotFoundException"):
			missing = append(missing, &advised{fmt.Errorf("%s:%d: there is no group %s; nothing was written", im.File, im.names[name], name), "latchkey group create '" + name + "' makes it"})
		case err != nil:
			return err
		}
	}
	return errors.Join(missing...)
}
