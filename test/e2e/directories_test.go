package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"

	"latchkey/internal/store"
)

func network() map[string]any {
	return map[string]any{"VpcId": "vpc-12345678", "SubnetIds": []string{"subnet-11111111", "subnet-22222222"}}
}

func simple(name string, more ...map[string]any) map[string]any {
	input := map[string]any{"Name": name, "Password": adminPassword, "Size": "Small", "VpcSettings": network()}
	for _, each := range more {
		for member, value := range each {
			input[member] = value
			if value == nil {
				delete(input, member)
			}
		}
	}
	return input
}

func managed(name string) map[string]any {
	return map[string]any{"Name": name, "Password": adminPassword, "VpcSettings": network(), "Edition": "Standard", "ShortName": "MADE", "Description": "Made by a test"}
}

// described is the one description of a directory.
func described(t *testing.T, call caller, region, id string) map[string]any {
	t.Helper()
	a := call(t, region, "DescribeDirectories", map[string]any{"DirectoryIds": []string{id}})
	a.accepted(t)
	list, _ := a.Output["DirectoryDescriptions"].([]any)
	if len(list) != 1 {
		t.Fatalf("%d descriptions in %v", len(list), a.Output)
	}
	return list[0].(map[string]any)
}

// become waits for a stage, which must come by the stages before it.
func become(t *testing.T, call caller, region, id, stage string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		d := described(t, call, region, id)
		if d["Stage"] == stage {
			return d
		}
		if now := d["Stage"]; now != "Requested" && now != "Creating" || time.Now().After(deadline) {
			t.Fatalf("the directory is %v", now)
		}
	}
}

// gone waits for the end of a directory.
func gone(t *testing.T, call caller, region, id string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		a := call(t, region, "DescribeDirectories", map[string]any{"DirectoryIds": []string{id}})
		if a.Exception != "" {
			a.refused(t, "EntityDoesNotExistException", "Directory "+id+" does not exist")
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the directory is there: %v", a.Output)
		}
	}
}

// TestFromNothing: a client alone makes a directory of each type, a user logs in, and the directory goes.
func TestFromNothing(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	var mu sync.Mutex
	var deleted []string
	t.Run("all", func(t *testing.T) {
		for region, each := range map[string]struct {
			name string
			make func(*testing.T, *server) caller
		}{
			"us-east-2": {"gosdk", goClient}, "eu-west-2": {"cli", commandLine}, "eu-west-3": {"boto3", boto3}, "us-west-2": {"js", javaScript}, "eu-north-1": {"curl", curl},
		} {
			t.Run(each.name, func(t *testing.T) {
				t.Parallel()
				call := each.make(t, s)
				for _, kind := range []string{"CreateMicrosoftAD", "CreateDirectory"} {
					id := fromNothing(t, s, call, region, kind, each.name)
					mu.Lock()
					deleted = append(deleted, id)
					mu.Unlock()
				}
			})
		}
	})
	s.stop()
	noSecrets(t, s)
	if len(deleted) != 10 {
		t.Errorf("%d directories were deleted", len(deleted))
	}
	for _, id := range deleted {
		if left := entriesOf(t, s.data, id); left != 0 {
			t.Errorf("%s is gone, and the store holds %d changes of it", id, left)
		}
	}
}

