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

	"latchkey/internal/config"
	"latchkey/internal/lifecycle"
	"latchkey/internal/store"
)

const patience = time.Minute // with what a busy machine does in the background

const snapshotSeed = `
directories:
  - id: ` + corpID + `
    type: MicrosoftAD
    name: corp.example.com
    shortName: CORP
    password: ` + adminPassword + `
    groups:
      - {name: Staff}
    users:
      - {name: jane, displayName: Jane Doe, password: ` + firstPassword + `, groups: [Staff]}
      - {name: kim, displayName: Kim Doe, password: ` + firstPassword + `}
  - id: ` + labID + `
    type: SimpleAD
    name: lab.example.com
    shortName: LAB
    size: Small
    password: ` + adminPassword + `
    groups:
      - {name: Staff}
    users:
      - {name: jane, displayName: Jane Doe, password: ` + firstPassword + `, groups: [Staff]}
      - {name: kim, displayName: Kim Doe, password: ` + firstPassword + `}
`

// snapshotsOf is what DescribeSnapshots says of a directory.
func snapshotsOf(t *testing.T, call caller, input map[string]any) (all []map[string]any) {
	t.Helper()
	a := call(t, home, "DescribeSnapshots", input)
	a.accepted(t)
	list, _ := a.Output["Snapshots"].([]any)
	for _, each := range list {
		all = append(all, each.(map[string]any))
	}
	return all
}

func snapshotIDs(all []map[string]any) (ids []string) {
	for _, each := range all {
		ids = append(ids, each["SnapshotId"].(string))
	}
	return ids
}

// completed makes a snapshot and waits for it.
func completed(t *testing.T, call caller, directory, name string) (id string) {
	t.Helper()
	a := call(t, home, "CreateSnapshot", map[string]any{"DirectoryId": directory, "Name": name})
	a.accepted(t)
	id, _ = a.Output["SnapshotId"].(string)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		all := snapshotsOf(t, call, map[string]any{"SnapshotIds": []string{id}})
		if len(all) != 1 || all[0]["Status"] == "Failed" || time.Now().After(deadline) {
			t.Fatalf("the snapshot: %v", all)
		}
		if all[0]["Status"] == "Completed" {
			if got := all[0]; got["DirectoryId"] != directory || got["Name"] != name || got["Type"] != "Manual" || got["StartTime"] == nil {
				t.Errorf("the snapshot is described as %v", got)
			}
			return id
		}
	}
}

// restore goes back to a snapshot, and waits until the directory is there.
func restore(t *testing.T, call caller, directory, snapshot string) {
	t.Helper()
	call(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": snapshot}).accepted(t)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		switch d := described(t, call, home, directory); {
		case d["Stage"] == "Active":
			return
		case d["Stage"] != "Restoring" || time.Now().After(deadline):
			t.Fatalf("the directory is %v: %v", d["Stage"], d["StageReason"])
		}
	}
}

