package e2e

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservicedata"
	"github.com/aws/aws-sdk-go-v2/service/directoryservicedata/types"
	"github.com/aws/smithy-go"

	"latchkey/internal/wire"
)

// data calls Directory Service Data by the Go SDK, and looks at every answer on the wire, too.
type data struct {
	t     *testing.T
	s     *server
	model model
	key   string // an account's root, on a developer's server; "" is the server's root key

	mu     *sync.Mutex
	called map[string]int
	seen   map[string]string // an operation by each exception and reason that it had
}

func newData(t *testing.T, s *server) data {
	t.Helper()
	return data{t: t, s: s, model: readModel(t, "dsdata.json", 17), mu: &sync.Mutex{}, called: map[string]int{}, seen: map[string]string{}}
}

// dataAnswer is an answer, and of an exception the reason.
type dataAnswer struct {
	answer
	Reason string
}

// listening keeps the last body that came.
type listening struct{ body []byte }

// RoundTrip implements http.RoundTripper.
func (l *listening) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	l.body, err = io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(l.body))
	return response, err
}

// values are the attributes of an input as the SDK has them.
func values(input any) map[string]types.AttributeValue {
	all := map[string]types.AttributeValue{}
	for name, value := range input.(map[string]any) {
		switch value := value.(type) {
		case string:
			all[name] = &types.AttributeValueMemberS{Value: value}
		case []string:
			all[name] = &types.AttributeValueMemberSS{Value: value}
		case int:
			all[name] = &types.AttributeValueMemberN{Value: int64(value)}
		case bool:
			all[name] = &types.AttributeValueMemberBOOL{Value: value}
		}
	}
	return all
}

// in is a call in a Region. An OtherAttributes that is a map has Go's own values.
func (d data) in(region, operation string, input map[string]any) dataAnswer {
	d.t.Helper()
	key, secret := d.s.root()
	if d.key != "" {
		key, secret = d.key, "any"
	}
	heard := &listening{}
	client := directoryservicedata.New(directoryservicedata.Options{
		Region: region, BaseEndpoint: &d.s.API, RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: heard},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
	method := reflect.ValueOf(client).MethodByName(operation)
	if !method.IsValid() {
		d.t.Fatalf("the Go SDK has no operation %s", operation)
	}
	in := reflect.New(method.Type().In(1).Elem())
	plain := maps.Clone(input)
	if other, ok := plain["OtherAttributes"].(map[string]any); ok {
		in.Elem().FieldByName("OtherAttributes").Set(reflect.ValueOf(values(other)))
		delete(plain, "OtherAttributes")
	}
	decode(d.t, encode(d.t, plain), in.Interface())
	results := method.Call([]reflect.Value{reflect.ValueOf(d.t.Context()), in})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.called[operation]++
	if err, failed := results[1].Interface().(error); failed {
		return d.fault(operation, err)
	}
	a := dataAnswer{answer: answer{Status: http.StatusOK}}
	decode(d.t, heard.body, &a.Output)
	if found := d.model.strangers(d.model.Operations[operation].Output.Shape, operation, a.Output); len(found) != 0 {
		d.t.Errorf("the model has no %v", found)
	}
	return a
}

func (d data) fault(operation string, err error) (a dataAnswer) {
	d.t.Helper()
	var response *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &response) || !errors.As(err, &api) {
		d.t.Fatalf("%s: not an answer of the server: %v", operation, err)
	}
	typed := reflect.ValueOf(api).Elem()
	a.Status, a.RequestID, a.Exception, a.Message = response.HTTPStatusCode(), response.ServiceRequestID(), api.ErrorCode(), api.ErrorMessage()
	a.Typed = typed.Type().Name() == a.Exception
	if reason := typed.FieldByName("Reason"); reason.IsValid() {
		a.Reason = reason.String()
	}
	declared := slices.ContainsFunc(d.model.Operations[operation].Errors, func(e struct{ Shape string }) bool { return e.Shape == a.Exception })
	if a.Typed && !declared {
		d.t.Errorf("%s does not declare %s", operation, a.Exception)
	}
	d.seen[strings.TrimSuffix(a.Exception+" "+a.Reason, " ")] = operation
	return a
}

