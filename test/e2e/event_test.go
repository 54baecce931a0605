package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"latchkey/internal/config"
)

// hook takes what is posted to it, unless it is told to refuse.
type hook struct {
	*httptest.Server
	refuse atomic.Bool
	mu     sync.Mutex
	bodies []string
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if h.refuse.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies = append(h.bodies, string(body))
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.bodies...)
}

// happened is the events in lines of JSON: number, account, code and who did it.
func happened(t *testing.T, text string) (all []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		var e struct {
			EventID                                        int
			DirectoryID, Account, Code, By, Target, Domain string
		}
		decode(t, []byte(line), &e)
		if e.DirectoryID != corpID || e.Domain != "corp.example.com" {
			t.Errorf("%s", line)
		}
		all = append(all, fmt.Sprint(e.EventID, " ", e.Account, " ", e.Code, " ", e.By))
	}
	return all
}

// TestLogSubscription: what happens to accounts reaches the file and the endpoint of the log group, in order, and no password does.
func TestLogSubscription(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	file := filepath.Join(t.TempDir(), "corp.jsonl")
	const group = "/aws/directoryservice/" + corpID + "-corp.example.com"
	s := start(t, worldSeed, func(c *config.Config) {
		c.LogGroup = []string{group + "=" + file, "web=" + h.URL + "/events?key=very-secret"}
	})
	call := goClient(t, s)
	subscribe := func(id, group string) answer {
		return call(t, home, "CreateLogSubscription", of(id, "LogGroupName", group))
	}
	listed := func(input map[string]any) string {
		var all []string
		for _, each := range call(t, home, "ListLogSubscriptions", input).list(t, "LogSubscriptions") {
			all = append(all, fmt.Sprint(each["DirectoryId"], " ", each["LogGroupName"]))
		}
		return strings.Join(all, "; ")
	}
	subscribe(corpID, "/nowhere").refused(t, "InsufficientPermissionsException", "--log-group")
	subscribe(labID, group).refused(t, "UnsupportedOperationException", "SimpleAD")
	subscribe(noID, group).refused(t, "EntityDoesNotExistException", noID)
	login(t, s, `CORP\jane`, firstPassword) // nobody is to hear of it
	subscribe(corpID, group).accepted(t)
	subscribe(corpID, group).refused(t, "EntityAlreadyExistsException", "already")
	if got := listed(map[string]any{}); got != corpID+" "+group {
		t.Errorf("listed: %s", got)
	}
	call(t, home, "ListLogSubscriptions", map[string]any{"NextToken": "forged"}).refused(t, "InvalidNextTokenException", "")

	login(t, s, `CORP\jane`, firstPassword)
	login(t, s, `CORP\jane`, nextPassword)
	call(t, home, "ResetUserPassword", reset(corpID, "jane", nextPassword)).accepted(t)
	ldif := "dn: CN=New One,OU=CORP," + corpBase + "\nchangetype: add\nobjectClass: user\nsAMAccountName: new.one\n\n" +
		"dn: CN=New One,OU=CORP," + corpBase + "\nchangetype: delete\n"
	if said, code := openldap(t, s, "ldapmodify", ldif, "-D", corpAdmin, "-w", adminPassword); code != 0 {
		t.Fatalf("%d %s", code, said)
	}
	want := []string{
		"4624 jane  ", "4625 jane 52e ",
		"4724 jane  ", "4738 jane  ", // the reset unlocks as well
		"4624 Admin  ", `4720 new.one  u:CORP\Admin`, `4726 new.one  u:CORP\Admin`,
	}
	var got []string
	await(t, "the events", func() bool {
		text, _ := os.ReadFile(file)
		got = happened(t, string(text))
		return len(got) >= len(want)
	})
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}

	// The same, over HTTP, with an endpoint that is away for a while.
	call(t, home, "DeleteLogSubscription", of(corpID)).accepted(t)
	call(t, home, "DeleteLogSubscription", of(corpID)).refused(t, "EntityDoesNotExistException", "no log subscription")
	subscribe(corpID, "web").accepted(t)
	h.refuse.Store(true)
	login(t, s, `CORP\jane`, nextPassword)
	await(t, "a word in the log", func() bool { return strings.Contains(s.log.String(), "events can't be delivered") })
	login(t, s, `CORP\jane`, firstPassword)
	h.refuse.Store(false)
	await(t, "the events", func() bool { return len(happened(t, strings.Join(h.taken(), ""))) == 2 })
	if got := strings.Join(happened(t, strings.Join(h.taken(), "")), "; "); got != "4624 jane  ; 4625 jane 52e " {
		t.Errorf("over HTTP: %s", got)
	}
	s.stop()
	noSecrets(t, s)
	text, _ := os.ReadFile(file)
	for _, said := range []string{string(text), strings.Join(h.taken(), "")} {
		if strings.Contains(said, marker) {
			t.Error("a password is in an event")
		}
	}
	if strings.Contains(s.log.String(), "very-secret") {
		t.Error("the log has the endpoint's key")
	}
}