// TestSnapshots: a client saves a directory and puts it back: deleted users, former passwords and groups are there again.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	s := start(t, snapshotSeed)
	var mu sync.Mutex
	var left []string
	t.Run("all", func(t *testing.T) {
		for _, each := range []struct {
			name, id, base, bind, admin string
			make                        func(*testing.T, *server) caller
		}{
			{"gosdk", corpID, corpBase, `CORP\jane`, corpAdmin, goClient}, {"cli", labID, labBase, `LAB\jane`, labAdmin, commandLine},
		} {
			t.Run(each.name, func(t *testing.T) {
				t.Parallel()
				call := each.make(t, s)
				users := "CN=Users," + each.base
				if each.id == corpID {
					users = "OU=Users,OU=CORP," + each.base
				}
				first := completed(t, call, each.id, "before it all: "+each.name)
				call(t, home, "ResetUserPassword", reset(each.id, "jane", nextPassword)).accepted(t)
				second := completed(t, call, each.id, "after the reset")
				for _, dn := range []string{"CN=Kim Doe," + users, "CN=Jane Doe," + users} {
					if said, code := openldap(t, s, "ldapdelete", "", "-D", each.admin, "-w", adminPassword, dn); code != 0 {
						t.Fatalf("ldapdelete: %d %s", code, said)
					}
				}
				call(t, home, "ResetUserPassword", reset(each.id, "jane", nextPassword)).refused(t, "UserDoesNotExistException", "")

				restore(t, call, each.id, first)
				logins(t, s, each.bind, nextPassword, firstPassword)
				restore(t, call, each.id, second)
				logins(t, s, each.bind, firstPassword, nextPassword)
				if text := entry(t, s, each.admin, each.base, "jane"); !strings.Contains(text, "memberOf: CN=Staff,") {
					t.Errorf("the user's groups are not there again:\n%s", text)
				}
				for _, user := range []string{"jane", "kim"} {
					call(t, home, "ResetUserPassword", reset(each.id, user, nextPassword)).accepted(t)
				}

				call(t, home, "DeleteSnapshot", map[string]any{"SnapshotId": first}).accepted(t)
				call(t, home, "DescribeSnapshots", map[string]any{"SnapshotIds": []string{first}}).refused(t, "EntityDoesNotExistException", first)
				call(t, home, "RestoreFromSnapshot", map[string]any{"SnapshotId": first}).refused(t, "EntityDoesNotExistException", first)
				call(t, home, "DeleteSnapshot", map[string]any{"SnapshotId": first}).refused(t, "EntityDoesNotExistException", first)
				call(t, home, "DeleteDirectory", map[string]any{"DirectoryId": each.id}).accepted(t)
				gone(t, call, home, each.id)
				call(t, home, "DescribeSnapshots", map[string]any{"DirectoryId": each.id}).refused(t, "EntityDoesNotExistException", each.id)
				if all := snapshotIDs(snapshotsOf(t, call, map[string]any{})); slices.Contains(all, second) {
					t.Errorf("the directory is gone, and its snapshot is there: %v", all)
				}
				mu.Lock()
				defer mu.Unlock()
				left = append(left, each.id)
			})
		}
	})
	s.stop()
	noSecrets(t, s)
	for _, id := range left {
		if n := entriesOf(t, s.data, id); n != 0 {
			t.Errorf("%s is gone, and the store holds %d changes of it", id, n)
		}
	}
}

// TestSnapshotPaging: pages hold every snapshot once, those of a directory or all; and there are five of a directory at most.
func TestSnapshotPaging(t *testing.T) {
	t.Parallel()
	s := start(t, snapshotSeed)
	call := goClient(t, s)
	limits := func(id string) string {
		a := call(t, home, "GetSnapshotLimits", map[string]any{"DirectoryId": id})
		a.accepted(t)
		l, _ := a.Output["SnapshotLimits"].(map[string]any)
		return fmt.Sprint(l["ManualSnapshotsCurrentCount"], " of ", l["ManualSnapshotsLimit"], " ", l["ManualSnapshotsLimitReached"])
	}
	if got := limits(corpID); got != "0 of 5 false" {
		t.Errorf("limits: %s", got)
	}
	var corp, all []string
	for i := range 5 {
		corp = append(corp, completed(t, call, corpID, fmt.Sprint("snapshot ", i)))
	}
	all = append(slices.Clone(corp), completed(t, call, labID, "other"))
	slices.Sort(corp)
	slices.Sort(all)
	if got := limits(corpID); got != "5 of 5 true" {
		t.Errorf("limits: %s", got)
	}
	call(t, home, "CreateSnapshot", map[string]any{"DirectoryId": corpID}).refused(t, "SnapshotLimitExceededException", "5")

	t.Run("Go's paginator", func(t *testing.T) {
		corpDirectory := corpID
		for directory, want := range map[*string][]string{nil: all, &corpDirectory: corp} {
			for _, size := range []int32{1, 2, 5, 6, 7} {
				var got []string
				pages := directoryservice.NewDescribeSnapshotsPaginator(goSDK(s, home), &directoryservice.DescribeSnapshotsInput{DirectoryId: directory}, func(o *directoryservice.DescribeSnapshotsPaginatorOptions) { o.Limit = size })
				count := 0
				for pages.HasMorePages() {
					page, err := pages.NextPage(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, each := range page.Snapshots {
						got = append(got, *each.SnapshotId)
					}
					count++
				}
				if pages := (len(want) + int(size) - 1) / int(size); !slices.Equal(got, want) || count != pages {
					t.Errorf("pages of %d: %v on %d pages, want %v on %d", size, got, count, want, pages)
				}
			}
		}
	})
	t.Run("the CLI", func(t *testing.T) {
		out, said, code := runCLI(t, s, home, "describe-snapshots", "--directory-id", corpID, "--page-size", "2")
		if code != 0 {
			t.Fatal(said)
		}
		var a answer
		decode(t, []byte(out), &a.Output)
		if list, _ := a.Output["Snapshots"].([]any); len(list) != 5 {
			t.Errorf("got %v", a.Output)
		}
	})
	t.Run("chosen ones", func(t *testing.T) {
		for _, ids := range [][]string{{corp[3], corp[1]}, {}} {
			want := []string{corp[1], corp[3]}
			if len(ids) == 0 {
				want = all
			}
			if got := snapshotIDs(snapshotsOf(t, call, map[string]any{"SnapshotIds": ids})); !slices.Equal(got, want) {
				t.Errorf("%v: got %v", ids, got)
			}
		}
		lab := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(corp, id) })
		call(t, home, "DescribeSnapshots", map[string]any{"DirectoryId": corpID, "SnapshotIds": lab}).refused(t, "EntityDoesNotExistException", lab[0])
	})
	t.Run("tokens", func(t *testing.T) {
		token := call(t, home, "DescribeSnapshots", map[string]any{"Limit": 1}).Output["NextToken"]
		for name, input := range map[string]map[string]any{
			"of another list": {"DirectoryId": corpID, "NextToken": token}, "nonsense": {"NextToken": "nonsense"},
		} {
			t.Run(name, func(t *testing.T) {
				call(t, home, "DescribeSnapshots", input).refused(t, "InvalidNextTokenException", "Invalid value passed for the NextToken parameter")
			})
		}
		call(t, "eu-west-1", "DescribeSnapshots", map[string]any{"NextToken": token}).refused(t, "InvalidNextTokenException", "")
		call(t, home, "DescribeDirectories", map[string]any{"NextToken": token}).refused(t, "InvalidNextTokenException", "")
	})
	t.Run("room for another", func(t *testing.T) {
		call(t, home, "DeleteSnapshot", map[string]any{"SnapshotId": corp[0]}).accepted(t)
		if got := limits(corpID); got != "4 of 5 false" {
			t.Errorf("limits: %s", got)
		}
		completed(t, call, corpID, "one more")
	})
}

