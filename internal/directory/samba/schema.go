package samba

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"latchkey/internal/directory"
)

//go:embed schema.py
var schemaProgram []byte

// schemaLimit is how long an extension of the schema may take.
const schemaLimit = 5 * time.Minute

// ExtendSchema adds to the domain's schema what it does not have yet, at its first domain controller, and waits until the others
// have it. Errors that wrap directory.ErrSchema are final.
func (e *Engine) ExtendSchema(ctx context.Context, d directory.Domain, definitions []directory.SchemaDefinition) error {
	at, ctx, done, err := e.begin(ctx, d.ID)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, schemaLimit)
	defer cancel()
	source, err := at.working("")
	if err != nil {
		return err
	}
	request, err := schemaRequest(definitions)
	if err != nil {
		return err
	}
	path, input := source.folder.at("etc/schema.py"), source.folder.at("etc/schema.json")
	defer func() { _ = os.Remove(input) }()
	if err := errors.Join(os.WriteFile(path, schemaProgram, 0o600), os.WriteFile(input, request, 0o600)); err != nil {
		return err
	}
	if err := e.tool(ctx, source.folder, source.current(), nil, "/usr/bin/python3", "-I", path, input); err != nil {
		if _, said, found := strings.Cut(err.Error(), "schema: "); found {
			return fmt.Errorf("%w: %s", directory.ErrSchema, said)
		}
		return err
	}
	for _, r := range at.all() {
		if r != source && r.health().Up {
			if err := source.reaches(ctx, d, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// schemaRequest is what the program reads, from a file.
func schemaRequest(definitions []directory.SchemaDefinition) ([]byte, error) {
	type change struct {
		Op        string   `json:"op"`
		Attribute string   `json:"attribute"`
		Values    []string `json:"values"`
	}
	type record struct {
		Line    int      `json:"line"`
		DN      string   `json:"dn"`
		Modify  bool     `json:"modify"`
		Changes []change `json:"changes"`
	}
	records := make([]record, len(definitions))
	for i, d := range definitions {
		records[i] = record{Line: d.Line, DN: d.DN, Modify: d.Modify}
		for _, c := range d.Changes {
			values := make([]string, len(c.Values))
			for j, value := range c.Values {
				values[j] = base64.StdEncoding.EncodeToString([]byte(value))
			}
			records[i].Changes = append(records[i].Changes, change{string(c.Op), c.Attribute, values})
		}
	}
	return json.Marshal(records)
}
