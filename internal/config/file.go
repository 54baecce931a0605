package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"latchkey/internal/strict"
)

// File is the configuration file: a flag that fills other flags. Its problems wait for Config.Validate, to be reported
// with all others.
type File struct {
	// Path is the file's name; empty without a file.
	Path  string
	found *[]error
}

// Decode takes the file's name from a flag or the environment.
func (f *File) Decode(ctx *kong.DecodeContext) error {
	f.found = new([]error)
	return ctx.Scan.PopValueInto("file", &f.Path)
}

// BeforeResolve reads the file and lets it fill the flags that neither the command line nor the environment has set.
func (f File) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	named, ok := ctx.FlagValue(trace.Flag).(File)
	if !ok || named.Path == "" {
		return nil
	}
	r := &resolver{values: map[string]any{}}
	*named.found = r.read(named.Path, ctx.Flags())
	ctx.AddResolver(r)
	return nil
}

func (f File) problems() []error {
	if f.found == nil {
		return nil
	}
	return *f.found
}

// resolver is the file's values by the names of the flags.
type resolver struct{ values map[string]any }

// Validate finds nothing: read has compared the file with the flags already.
func (r *resolver) Validate(*kong.Application) error { return nil }

// Resolve is the file's value of a flag; kong asks for those that the command line leaves open, and the environment goes
// before the file.
func (r *resolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return r.values[flag.Name], nil
}

const maxFile = 1 << 20

func (r *resolver) read(path string, flags []*kong.Flag) []error {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("%s is larger than a configuration can be", path)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return []error{&Problem{Text: "--config: " + err.Error()}}
	}
	return r.parse(path, text, flags)
}

// parse takes the values over and returns what is wrong with them.
func (r *resolver) parse(path string, text []byte, flags []*kong.Flag) (problems []error) {
	report := func(line int, hint, format string, args ...any) {
		problems = append(problems, &Problem{Text: fmt.Sprintf("%s:%d: ", path, line) + fmt.Sprintf(format, args...), Hint: hint})
	}
	root, err := strict.Parse(path, string(text))
	switch {
	case err != nil:
		return []error{&Problem{Text: err.Error(), Hint: "write one option a line, such as `listen: 127.0.0.1:4389`"}}
	case root == nil:
		return nil
	}
	known := map[string]*kong.Flag{}
	var names []string
	for _, flag := range flags {
		if flag.Name != "help" && flag.Name != "config" {
			known[flag.Name] = flag
			names = append(names, flag.Name)
		}
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		flag := known[key.Value]
		switch {
		case flag == nil:
			report(key.Line, strict.DidYouMean(key.Value, names), "unknown key %q", key.Value)
			continue
		case seen[key.Value] != 0:
			report(key.Line, "", "%s: given twice, first on line %d", key.Value, seen[key.Value])
			continue
		}
		seen[key.Value] = key.Line
		typed, err := decode(value, flag.Target.Type())
		if err != nil {
			report(value.Line, "", "%s: %v", key.Value, err)
			continue
		}
		r.values[key.Value] = typed
	}
	return problems
}

// decode is a node as kong wants a flag's value, if it is of the flag's type.
func decode(node *yaml.Node, want reflect.Type) (any, error) {
	switch want.Kind() {
	case reflect.Bool:
		var b bool
		if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" || node.Decode(&b) != nil {
			return nil, fmt.Errorf("want true or false, not %s", strict.Describe(node))
		}
		return b, nil
	case reflect.Int:
		var n int
		if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || node.Decode(&n) != nil {
			return nil, fmt.Errorf("want a whole number, not %s", strict.Describe(node))
		}
		return n, nil
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("want a list, not %s", strict.Describe(node))
		}
		values := make([]any, 0, len(node.Content))
		for _, item := range node.Content {
			value, err := decode(item, want.Elem())
			if err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		return values, nil
	case reflect.String:
		text, ok := strict.Text(node)
		if !ok {
			return nil, fmt.Errorf("want a string, not %s", strict.Describe(node))
		}
		return text, nil
	}
	return nil, errors.New("can't be given in a file")
}
