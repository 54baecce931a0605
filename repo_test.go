// Package latchkey_test holds what is true of the repository as a whole. The layers below are the map of the code: read
// them first.
package latchkey_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "latchkey/"

// anything is the imports of a package that may import all others.
const anything = "*"

// layers says which packages of this module a package may import, below internal/ where no other root is given. What is
// not here is not allowed. From the bottom up: what knows nothing of the rest; the directory; the AWS side; what puts
// both together.
var layers = map[string]string{
	"internal/admission":   "",
	"internal/certificate": "durable",
	"internal/chaos":       "",
	"internal/durable":     "",
	"internal/event":       "",
	"internal/radius":      "",
	"internal/throttle":    "",
	"internal/fault":       "",
	"internal/ldif":        "",
	"internal/metrics":     "",
	"internal/keytab":      "",
	"internal/forwarder":   "",
	"internal/gssapi":      "",
	"internal/nameserver":  "forwarder",
	"internal/identity":    "durable store",
	"internal/store":       "durable",
	"internal/strict":      "",
	"internal/tracing":     "",

	"internal/directory":                   "ldif",
	"internal/directory/embedded":          "directory store throttle",
	"internal/directory/client":            "directory",
	"internal/directory/directorytest":     "certificate directory directory/samba",
	"internal/directory/directorytest/gen": "directory/directorytest",
	"internal/directory/remote":            "directory directory/client",
	"internal/directory/samba":             "directory directory/client durable forwarder keytab",
	"internal/ldapserver":                  "admission directory gssapi throttle",
	"internal/kdc":                         "admission directory directory/embedded throttle",
	"internal/lifecycle":                   "directory directory/client directory/embedded directory/remote directory/samba event forwarder keytab radius store",

	"internal/backup":         "audit directory/samba durable masterkey store",
	"internal/masterkey":      "audit directory/embedded durable store",
	"internal/audit/delivery": "audit durable",
	"internal/cloudtrail":     "audit fault operation wire",

	"internal/audit":     "durable identity",
	"internal/authz":     "fault identity",
	"internal/operation": "fault identity",
	"internal/sigv4":     "fault identity",
	"internal/wire":      "fault",
	"internal/wire/gen":  "",
	"internal/oidc":      "",
	"internal/sts":       "authz durable fault identity oidc strict",
	"internal/gateway":   "chaos sts wire fault operation sigv4 authz identity admission audit throttle",
	"internal/ds/gen":    "admin cloudtrail ds dsdata operation wire",
	"internal/admin":     "authz backup chaos wire fault operation directory directory/remote ds lifecycle store identity keytab sts",
	"internal/ds":        "wire fault operation directory event lifecycle store identity",
	"internal/dsdata":    "wire fault operation directory ds lifecycle store",

	"internal/config": "audit/delivery event sts strict throttle",
	"internal/seed":   "wire directory directory/remote store lifecycle strict",
	"internal/app":    anything,
	"cmd/latchkey":    "audit backup masterkey app authz config seed admin ds dsdata identity ldif sigv4 wire durable",
}

// free are the roots of programs and tests that may import anything.
var free = []string{"test/", "latchkeytest"}

// forbidden are package names that say nothing.
var forbidden = []string{"common", "helper", "helpers", "lib", "misc", "mock", "mocks", "model", "models", "pkg", "shared", "type", "types", "util", "utils"}

// file is a Go file that is not a test.
type file struct {
	path, dir string
	generated bool
	ast       *ast.File
	positions *token.FileSet
}

func (f file) at(node ast.Node) string { return f.positions.Position(node.Pos()).String() }

func files(t *testing.T) []file {
	t.Helper()
	var all []file
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".")):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go"):
			return nil
		}
		positions := token.NewFileSet()
		parsed, err := parser.ParseFile(positions, name, nil, parser.ParseComments)
		if err == nil {
			all = append(all, file{filepath.ToSlash(name), path.Dir(filepath.ToSlash(name)), ast.IsGenerated(parsed), parsed, positions})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no Go file found")
	}
	return all
}

func isFree(dir string) bool {
	return slices.ContainsFunc(free, func(root string) bool { return strings.HasPrefix(dir+"/", root) })
}

func TestLayers(t *testing.T) {
	checked := 0
	for _, f := range files(t) {
		if isFree(f.dir) {
			continue
		}
		layer, ok := layers[f.dir]
		if !ok {
			t.Errorf("%s: the package is not in layers", f.path)
			continue
		}
		for _, imported := range f.ast.Imports {
			name, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			within, ours := strings.CutPrefix(name, module)
			if !ours {
				continue
			}
			checked++
			if layer != anything && !slices.Contains(strings.Fields(layer), strings.TrimPrefix(within, "internal/")) {
				t.Errorf("%s: %s must not import %s", f.at(imported), f.dir, within)
			}
		}
	}
	if checked == 0 {
		t.Fatal("no import checked")
	}
}

