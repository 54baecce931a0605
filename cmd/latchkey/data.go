package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"latchkey/internal/ds"
	"latchkey/internal/dsdata"
	"latchkey/internal/wire"
)

// data is the directory whose users and groups a command is about.
type data struct {
	client
	Directory string `name:"directory" env:"LATCHKEY_DIRECTORY" placeholder:"d-…" group:"Server" help:"The directory, or its name; without it, the only one that there is."`
}

// open is a session, and the directory's ID.
func (d *data) open(ctx context.Context) (*session, *string, error) {
	s, err := d.connect()
	if err != nil {
		return nil, nil, err
	}
	if strings.HasPrefix(d.Directory, "d-") {
		return s, &d.Directory, nil
	}
	all, err := s.directories(ctx)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, each := range all {
		if d.Directory != "" && isOneOf(d.Directory, text(each.Name), text(each.ShortName)) {
			return s, each.DirectoryId, nil
		}
		names = append(names, text(each.DirectoryId)+" ("+text(each.Name)+")")
	}
	switch there := strings.Join(names, ", "); {
	case len(all) == 0:
		return nil, nil, &advised{fmt.Errorf("the server has no directory in %s", d.Region), "--region chooses another Region; aws ds create-microsoft-ad, or a seed, makes a directory"}
	case d.Directory != "":
		return nil, nil, fmt.Errorf("there is no directory %s in %s; there is %s", d.Directory, d.Region, there)
	case len(all) > 1:
		return nil, nil, &advised{fmt.Errorf("which of %d directories? %s", len(all), there), "--directory or LATCHKEY_DIRECTORY chooses one"}
	}
	return s, all[0].DirectoryId, nil
}

// directories are those of the Region.
func (s *session) directories(ctx context.Context) (all []ds.DirectoryDescription, err error) {
	for in := (&ds.DescribeDirectoriesRequest{}); ; {
		var out ds.DescribeDirectoriesResult
		if _, err := s.call(ctx, wire.DS, "DescribeDirectories", in, &out); err != nil {
			return nil, err
		}
		all = append(all, out.DirectoryDescriptions...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return all, nil
		}
	}
}

// tell makes one call about the directory and writes what came of it: the server's JSON, or the text.
func (d *data) tell(s streams, operation string, in func(id *string) any, out any, write func(io.Writer)) error {
	ctx := context.Background()
	session, id, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	answer, err := session.call(ctx, wire.DSData, operation, in(id), out)
	switch {
	case err != nil:
		return err
	case d.Output == "json":
		return writeJSON(s.out, answer)
	}
	write(s.out)
	return nil
}

// mostOfPage is the longest page that the API gives.
const mostOfPage = int32(250)

// elements calls row with each element of the list that is a member of a paged operation's answers. in makes the request for
// the page that token names.
func (s *session) elements(ctx context.Context, operation, member string, in func(token *string) any, row func(json.RawMessage) error) error {
	for token := (*string)(nil); ; {
		var page map[string]json.RawMessage
		if _, err := s.call(ctx, wire.DSData, operation, in(token), &page); err != nil {
			return err
		}
		var next struct{ NextToken *string }
		var elements []json.RawMessage
		for into, from := range map[any]string{&next.NextToken: "NextToken", &elements: member} {
			if raw := page[from]; raw != nil {
				if err := json.Unmarshal(raw, into); err != nil {
					return s.stranger(from)
				}
			}
		}
		for _, each := range elements {
			if err := row(each); err != nil {
				return err
			}
		}
		if token = next.NextToken; token == nil {
			return nil
		}
	}
}

// list writes all elements of a paged operation as they come: as a table, or in one document of the server's JSON.
func list[T any](d *data, s streams, operation, member string, in func(id, token *string) any, columns []string, cells func(T) []string) error {
	ctx := context.Background()
	session, id, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer session.http.CloseIdleConnections()
	request := func(token *string) any { return in(id, token) }
	if d.Output == "json" {
		return session.writeElements(ctx, s.out, operation, member, request)
	}
	table := newTable(s.out, columns...)
	err = session.elements(ctx, operation, member, request, func(raw json.RawMessage) error {
		var element T
		if err := json.Unmarshal(raw, &element); err != nil {
			return session.stranger(member)
		}
		return table.row(cells(element)...)
	})
	if err != nil {
		return err
	}
	return table.flush()
}

// writeElements writes the document of list. It begins when the first answer is there.
func (s *session) writeElements(ctx context.Context, w io.Writer, operation, member string, in func(token *string) any) error {
	head, separator := "{\n  \""+member+"\": [", ""
	err := s.elements(ctx, operation, member, in, func(raw json.RawMessage) error {
		var lines bytes.Buffer
		lines.WriteString(head + separator + "\n    ")
		if err := json.Indent(&lines, raw, "    ", "  "); err != nil {
			return err
		}
		head, separator = "", ","
		_, err := lines.WriteTo(w)
		return err
	})
	if err != nil {
		return err
	}
	if head != "" {
		_, err = fmt.Fprintln(w, head+"]\n}")
		return err
	}
	_, err = fmt.Fprintln(w, "\n  ]\n}")
	return err
}

// attributes are NAME=VALUE as the command line has them; those of one name are the values of one attribute.
type attributes []string

// Validate tells what is no attribute.
func (all attributes) Validate() error {
	for _, each := range all {
		if name, value, _ := strings.Cut(each, "="); name == "" || value == "" {
			return fmt.Errorf("%q is not NAME=VALUE", each)
		}
	}
	return nil
}

// values are the attributes as the API has them; nil for none, as it takes an empty map for a mistake.
func (all attributes) values() map[string]dsdata.AttributeValue {
	if len(all) == 0 {
		return nil
	}
	texts := map[string][]string{}
	for _, each := range all {
		name, value, _ := strings.Cut(each, "=")
		texts[name] = append(texts[name], value)
	}
	values := map[string]dsdata.AttributeValue{}
	for name, each := range texts {
		values[name] = attributeValue(name, each)
	}
	return values
}

// numbers are the attributes with a value that the API wants as a number, and truths those that are true or false.
const (
	numbers = " accountexpires codepage countrycode gidnumber uidnumber "
	truths  = " showinadvancedviewonly "
)

// attributeValue is the union that holds an attribute's value, or more than one.
func attributeValue(name string, values []string) dsdata.AttributeValue {
	key := " " + strings.ToLower(name) + " "
	switch {
	case len(values) > 1:
		return dsdata.AttributeValue{SS: values}
	case strings.Contains(numbers, key):
		if n, err := strconv.ParseInt(values[0], 10, 64); err == nil {
			return dsdata.AttributeValue{N: &n}
		}
	case strings.Contains(truths, key):
		if b, err := strconv.ParseBool(values[0]); err == nil {
			return dsdata.AttributeValue{BOOL: &b}
		}
	}
	return dsdata.AttributeValue{S: &values[0]}
}

// texts are the values in a union.
func texts(value dsdata.AttributeValue) []string {
	switch {
	case value.S != nil:
		return []string{*value.S}
	case value.N != nil:
		return []string{fmt.Sprint(*value.N)}
	case value.BOOL != nil:
		return []string{strings.ToUpper(fmt.Sprint(*value.BOOL))}
	}
	return value.SS
}