// TestSnapshotRefused: what the operations on snapshots refuse.
func TestSnapshotRefused(t *testing.T) {
	t.Parallel()
	const remoteID, foreignID, stuckID = "d-00000000e7", "d-00000000f0", "d-00000000e8"
	const foreign, making, bad = "s-00000000f0", "s-00000000e8", "s-00000000e9"
	first := start(t, snapshotSeed)
	first.stop()
	putRecords(t, first.data, []store.Directory{
		{ID: remoteID, Account: "123456789012", Region: home, Type: "MicrosoftAD", Name: "remote.example.com", ShortName: "REMOTE", SID: "S-1-5-21-1-2-3", Stage: "Failed", Engine: lifecycle.Remote},
		{ID: foreignID, Account: "999999999999", Region: home, Type: "SimpleAD", Name: "foreign.example.com", ShortName: "FOREIGN", SID: "S-1-5-21-1-2-3", Stage: "Active"},
		{ID: stuckID, Account: "123456789012", Region: home, Type: "SimpleAD", Name: "stuck.example.com", ShortName: "STUCK", SID: "S-1-5-21-1-2-3", Stage: "Failed"},
	}, []store.Snapshot{
		{ID: foreign, Directory: foreignID, Account: "999999999999", Region: home, Type: "Manual", Status: "Completed"},
		{ID: making, Directory: stuckID, Account: "123456789012", Region: home, Type: "Manual", Status: "Creating"},
		{ID: bad, Directory: corpID, Account: "123456789012", Region: home, Type: "Manual", Status: "Failed"},
	})
	s := start(t, "", func(c *config.Config) { c.Data = first.data })
	for name, call := range map[string]caller{"gosdk": goClient(t, s), "curl": curl(t, s)} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				operation string
				input     map[string]any
				exception string
				message   string
			}{
				{"CreateSnapshot", map[string]any{"DirectoryId": noID}, "EntityDoesNotExistException", noID},
				{"CreateSnapshot", map[string]any{"DirectoryId": foreignID}, "EntityDoesNotExistException", foreignID},
				{"CreateSnapshot", map[string]any{"DirectoryId": stuckID}, "ClientException", "is Failed"},
				{"CreateSnapshot", map[string]any{"DirectoryId": remoteID}, "ClientException", "not supported"},
				{"GetSnapshotLimits", map[string]any{"DirectoryId": remoteID}, "ClientException", "Snapshot limits can be fetched only for VPC or Microsoft AD directories."},
				{"GetSnapshotLimits", map[string]any{"DirectoryId": noID}, "EntityDoesNotExistException", noID},
				{"DescribeSnapshots", map[string]any{"DirectoryId": noID}, "EntityDoesNotExistException", noID},
				{"DescribeSnapshots", map[string]any{"SnapshotIds": []string{"s-ffffffffff"}}, "EntityDoesNotExistException", "s-ffffffffff"},
				{"DescribeSnapshots", map[string]any{"SnapshotIds": []string{foreign}}, "EntityDoesNotExistException", foreign},
				{"RestoreFromSnapshot", map[string]any{"SnapshotId": "s-ffffffffff"}, "EntityDoesNotExistException", "s-ffffffffff"},
				{"RestoreFromSnapshot", map[string]any{"SnapshotId": foreign}, "EntityDoesNotExistException", foreign},
				{"RestoreFromSnapshot", map[string]any{"SnapshotId": bad}, "ClientException", "is Failed"},
				{"RestoreFromSnapshot", map[string]any{"SnapshotId": making}, "ClientException", "is Failed"},
				{"DeleteSnapshot", map[string]any{"SnapshotId": "s-ffffffffff"}, "EntityDoesNotExistException", "s-ffffffffff"},
				{"DeleteSnapshot", map[string]any{"SnapshotId": foreign}, "EntityDoesNotExistException", foreign},
			} {
				call(t, home, c.operation, c.input).refused(t, c.exception, c.message)
			}
			for operation, input := range map[string]map[string]any{
				"CreateSnapshot": {"DirectoryId": corpID}, "GetSnapshotLimits": {"DirectoryId": corpID}, "DescribeSnapshots": {"DirectoryId": corpID},
				"DeleteSnapshot": {"SnapshotId": bad}, "RestoreFromSnapshot": {"SnapshotId": bad},
			} {
				call(t, "eu-west-1", operation, input).refused(t, "EntityDoesNotExistException", "")
			}
			if all := snapshotsOf(t, call, map[string]any{"DirectoryId": remoteID}); len(all) != 0 {
				t.Errorf("a domain that somebody else runs has %v", all)
			}
			if all := snapshotIDs(snapshotsOf(t, call, map[string]any{})); !slices.Equal(all, []string{making, bad}) {
				t.Errorf("the account's are %v", all)
			}
			a := call(t, home, "CreateSnapshot", map[string]any{"DirectoryId": corpID, "Name": "-no"})
			if a.Exception != "ValidationException" || a.Status != 0 && a.Status != http.StatusBadRequest {
				t.Errorf("a wrong name: %s", a)
			}
		})
	}
}