// fromNothing gives back the id of the directory that it made and deleted.
func fromNothing(t *testing.T, s *server, call caller, region, operation, label string) (id string) {
	name := label + ".example.com"
	input, users, admin, wants := managed(name), "OU=Users,OU=MADE", "Admin", map[string]any{
		"Type": "MicrosoftAD", "ShortName": "MADE", "Edition": "Standard", "Description": "Made by a test",
	}
	if operation == "CreateDirectory" {
		input, users, admin = simple(name), "CN=Users", "Administrator"
		wants = map[string]any{"Type": "SimpleAD", "ShortName": strings.ToUpper(label), "Size": "Small"}
	}
	a := call(t, region, operation, input)
	a.accepted(t)
	id, _ = a.Output["DirectoryId"].(string)
	d := become(t, call, region, id, "Active")
	wants["Name"], wants["DirectoryId"], wants["Alias"], wants["AccessUrl"] = name, id, id, id+".awsapps.com"
	for member, want := range wants {
		if d[member] != want {
			t.Errorf("%s is %v, want %v", member, d[member], want)
		}
	}
	for _, absent := range []string{"Password", "password"} {
		if d[absent] != nil {
			t.Errorf("the description has %s", absent)
		}
	}

	base := "DC=" + label + ",DC=example,DC=com"
	bind := admin + "@" + name
	ldif := "dn: CN=Ann Other," + users + "," + base + "\nobjectClass: user\nsAMAccountName: ann\n"
	if said, code := openldap(t, s, "ldapadd", ldif, "-D", bind, "-w", adminPassword); code != 0 {
		t.Fatalf("ldapadd: %d %s", code, said)
	}
	if data := login(t, s, "ann@"+name, nextPassword); data != "52e" {
		t.Errorf("a login without a password: data %q", data)
	}
	call(t, region, "ResetUserPassword", reset(id, "ann", nextPassword)).accepted(t)
	logins(t, s, "ann@"+name, firstPassword, nextPassword)

	a = call(t, region, "DeleteDirectory", map[string]any{"DirectoryId": id})
	a.accepted(t)
	if a.Output["DirectoryId"] != id {
		t.Errorf("DeleteDirectory answers %v", a.Output)
	}
	gone(t, call, region, id)
	call(t, region, "ResetUserPassword", reset(id, "ann", nextPassword)).refused(t, "EntityDoesNotExistException", id)
	call(t, region, "DeleteDirectory", map[string]any{"DirectoryId": id}).refused(t, "EntityDoesNotExistException", id)
	if data := login(t, s, "ann@"+name, nextPassword); data != "525" {
		t.Errorf("a login to a directory that is gone: data %q", data)
	}
	return id
}

