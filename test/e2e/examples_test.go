package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"latchkey/internal/config"
)

// TestExamples: the examples in other languages' frameworks pass when they are copied, and what the YAML files say starts a server
// that their applications reach.
func TestExamples(t *testing.T) {
	t.Parallel()
	latchkey := filepath.Join(t.TempDir(), "latchkey")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", latchkey, "latchkey/cmd/latchkey").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	t.Run("all", func(t *testing.T) {
		for name, run := range map[string]func(*testing.T, string){"pytest": pytest, "jest": jest, "compose": compose, "actions": actions} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(t, latchkey)
			})
		}
	})
}

// copied is a copy of the examples.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// passes runs a command in a folder and returns what it says.
func passes(t *testing.T, dir string, environment []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + t.TempDir(), "LANG=C.UTF-8"}, environment...)
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, said)
	}
	return string(said)
}

func pytest(t *testing.T, latchkey string) {
	python := program(t, "python3", "python3-boto3")
	if exec.CommandContext(t.Context(), python, "-c", "import boto3, pytest").Run() != nil {
		missing(t, "boto3 or pytest", "apt-get install python3-boto3 python3-pytest")
	}
	program(t, "ldapwhoami", "ldap-utils")
	said := passes(t, filepath.Join(copied(t), "pytest"), []string{"LATCHKEY=" + latchkey}, python, "-m", "pytest", "-q")
	if !strings.Contains(said, "4 passed") {
		t.Error(said)
	}
}

func jest(t *testing.T, latchkey string) {
	dir := filepath.Join(copied(t), "jest")
	if err := os.Symlink(filepath.Join(nodeModules(t, "../../examples/jest"), "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	said := passes(t, dir, []string{"LATCHKEY=" + latchkey}, "npm", "test")
	if !strings.Contains(said, "3 passed, 3 total") {
		t.Error(said)
	}
}

// read decodes a YAML file, which has nothing that out has not.
func read(t *testing.T, name string, out any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// freely is an environment in which a server takes free ports, although the example does not say so.
var freely = []string{"LATCHKEY_FREE_PORTS=true"}

// usual is the address that a server has unless it is told another one.
func usual(t *testing.T) string {
	t.Helper()
	field, _ := reflect.TypeFor[config.Config]().FieldByName("Listen")
	return "http://" + field.Tag.Get("default")
}

// reaches makes a call as an application does that has this environment and finds the server at api.
func reaches(t *testing.T, application map[string]string, api string) {
	t.Helper()
	if got, want := application["AWS_ENDPOINT_URL_DIRECTORY_SERVICE"], usual(t); got != want {
		t.Errorf("the application's endpoint is %q, the server's %s", got, want)
	}
	environment := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
	for name, value := range application {
		environment = append(environment, name+"="+value)
	}
	said := passes(t, t.TempDir(), environment, program(t, "aws", "awscli"), "--region", application["AWS_REGION"], "--endpoint-url", api, "ds", "describe-directories")
	if !strings.Contains(said, `"d-1234567890"`) {
		t.Error(said)
	}
}

// compose runs the service as the Compose file has it, but for the container.
func compose(t *testing.T, latchkey string) {
	const dir = "../../examples/compose"
	var file struct {
		Services map[string]struct {
			Image          string
			Build          struct{ Context, Dockerfile string }
			Command        []string
			Volumes, Ports []string
			NetworkMode    string `yaml:"network_mode"`
			Environment    map[string]string
		}
	}
	read(t, filepath.Join(dir, "compose.yaml"), &file)
	service, application := file.Services["latchkey"], file.Services["application"]
	if application.NetworkMode != "service:latchkey" || len(service.Command) == 0 {
		t.Fatalf("%+v", file)
	}
	dockerfile, err := os.ReadFile(filepath.Join(dir, service.Build.Context, service.Build.Dockerfile))
	if err != nil {
		t.Fatal(err)
	}
	modules, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(modules[bytes.Index(modules, []byte("\ngo "))+4:][:4]))
	for _, line := range []string{"FROM golang:" + version + " AS build", "RUN CGO_ENABLED=0 go build -trimpath -o /latchkey ./cmd/latchkey", "COPY --from=build /latchkey /latchkey", `ENTRYPOINT ["/latchkey"]`} {
		if !slices.Contains(strings.Split(string(dockerfile), "\n"), line) {
			t.Errorf("the Dockerfile has no %q", line)
		}
	}
	command := slices.Clone(service.Command)
	for _, volume := range service.Volumes {
		from, to, _ := strings.Cut(strings.TrimSuffix(volume, ":ro"), ":")
		for i := range command {
			if command[i] == to {
				command[i] = filepath.Join(dir, from)
			}
		}
	}
	run := exec.CommandContext(t.Context(), latchkey, command...)
	run.Env = freely
	out, err := run.StdoutPipe()
	if err == nil {
		err = run.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		_ = run.Wait()
	})
	var ready server
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	reaches(t, application.Environment, ready.API)
}

// actions runs the steps of the workflow, in a folder that is as the runner's.
func actions(t *testing.T, latchkey string) {
	var file struct {
		Name string
		On   []string
		Jobs map[string]struct {
			RunsOn string `yaml:"runs-on"`
			Env    map[string]string
			Steps  []struct {
				Name, Uses, Run string
				With            map[string]string
			}
		}
	}
	read(t, "../../examples/github-actions/test.yml", &file)
	job := file.Jobs["test"]
	workspace, temp := t.TempDir(), t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	environment := append(slices.Clone(freely), "RUNNER_TEMP="+temp)
	started := ""
	for _, step := range job.Steps {
		switch script := step.Run; {
		case step.With["path"] != "": // the checkout of Latchkey
			if err := os.Symlink(root, filepath.Join(workspace, step.With["path"])); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(script, "go build -C .latchkey "):
			if want := `go build -C .latchkey -o "$RUNNER_TEMP/latchkey" ./cmd/latchkey`; script != want {
				t.Errorf("%s", script)
			}
			if err := os.Symlink(latchkey, filepath.Join(temp, "latchkey")); err != nil {
				t.Fatal(err)
			}
		case strings.Contains(script, "serve"):
			if err := os.MkdirAll(filepath.Join(workspace, "tests"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(workspace, "tests"), os.DirFS("../../examples/pytest")); err != nil {
				t.Fatal(err)
			}
			passes(t, workspace, environment, "bash", "-e", "-c", script)
			text, err := os.ReadFile(filepath.Join(workspace, "ready.json"))
			if err != nil {
				t.Fatal(err)
			}
			var ready struct {
				API string
				PID int
			}
			decode(t, text, &ready)
			t.Cleanup(func() { _ = syscall.Kill(ready.PID, syscall.SIGTERM) })
			started = ready.API
		case started != "" && path.Base(strings.Fields(script)[0]) == "aws":
			if script != "aws ds describe-directories" {
				t.Errorf("%s", script)
			}
			reaches(t, job.Env, started)
		}
	}
	if started == "" {
		t.Error("no step starts a server")
	}
}