// putRecords writes records to the store of a server that has stopped.
func putRecords(t *testing.T, data string, directories []store.Directory, snapshots []store.Snapshot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	records, err := store.Open(ctx, store.Options{Dir: filepath.Join(data, "store"), Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	following, stop := context.WithCancel(ctx)
	allDirectories, err := records.FollowDirectories(following, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	allSnapshots, err := records.FollowSnapshots(following, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range directories {
		if err := allDirectories.Put(ctx, &each); err != nil {
			t.Fatal(err)
		}
	}
	for _, each := range snapshots {
		if err := allSnapshots.Put(ctx, &each); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	allDirectories.Wait()
	allSnapshots.Wait()
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreOnCluster: what one server of a cluster has saved another one restores, and both serve what was.
func TestRestoreOnCluster(t *testing.T) {
	t.Parallel()
	endpoint := startEtcd(t)
	servers := []*server{start(t, snapshotSeed, func(c *config.Config) { c.StoreEndpoints = []string{endpoint} })}
	key, err := os.ReadFile(filepath.Join(servers[0].data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	servers = append(servers, start(t, "", func(c *config.Config) {
		c.StoreEndpoints = []string{endpoint}
		if err := os.WriteFile(filepath.Join(c.Data, "master.key"), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}))
	calls := []caller{goClient(t, servers[0]), goClient(t, servers[1])}
	// agree waits until both servers take that password.
	agree := func(password string) {
		t.Helper()
		for i, s := range servers {
			for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				code := login(t, s, `LAB\jane`, password)
				if code == "" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("server %d answers %s to the password %s", i, code, password)
				}
			}
		}
	}
	saved := completed(t, calls[0], labID, "to go back to")
	for round := range 4 {
		calls[round%2](t, home, "ResetUserPassword", reset(labID, "jane", nextPassword)).accepted(t)
		agree(nextPassword)
		restore(t, calls[(round+1)%2], labID, saved)
		agree(firstPassword)
		// Either one writes to what was restored.
		for _, call := range calls {
			for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				a := call(t, home, "ResetUserPassword", reset(labID, "kim", nextPassword))
				if a.Exception == "" {
					break
				}
				if time.Now().After(deadline) || a.Exception != "DirectoryUnavailableException" {
					t.Fatal(a)
				}
			}
		}
	}
}