func (d data) call(operation string, input map[string]any) dataAnswer {
	d.t.Helper()
	return d.in(home, operation, input)
}

// yes is what a call gives that must succeed.
func (d data) yes(operation string, input map[string]any) map[string]any {
	d.t.Helper()
	a := d.call(operation, input)
	if a.Exception != "" {
		d.t.Fatalf("%s %v: %s %s", operation, input, a.answer, a.Reason)
	}
	return a.Output
}

var dataStatus = map[string]int{
	"AccessDeniedException": 403, "ConflictException": 409, "DirectoryUnavailableException": 400, "InternalServerException": 500,
	"ResourceNotFoundException": 404, "ThrottlingException": 429, "ValidationException": 400,
}

// refused holds an answer against the exception and the reason that it should have: "Exception REASON".
func (a dataAnswer) refused(t *testing.T, want, text string) {
	t.Helper()
	exception, reason, _ := strings.Cut(want, " ")
	if a.Exception != exception || a.Reason != reason || !a.Typed || a.Status != dataStatus[exception] {
		t.Errorf("got %s %q (typed: %v), want %s", a.answer, a.Reason, a.Typed, want)
	} else if !strings.Contains(a.Message, text) || a.Message == "" {
		t.Errorf("the message is %q, want %q in it", a.Message, text)
	}
}

func (d data) no(operation string, input map[string]any, want, text string) {
	d.t.Helper()
	d.call(operation, input).refused(d.t, want, text)
}

// all is a list from its first page to its last, each item by its name.
func (d data) all(operation, member string, input map[string]any, between func(page int)) []string {
	d.t.Helper()
	var names []string
	input = maps.Clone(input)
	for page := 1; page < 1000; page++ {
		out := d.yes(operation, input)
		items, _ := out[member].([]any)
		if most, ok := input["MaxResults"].(int); ok && len(items) > most {
			d.t.Errorf("%s: %d items on a page of %d", operation, len(items), most)
		}
		for _, item := range items {
			names = append(names, item.(map[string]any)["SAMAccountName"].(string))
		}
		token, more := out["NextToken"]
		if !more {
			return names
		}
		if between != nil {
			between(page)
		}
		input["NextToken"] = token
	}
	d.t.Fatalf("%s: no end", operation)
	return nil
}

// dataWorld is a Managed Microsoft AD of one of the engines, whose data access is enabled.
type dataWorld struct {
	data

	id, name, netbios string
	// ldap is the entries that ldapsearch finds, as the directory's administrator sees them.
	ldap func(t *testing.T, filter string, attributes ...string) string
	// login is AD's data code for a refused login, "" for one that is let in.
	login func(t *testing.T, user, password string) string
	// remove deletes an entry by LDAP.
	remove func(t *testing.T, dn string)
}

func (w dataWorld) base() string    { return "DC=" + strings.ReplaceAll(w.name, ".", ",DC=") }
func (w dataWorld) usersDN() string { return "OU=Users,OU=" + w.netbios + "," + w.base() }

// of is an input about the directory.
func (w dataWorld) of(more ...any) map[string]any { return of(w.id, more...) }

func enableDataAccess(t *testing.T, call caller, id string) {
	t.Helper()
	call(t, home, "EnableDirectoryDataAccess", of(id)).accepted(t)
	await(t, "data access", func() bool {
		return call(t, home, "DescribeDirectoryDataAccess", of(id)).Output["DataAccessStatus"] == "Enabled"
	})
}