// entriesOf counts what the store of a server that has stopped holds of a directory's tree.
func entriesOf(t *testing.T, data, id string) (count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	records, err := store.Open(ctx, store.Options{Dir: filepath.Join(data, "store"), Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	following, stop := context.WithCancel(ctx)
	done, err := records.FollowTree(following, id, func(changes []store.TreeChange) { count += len(changes) }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	<-done
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
	return count
}

// sevenSeed has seven directories in one region.
func sevenSeed() (seed string, ids []string) {
	seed = "directories:\n"
	for i := range 7 {
		id := fmt.Sprintf("d-77000000%02x", i*16)
		ids = append(ids, id)
		seed += fmt.Sprintf("  - {id: %s, type: SimpleAD, name: seven%d.example.com, size: Small, password: %s}\n", id, i, adminPassword)
	}
	return seed, ids
}

func idsOf(a answer) (ids []string) {
	list, _ := a.Output["DirectoryDescriptions"].([]any)
	for _, each := range list {
		ids = append(ids, each.(map[string]any)["DirectoryId"].(string))
	}
	return ids
}

// TestPaging: pages hold every directory once, in the order of their ids, for every client.
func TestPaging(t *testing.T) {
	t.Parallel()
	seed, ids := sevenSeed()
	s := start(t, seed)
	call := goClient(t, s)

	t.Run("Go's paginator", func(t *testing.T) {
		for _, size := range []int32{1, 2, 3, 7, 8} {
			var got []string
			pages := directoryservice.NewDescribeDirectoriesPaginator(goSDK(s, home), &directoryservice.DescribeDirectoriesInput{}, func(o *directoryservice.DescribeDirectoriesPaginatorOptions) { o.Limit = size })
			count := 0
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range page.DirectoryDescriptions {
					got = append(got, *d.DirectoryId)
					if d.Stage != types.DirectoryStageActive {
						t.Errorf("%s is %s", *d.DirectoryId, d.Stage)
					}
				}
				count++
			}
			if want := (7 + int(size) - 1) / int(size); !slices.Equal(got, ids) || count != want {
				t.Errorf("pages of %d: %v on %d pages, want %d", size, got, count, want)
			}
		}
	})
	t.Run("the CLI", func(t *testing.T) {
		list := func(args ...string) (ids []string, token string) {
			out, said, code := runCLI(t, s, home, append([]string{"describe-directories"}, args...)...)
			if code != 0 {
				t.Fatalf("%v: %d %s", args, code, said)
			}
			var a answer
			decode(t, []byte(out), &a.Output)
			token, _ = a.Output["NextToken"].(string)
			return idsOf(a), token
		}
		if got, _ := list("--page-size", "2"); !slices.Equal(got, ids) {
			t.Errorf("--page-size 2: %v", got)
		}
		first, token := list("--page-size", "2", "--max-items", "3")
		if !slices.Equal(first, ids[:3]) || token == "" {
			t.Fatalf("--max-items 3: %v, token %q", first, token)
		}
		rest, token := list("--page-size", "2", "--starting-token", token)
		if !slices.Equal(rest, ids[3:]) || token != "" {
			t.Errorf("the rest: %v, token %q", rest, token)
		}
	})
	t.Run("chosen ones", func(t *testing.T) {
		a := call(t, home, "DescribeDirectories", map[string]any{"DirectoryIds": []string{ids[5], ids[1], ids[5], ids[3]}, "Limit": 2})
		a.accepted(t)
		if got := idsOf(a); !slices.Equal(got, []string{ids[1], ids[3]}) {
			t.Errorf("page 1: %v", got)
		}
		a = call(t, home, "DescribeDirectories", map[string]any{"DirectoryIds": []string{ids[5], ids[1], ids[3]}, "Limit": 2, "NextToken": a.Output["NextToken"]})
		a.accepted(t)
		if got := idsOf(a); !slices.Equal(got, ids[5:6]) || a.Output["NextToken"] != nil {
			t.Errorf("page 2: %v, token %v", got, a.Output["NextToken"])
		}
		call(t, home, "DescribeDirectories", map[string]any{"DirectoryIds": []string{ids[0], noID}}).refused(t, "EntityDoesNotExistException", noID)
	})
	t.Run("limit 0 is no limit", func(t *testing.T) {
		if got := idsOf(call(t, home, "DescribeDirectories", map[string]any{"Limit": 0})); !slices.Equal(got, ids) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("an empty list", func(t *testing.T) {
		a := call(t, "eu-south-1", "DescribeDirectories", map[string]any{})
		a.accepted(t)
		if got := idsOf(a); len(got) != 0 || a.Output["NextToken"] != nil {
			t.Errorf("got %v", a.Output)
		}
	})
	t.Run("tokens", func(t *testing.T) {
		good, _ := call(t, home, "DescribeDirectories", map[string]any{"Limit": 1}).Output["NextToken"].(string)
		if good == "" {
			t.Fatal("no token")
		}
		flipped := []byte(good)
		flipped[len(flipped)/2] ^= 1
		if strings.Contains(good, ids[0]) {
			t.Errorf("the token shows what it is: %s", good)
		}
		for name, c := range map[string]struct{ region, token string }{
			"changed":              {home, string(flipped)},
			"cut":                  {home, good[:len(good)-1]},
			"of another region":    {"eu-west-1", good},
			"nonsense":             {home, "nonsense"},
			"not base64":           {home, "%%%"},
			"an id in base64":      {home, "ZC03NzAwMDAwMDAw"},
			"with something added": {home, good + "AAAA"},
		} {
			for client, call := range map[string]caller{"gosdk": call, "curl": curl(t, s)} {
				t.Run(name+" by "+client, func(t *testing.T) {
					call(t, c.region, "DescribeDirectories", map[string]any{"NextToken": c.token}).
						refused(t, "InvalidNextTokenException", "Invalid value passed for the NextToken parameter")
				})
			}
		}
	})
	t.Run("a token outlives its directory", func(t *testing.T) {
		token := call(t, home, "DescribeDirectories", map[string]any{"Limit": 3}).Output["NextToken"]
		call(t, home, "DeleteDirectory", map[string]any{"DirectoryId": ids[2]}).accepted(t)
		gone(t, call, home, ids[2])
		if got := idsOf(call(t, home, "DescribeDirectories", map[string]any{"NextToken": token})); !slices.Equal(got, ids[3:]) {
			t.Errorf("got %v", got)
		}
	})
}

// TestCreateRefused: what CreateDirectory and CreateMicrosoftAD refuse, they refuse before there is a directory.
func TestCreateRefused(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	call := goClient(t, s)
	with := func(member string, value any) map[string]any {
		return simple("good.example.com", map[string]any{member: value})
	}
	subnets := func(ids ...string) map[string]any {
		return with("VpcSettings", map[string]any{"VpcId": "vpc-12345678", "SubnetIds": ids})
	}
	var tags []map[string]any
	for i := range 51 {
		tags = append(tags, map[string]any{"Key": fmt.Sprint("k", i), "Value": "v"})
	}
	const badName = "Invalid directory name. The directory name must be between 2 and 64 characters"
	for _, c := range []struct {
		name      string
		input     map[string]any
		exception string
		message   string
	}{
		{"no dot", with("Name", "good-name"), "InvalidParameterException", badName},
		{"a long name", with("Name", strings.Repeat("a", 60)+".example.com"), "InvalidParameterException", badName},
		{"no network", with("VpcSettings", nil), "InvalidParameterException", "VpcSettings must be specified."},
		{"one subnet", subnets("subnet-11111111"), "InvalidParameterException", "Invalid subnet ID(s). They must correspond to two subnets in different Availability Zones."},
		{"three subnets", subnets("subnet-11111111", "subnet-22222222", "subnet-33333333"), "InvalidParameterException", "Invalid subnet ID(s)."},
		{"a reserved short name", with("ShortName", "BUILTIN"), "InvalidParameterException", "BUILTIN is a reserved name."},
		{"a long short name", with("ShortName", "ABCDEFGHIJKLMNOP"), "InvalidParameterException", "Invalid short name."},
		{"digits alone", with("ShortName", "12345"), "InvalidParameterException", "Invalid short name."},
		{"too many tags", with("Tags", tags), "InvalidParameterException", "A directory has at most 50 tags."},
		{"a password with the administrator's name", with("Password", marker+"-administrator"), "InvalidParameterException", "the administrator's name (Administrator)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			call(t, home, "CreateDirectory", c.input).refused(t, c.exception, c.message)
		})
	}
	for _, c := range []struct {
		name  string
		input map[string]any
		at    string
	}{
		{"a size", with("Size", "Huge"), "Value 'Huge' at 'size' failed to satisfy constraint: Member must satisfy enum value set: [Small, Large]"},
		{"a simple password", with("Password", "alllettersaresmall"), "Value at 'password' failed to satisfy constraint: Member must satisfy regular expression pattern"},
		{"a subnet", subnets("subnet-1", "subnet-22222222"), "at 'vpcSettings.subnetIds' failed to satisfy constraint"},
		{"a name of one label", with("Name", "a"), "Value 'a' at 'name' failed to satisfy constraint"},
	} {
		t.Run("validation: "+c.name, func(t *testing.T) {
			a := call(t, home, "CreateDirectory", c.input)
			if a.Exception != "ValidationException" || !strings.Contains(a.Message, c.at) || a.Status != http.StatusBadRequest {
				t.Errorf("got %s", a)
			}
		})
	}
	if a := call(t, home, "DescribeDirectories", map[string]any{}); len(idsOf(a)) != 0 {
		t.Errorf("there are directories: %v", idsOf(a))
	}

	t.Run("the limit", func(t *testing.T) {
		var last string
		for i := range 10 {
			a := call(t, home, "CreateDirectory", simple(fmt.Sprintf("n%d.example.com", i)))
			a.accepted(t)
			last = a.Output["DirectoryId"].(string)
		}
		call(t, home, "CreateDirectory", simple("more.example.com")).refused(t, "DirectoryLimitExceededException", "A maximum of 10 directories")
		// It counts for a type and a region.
		call(t, "eu-west-1", "CreateDirectory", simple("more.example.com")).accepted(t)
		a := call(t, home, "CreateMicrosoftAD", managed("more.example.com"))
		a.accepted(t)
		become(t, call, home, last, "Active")
		call(t, home, "DeleteDirectory", map[string]any{"DirectoryId": last}).accepted(t)
		gone(t, call, home, last)
		call(t, home, "CreateDirectory", simple("more2.example.com")).accepted(t)
	})
}