func TestLayersNameEachOther(t *testing.T) {
	for importer, imports := range layers {
		for name := range strings.FieldsSeq(imports) {
			if _, ok := layers["internal/"+name]; !ok && name != anything {
				t.Errorf("%s: there is no internal/%s", importer, name)
			}
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, f := range files(t) {
		for part := range strings.SplitSeq(f.dir, "/") {
			if slices.Contains(forbidden, part) {
				t.Errorf("%s: %q says nothing about what is in it", f.path, part)
			}
		}
		if name := f.ast.Name.Name; name != "main" && name != path.Base(f.dir) {
			t.Errorf("%s: package %s is in the folder %s", f.path, name, f.dir)
		}
	}
}

func TestPackageComments(t *testing.T) {
	documented := map[string]int{}
	for _, f := range files(t) {
		documented[f.dir] += 0
		if f.ast.Doc != nil {
			documented[f.dir]++
		}
	}
	for dir, count := range documented {
		if count != 1 {
			t.Errorf("%s: %d files have a package comment; one has to", dir, count)
		}
	}
}

// obvious are the methods whose contract is an interface's.
var obvious = []string{"Error", "Unwrap", "String", "GoString", "Format", "LogValue", "MarshalJSON", "UnmarshalJSON", "Len", "Less", "Swap", "Read", "Write", "Close"}

func TestExportedNamesHaveDocs(t *testing.T) {
	checked := 0
	for _, f := range files(t) {
		if f.generated || f.ast.Name.Name == "main" {
			continue
		}
		for _, declaration := range f.ast.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && !(d.Recv != nil && slices.Contains(obvious, d.Name.Name)) {
					checked++
					if d.Doc == nil {
						t.Errorf("%s: %s has no comment", f.at(d), d.Name.Name)
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					name, documented := specification(spec)
					if name.IsExported() {
						checked++
						if !documented && d.Doc == nil {
							t.Errorf("%s: %s has no comment", f.at(spec), name.Name)
						}
					}
				}
			}
		}
	}
	if checked == 0 {
		t.Fatal("no exported name found")
	}
}

// specification is the first name that a type, constant or variable declares, and whether a comment stands at it.
func specification(spec ast.Spec) (*ast.Ident, bool) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		return s.Name, s.Doc != nil || s.Comment != nil
	case *ast.ValueSpec:
		return s.Names[0], s.Doc != nil || s.Comment != nil
	}
	return ast.NewIdent("_"), true
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok && !exported {
			exported = name.IsExported()
			return false
		}
		return true
	})
	return exported
}

func TestNoInit(t *testing.T) {
	for _, f := range files(t) {
		for _, declaration := range f.ast.Decls {
			if d, ok := declaration.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" {
				t.Errorf("%s: wiring belongs into internal/app, not into init", f.at(d))
			}
		}
	}
}

var (
	lowerUpper   = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	acronymUpper = regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`)
)

// snake is the AWS CLI's name of an operation, with underscores.
func snake(operation string) string {
	return strings.ToLower(lowerUpper.ReplaceAllString(acronymUpper.ReplaceAllString(operation, "${1}_$2"), "${1}_$2"))
}

// TestOperationsHaveTheirFiles makes the CLI's name the path: `aws ds reset-user-password` is resetUserPassword in
// reset_user_password.go.
func TestOperationsHaveTheirFiles(t *testing.T) {
	built := 0
	all := files(t)
	for _, table := range all {
		if path.Base(table.path) != "table.go" {
			continue
		}
		for _, operation := range operations(table.ast) {
			built++
			name := path.Join(table.dir, snake(operation)+".go")
			function := strings.ToLower(operation[:1]) + operation[1:]
			at := slices.IndexFunc(all, func(f file) bool { return f.path == name })
			if at < 0 {
				t.Errorf("%s: no file %s", operation, name)
				continue
			}
			if !slices.ContainsFunc(all[at].ast.Decls, func(d ast.Decl) bool {
				f, ok := d.(*ast.FuncDecl)
				return ok && f.Name.Name == function
			}) {
				t.Errorf("%s: no func %s in %s", operation, function, name)
			}
		}
	}
	if built == 0 {
		t.Fatal("no built operation found")
	}
}

// operations is the names that a table gives to operation.New.
func operations(table *ast.File) (names []string) {
	ast.Inspect(table, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || function.Sel.Name != "New" {
			return true
		}
		if of, ok := function.X.(*ast.Ident); !ok || of.Name != "operation" {
			return true
		}
		if literal, ok := call.Args[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if name, err := strconv.Unquote(literal.Value); err == nil {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

func TestOperationsAreNamedAsTheCLINamesThem(t *testing.T) {
	for operation, want := range map[string]string{
		"ResetUserPassword": "reset_user_password", "CreateMicrosoftAD": "create_microsoft_ad", "EnableLDAPS": "enable_ldaps",
		"DescribeLDAPSSettings": "describe_ldaps_settings", "StartADAssessment": "start_ad_assessment", "AddIpRoutes": "add_ip_routes",
	} {
		if got := snake(operation); got != want {
			t.Errorf("%s: %s, want %s", operation, got, want)
		}
	}
}

var namedTest = regexp.MustCompile("`([a-z0-9/]+)`((?:,? ?(?:Test[A-Za-z0-9_]+|Run\\b))+)")

// TestThreats: each test that docs/security.md names is there.
func TestThreats(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, found := range namedTest.FindAllStringSubmatch(string(text), -1) {
		var sources strings.Builder
		paths, err := filepath.Glob(found[1] + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(source)
		}
		for name := range strings.FieldsFuncSeq(found[2], func(r rune) bool { return r == ',' || r == ' ' }) {
			named++
			if !strings.Contains(sources.String(), "\nfunc "+name+"(") {
				t.Errorf("%s has no %s", found[1], name)
			}
		}
	}
	if named < 60 {
		t.Errorf("only %d tests are named", named)
	}
}