// TestData holds Directory Service Data on each engine against one suite.
func TestData(t *testing.T) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s := start(t, worldSeed)
		enableDataAccess(t, goClient(t, s), corpID)
		w := dataWorld{
			data: newData(t, s), id: corpID, name: "corp.example.com", netbios: "CORP",
			ldap: func(t *testing.T, filter string, attributes ...string) string {
				said, code := openldap(t, s, "ldapsearch", "", append([]string{"-LLL", "-o", "ldif-wrap=no", "-D", corpAdmin, "-w", adminPassword, "-b", corpBase, filter}, attributes...)...)
				if code != 0 {
					t.Fatalf("ldapsearch %s: %d %s", filter, code, said)
				}
				return said
			},
			login: func(t *testing.T, user, password string) string { return login(t, s, `CORP\`+user, password) },
		}
		w.suite(t)
		w.everythingIsCalled(t)
		s.stop()
		w.trail(t)
		noSecrets(t, s)
		w.provoke(t)
	})
	t.Run("samba", func(t *testing.T) {
		needSamba(t)
		t.Parallel()
		s := start(t, "", onSamba(1, "127.82.31.1"))
		call := goClient(t, s)
		id, _ := call(t, home, "CreateMicrosoftAD", managed("made.example.com")).Output["DirectoryId"].(string)
		awaitStage(t, call, id, "Active")
		enableDataAccess(t, call, id)
		w := onController(newData(t, s), s, id, "127.82.31.1")
		t.Run("own", w.suite)
		w.clear(t)
		// The same domain as somebody else's, reached as the account that has the customer's OU.
		secret := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(secret, []byte(adminPassword), 0o600); err != nil {
			t.Fatal(err)
		}
		other := start(t, "")
		var attached struct{ DirectoryId string }
		body := attach(`"Type":"MicrosoftAD","Name":"made.example.com","ShortName":"MADE","Urls":["ldaps://127.82.31.1"],"CaFile":"` + s.caFile() + `","BindDn":"MADE\\Admin","BindPasswordFile":"` + secret + `"`)
		got := own("AttachDirectory", body).send(t, other)
		decode(t, []byte(got.body), &attached)
		if got.status != http.StatusOK {
			t.Fatal(got.body)
		}
		become(t, goClient(t, other), home, attached.DirectoryId, "Active")
		enableDataAccess(t, goClient(t, other), attached.DirectoryId)
		t.Run("remote", onController(newData(t, other), s, attached.DirectoryId, "127.82.31.1").suite)
	})
}

// onController is the world of a domain controller that a server runs, called by way of any server.
func onController(d data, s *server, id, address string) dataWorld {
	c := domain{s, "made.example.com", "MADE", address}
	w := dataWorld{data: d, id: id, name: c.name, netbios: c.netbios}
	search := func(t *testing.T, user, password, filter string, attributes ...string) (string, int) {
		return c.run(t, "", "ldapsearch", "ldap-utils", append([]string{"-x", "-LLL", "-o", "ldif-wrap=no", "-H", "ldap://" + address, "-ZZ", "-D", user + "@" + c.name, "-w", password, "-b", c.base(), filter}, attributes...)...)
	}
	w.ldap = func(t *testing.T, filter string, attributes ...string) string {
		said, code := search(t, "Admin", adminPassword, filter, attributes...)
		if code != 0 {
			t.Fatalf("ldapsearch %s: %d %s", filter, code, said)
		}
		return said
	}
	w.remove = func(t *testing.T, dn string) { c.as(t, "Admin", "ldapmodify", "dn: "+dn+"\nchangetype: delete\n") }
	w.login = func(t *testing.T, user, password string) string {
		said, code := search(t, user, password, "(sAMAccountName="+user+")", "1.1")
		if code == 0 {
			return ""
		}
		_, rest, _ := strings.Cut(said, "data ")
		data, _, _ := strings.Cut(rest, ",")
		return data
	}
	return w
}

// clear deletes what the suite has made.
func (w dataWorld) clear(t *testing.T) {
	for _, each := range []struct{ list, member, delete string }{{"ListUsers", "Users", "DeleteUser"}, {"ListGroups", "Groups", "DeleteGroup"}} {
		for _, name := range w.all(each.list, each.member, w.of(), nil) {
			if a := w.call(each.delete, w.of("SAMAccountName", name)); a.Exception != "" && a.Reason != "DIRECTORY_AUTH" {
				t.Fatalf("%s %s: %s", each.delete, name, a.answer)
			}
		}
	}
	w.remove(t, "CN=MEMPC,OU=Computers,OU="+w.netbios+","+w.base())
}

// everythingIsCalled: no operation of the model was left out.
func (w dataWorld) everythingIsCalled(t *testing.T) {
	for _, operation := range wire.DSData.Operations() {
		if w.called[operation.Name] == 0 {
			t.Errorf("%s has no call", operation.Name)
		}
	}
}