// TestEventTopic: the webhook of a topic hears of every stage, in order, also of those that it missed, after a restart too.
func TestEventTopic(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	topics := func(c *config.Config) { c.EventTopic = []string{"DirectoryMonitoring_corp=" + h.URL + "/hook"} }
	s := start(t, worldSeed, topics)
	call := goClient(t, s)
	const topic = "DirectoryMonitoring_corp"
	register := func(id, name string) answer { return call(t, home, "RegisterEventTopic", of(id, "TopicName", name)) }
	state := func(call caller) any {
		return call(t, home, "DescribeEventTopics", of(corpID)).list(t, "EventTopics")[0]["Status"]
	}
	stages := func() string {
		var all []string
		for _, body := range h.taken() {
			var n struct{ Type, MessageId, TopicArn, Subject, Message, Timestamp string }
			if err := json.Unmarshal([]byte(body), &n); err != nil || n.Type != "Notification" || n.TopicArn != "arn:aws:sns:us-east-1:123456789012:"+topic || n.MessageId == "" || n.Timestamp == "" || !strings.Contains(n.Message, corpID) {
				t.Errorf("%v: %s", err, body)
			}
			all = append(all, n.Subject[strings.LastIndex(n.Subject, " ")+1:])
		}
		return strings.Join(all, " ")
	}
	register(corpID, "unknown").refused(t, "EntityDoesNotExistException", "--event-topic")
	register(noID, topic).refused(t, "EntityDoesNotExistException", noID)
	register(corpID, topic).accepted(t)
	register(corpID, topic).accepted(t)
	call(t, home, "DescribeEventTopics", of(corpID, "TopicNames", []string{"other"})).refused(t, "EntityDoesNotExistException", "other")
	if all := call(t, home, "DescribeEventTopics", map[string]any{"TopicNames": []string{topic}}).list(t, "EventTopics"); len(all) != 1 || all[0]["Status"] != "Registered" || all[0]["TopicName"] != topic || all[0]["DirectoryId"] != corpID {
		t.Errorf("%v", all)
	}

	snapshot := completed(t, call, corpID, "before")
	restore := func(call caller) {
		call(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": snapshot}).accepted(t)
		await(t, "Active", func() bool { return described(t, call, home, corpID)["Stage"] == "Active" })
	}
	restore(call)
	await(t, "both stages", func() bool { return stages() == "Restoring Active" })

	h.refuse.Store(true)
	restore(call)
	await(t, "Failed", func() bool { return state(call) == "Failed" })
	s.stop()
	h.refuse.Store(false)
	again := start(t, "", func(c *config.Config) { c.Data = s.data }, topics)
	call = goClient(t, again)
	await(t, "what was missed", func() bool { return stages() == "Restoring Active Restoring Active" })
	await(t, "Registered", func() bool { return state(call) == "Registered" })

	call(t, home, "DeregisterEventTopic", of(corpID, "TopicName", topic)).accepted(t)
	call(t, home, "DeregisterEventTopic", of(corpID, "TopicName", topic)).refused(t, "EntityDoesNotExistException", "not registered")
	restore(call)
	call(t, home, "RegisterEventTopic", of(corpID, "TopicName", topic)).accepted(t)
	call(t, home, "DeleteDirectory", of(corpID)).accepted(t)
	gone(t, call, home, corpID)
	await(t, "the end", func() bool { return stages() == "Restoring Active Restoring Active Deleting Deleted" })
	again.stop()
	unconfigured := start(t, "", func(c *config.Config) { c.Data = again.data })
	unconfigured.stop()
}
