package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

type description struct {
	ID    string `json:"DirectoryId"`
	Name  string
	Stage string
	Type  string
}

func (s *server) directories(t *testing.T) map[string]description {
	t.Helper()
	var out struct{ DirectoryDescriptions []description }
	s.must(t, "DescribeDirectories", map[string]string{}, &out)
	byID := map[string]description{}
	for _, d := range out.DirectoryDescriptions {
		byID[d.ID] = d
	}
	return byID
}

// settle waits until no directory is between two stages.
func (s *server) settle(t *testing.T) map[string]description {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		all := s.directories(t)
		moving := 0
		for _, d := range all {
			if d.Stage != "Active" {
				moving++
			}
		}
		if moving == 0 {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("directories do not come to rest: %v\n%s", all, s.stderr.String())
		}
	}
}

// making is one directory that was asked for.
type making struct {
	name          string
	id            string // "" when there was no answer
	deletionSent  bool
	deletionAcked bool
}

// TestKillLifecycle kills the server while directories are made and deleted. What was acknowledged goes on after the
// restart: a directory comes to be Active and its administrator logs in, a deleted one is gone.
func TestKillLifecycle(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, "")
	for round := range max(2, kills(t)/4) {
		var clients sync.WaitGroup
		makings := make([]*making, 6)
		for i := range makings {
			m := &making{name: fmt.Sprintf("n%d-%d.example.com", round, i)}
			makings[i] = m
			clients.Go(func() { m.make(context.WithoutCancel(t.Context()), t, s, i) })
		}
		time.Sleep(randomly(longestLife))
		s.kill()
		clients.Wait()
		s = start(t, data, "")
		all := s.settle(t)
		active, gone := 0, 0
		for _, m := range makings {
			_, there := all[m.id]
			switch {
			case m.id == "", m.deletionSent && !m.deletionAcked:
				continue
			case m.deletionAcked && there:
				t.Errorf("%s was deleted and is %v", m.name, all[m.id])
			case m.deletionAcked:
				gone++
			case !there:
				t.Errorf("%s was made and is lost", m.name)
			default:
				active++
			}
		}
		for id, d := range all {
			administrator := "Administrator@"
			if d.Type == "MicrosoftAD" {
				administrator = "Admin@"
			}
			if code := s.login(t, administrator+d.Name, adminPassword); code != "" {
				t.Errorf("the administrator of %v: %s", d, code)
			}
			s.must(t, "DeleteDirectory", map[string]string{"DirectoryId": id}, nil)
		}
		if left := s.settle(t); len(left) > 0 {
			t.Errorf("left after deleting all: %v", left)
		}
		t.Logf("round %d: %d of %d acknowledged and active, %d deleted, %d in all", round, active, len(makings), gone, len(all))
		if t.Failed() {
			t.Fatal(s.stderr.String())
		}
	}
	s.stop(t)
}

// make makes a directory and, every other one, deletes it again at once.
func (m *making) make(ctx context.Context, t *testing.T, s *server, i int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	operation := "CreateDirectory"
	in := map[string]any{
		"Name": m.name, "ShortName": strings.ToUpper(m.name[:strings.IndexByte(m.name, '.')]), "Password": adminPassword, "Size": "Small",
		"VpcSettings": map[string]any{"VpcId": "vpc-12345678", "SubnetIds": []string{"subnet-11111111", "subnet-22222222"}},
	}
	if i%3 == 0 {
		operation = "CreateMicrosoftAD"
		delete(in, "Size")
	}
	status, body, err := s.call(ctx, client, operation, "fault/"+m.name, in)
	if err != nil {
		return
	}
	var out struct{ DirectoryId string } //nolint:revive // AWS's name
	if status != http.StatusOK || json.Unmarshal(body, &out) != nil {
		t.Errorf("%s: %d %s", operation, status, body)
		return
	}
	m.id = out.DirectoryId
	if i%2 == 0 {
		return
	}
	time.Sleep(randomly(20 * time.Millisecond))
	m.deletionSent = true
	status, _, err = s.call(ctx, client, "DeleteDirectory", "fault/delete/"+m.name, map[string]string{"DirectoryId": m.id})
	m.deletionAcked = err == nil && status == http.StatusOK
}
