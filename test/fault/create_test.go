package fault

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

// stages are the directories that the server tells of.
func (s *server) stages(t *testing.T) map[string]string {
	t.Helper()
	status, body, err := s.call(t.Context(), &http.Client{}, "DescribeDirectories", "fault/stages", map[string]string{})
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, body, err)
	}
	var out struct {
		DirectoryDescriptions []struct{ DirectoryID, Name, Stage string }
	}
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatal(err)
	}
	stages := map[string]string{}
	for _, d := range out.DirectoryDescriptions {
		stages[d.Name] = d.Stage
	}
	return stages
}

// TestKillCreation kills the server while it seeds and while it makes and deletes directories. The next one goes on: every
// directory whose creation was acknowledged becomes Active and knows its administrator, every one whose deletion was
// acknowledged goes.
func TestKillCreation(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	seed := writeSeed(t, 1)
	// While it starts for the first time, and seeds.
	for range 4 {
		s, _ := command(t, data, seed)
		if err := s.process.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(300 * time.Millisecond))))
		s.kill()
	}
	s := start(t, data, seed)
	if data := s.login(t, `FAULT\stream0`, firstPassword); data != "" {
		t.Errorf("the seed after four interruptions: data %s", data)
	}
	vpc := map[string]any{"VpcId": "vpc-12345678", "SubnetIds": []string{"subnet-12345678", "subnet-87654321"}}
	for round := range 4 {
		name, netbios := fmt.Sprintf("made%d.example.com", round), fmt.Sprintf("MADE%d", round)
		status, body, err := s.call(t.Context(), &http.Client{}, "CreateMicrosoftAD", "fault/create", map[string]any{"Name": name, "ShortName": netbios, "Password": adminPassword, "VpcSettings": vpc})
		if err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
		var made struct{ DirectoryId string }
		if err := json.Unmarshal(body, &made); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(100 * time.Millisecond))))
		s.kill()
		s = start(t, data, "")
		s.await(t, func(stages map[string]string) bool { return stages[name] == "Active" })
		if data := s.login(t, netbios+`\Admin`, adminPassword); data != "" {
			t.Errorf("%s: data %s", name, data)
		}
		if status, body, err := s.call(t.Context(), &http.Client{}, "DeleteDirectory", "fault/delete", map[string]any{"DirectoryId": made.DirectoryId}); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, body, err)
		}
		s.kill()
		s = start(t, data, "")
		s.await(t, func(stages map[string]string) bool { _, there := stages[name]; return !there })
	}
}

func (s *server) await(t *testing.T, done func(map[string]string) bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done(s.stages(t)) {
		if time.Now().After(deadline) {
			t.Fatalf("the stages stay %v\n%s", s.stages(t), s.stderr.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}
