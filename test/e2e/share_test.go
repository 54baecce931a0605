package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"

	"latchkey/internal/config"
)

const consumer = "111122223333"

// account is a client of an account that a development server knows by its access key.
func account(s *server, number string) caller {
	return func(t *testing.T, region, operation string, input map[string]any) answer {
		t.Helper()
		client := directoryservice.New(directoryservice.Options{
			Region: region, BaseEndpoint: &s.API, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(number, "any", ""),
		})
		return goCall(t, client, operation, input)
	}
}

func developing(c *config.Config) { c.Dev = true }

// TestShare: a directory is offered, taken, turned down and taken away; each account sees its own side.
func TestShare(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed, developing)
	owner, taker := account(s, "123456789012"), account(s, consumer)
	target := func(number string) map[string]any { return map[string]any{"Id": number, "Type": "ACCOUNT"} }
	share := func(id, number, method string) answer {
		return owner(t, home, "ShareDirectory", of(id, "ShareTarget", target(number), "ShareMethod", method, "ShareNotes", "for the tests"))
	}
	unshare := func(number string) answer {
		return owner(t, home, "UnshareDirectory", of(corpID, "UnshareTarget", target(number)))
	}
	listed := func(more ...any) []map[string]any {
		input := of(corpID, more...)
		input["OwnerDirectoryId"] = input["DirectoryId"]
		delete(input, "DirectoryId")
		return owner(t, home, "DescribeSharedDirectories", input).list(t, "SharedDirectories")
	}
	status := func() string {
		all := listed()
		if len(all) != 1 {
			return fmt.Sprint(len(all), " shares")
		}
		return all[0]["ShareStatus"].(string)
	}
	answering := func(operation, id string) answer {
		return taker(t, home, operation, map[string]any{"SharedDirectoryId": id})
	}

	offered := share(corpID, consumer, "HANDSHAKE")
	offered.accepted(t)
	id, _ := offered.Output["SharedDirectoryId"].(string)
	d := described(t, taker, home, id)
	if d["Type"] != "SharedMicrosoftAD" || d["ShareStatus"] != "PendingAcceptance" || d["ShareMethod"] != "HANDSHAKE" || d["ShareNotes"] != "for the tests" || d["Name"] != "corp.example.com" || d["Stage"] != "Active" {
		t.Errorf("%v", d)
	}
	if of := d["OwnerDirectoryDescription"].(map[string]any); of["AccountId"] != "123456789012" || of["DirectoryId"] != corpID {
		t.Errorf("%v", of)
	}
	share(corpID, consumer, "HANDSHAKE").refused(t, "DirectoryAlreadySharedException", consumer)
	owner(t, home, "AcceptSharedDirectory", map[string]any{"SharedDirectoryId": id}).refused(t, "EntityDoesNotExistException", id)
	taker(t, home, "DescribeDirectories", map[string]any{"DirectoryIds": []string{corpID}}).refused(t, "EntityDoesNotExistException", corpID)
	a := answering("AcceptSharedDirectory", id)
	a.accepted(t)
	if of := a.Output["SharedDirectory"].(map[string]any); of["SharedAccountId"] != consumer || of["OwnerDirectoryId"] != corpID || of["SharedDirectoryId"] != id {
		t.Errorf("%v", of)
	}
	await(t, "Shared", func() bool { return status() == "Shared" })
	answering("AcceptSharedDirectory", id).refused(t, "DirectoryAlreadySharedException", "Shared already")
	answering("RejectSharedDirectory", id).refused(t, "DirectoryAlreadySharedException", "Shared already")
	taker(t, home, "ResetUserPassword", reset(id, "jane", nextPassword)).refused(t, "UnsupportedOperationException", "SharedMicrosoftAD")
	owner(t, home, "DeleteDirectory", of(corpID)).refused(t, "ClientException", "Unshare it first")

	second := share(corpID, "444455556666", "HANDSHAKE")
	second.accepted(t)
	if all := listed("SharedDirectoryIds", []string{id}); len(all) != 1 || all[0]["SharedDirectoryId"] != id {
		t.Errorf("%v", all)
	}
	first := owner(t, home, "DescribeSharedDirectories", map[string]any{"OwnerDirectoryId": corpID, "Limit": 1})
	if all := first.list(t, "SharedDirectories"); len(all) != 1 || first.Output["NextToken"] == nil {
		t.Errorf("%v", first.Output)
	}
	owner(t, home, "DescribeSharedDirectories", map[string]any{"OwnerDirectoryId": corpID, "NextToken": "forged"}).refused(t, "InvalidNextTokenException", "")
	unshare("444455556666").accepted(t)
	unshare(consumer).accepted(t)
	await(t, "the end of both", func() bool { return len(listed()) == 0 })
	gone(t, taker, home, id)
	unshare(consumer).refused(t, "DirectoryNotSharedException", consumer)

	// Turned down.
	offered = share(corpID, consumer, "HANDSHAKE")
	offered.accepted(t)
	id, _ = offered.Output["SharedDirectoryId"].(string)
	answering("RejectSharedDirectory", id).accepted(t)
	await(t, "Rejected", func() bool { return status() == "Rejected" })
	answering("AcceptSharedDirectory", id).refused(t, "ClientException", "Rejected")
	answering("RejectSharedDirectory", noID).refused(t, "EntityDoesNotExistException", noID)
	// It may be offered anew, to as many accounts at once as ask.
	results := make([]answer, 4)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { results[i] = share(corpID, consumer, "HANDSHAKE") })
	}
	group.Wait()
	id = ""
	for _, result := range results {
		if result.Exception == "" && id == "" {
			id, _ = result.Output["SharedDirectoryId"].(string)
			continue
		}
		result.refused(t, "DirectoryAlreadySharedException", consumer)
	}
	if got := status(); got != "PendingAcceptance" {
		t.Errorf("offered anew: %s", got)
	}
	// The consumer gives it back.
	taker(t, home, "DeleteDirectory", of(id)).accepted(t)
	await(t, "the end", func() bool { return len(listed()) == 0 })

	share(corpID, consumer, "ORGANIZATIONS").refused(t, "OrganizationsException", "HANDSHAKE")
	share(corpID, "123456789012", "HANDSHAKE").refused(t, "InvalidTargetException", "owner")
	share(corpID, "12345", "HANDSHAKE").refused(t, "InvalidTargetException", "12345")
	unshare("12345").refused(t, "InvalidTargetException", "12345")
	share(labID, consumer, "HANDSHAKE").refused(t, "UnsupportedOperationException", "SimpleAD")
	share(noID, consumer, "HANDSHAKE").refused(t, "EntityDoesNotExistException", noID)
	describe := func(id string, shares []string) answer {
		return owner(t, home, "DescribeSharedDirectories", map[string]any{"OwnerDirectoryId": id, "SharedDirectoryIds": shares})
	}
	describe(corpID, []string{}).refused(t, "InvalidParameterException", "SharedDirectoryIds")
	describe(corpID, []string{corpID}).refused(t, "EntityDoesNotExistException", corpID)
	describe(noID, nil).refused(t, "EntityDoesNotExistException", noID)
	describe(labID, nil).refused(t, "UnsupportedOperationException", "SimpleAD")
	owner(t, home, "UnshareDirectory", of(noID, "UnshareTarget", target(consumer))).refused(t, "EntityDoesNotExistException", noID)
	for i := range 5 {
		share(corpID, fmt.Sprintf("%012d", i), "HANDSHAKE").accepted(t)
	}
	share(corpID, consumer, "HANDSHAKE").refused(t, "ShareLimitExceededException", "at most 5")
	mine := managed("mine.example.com")
	own := taker(t, home, "CreateMicrosoftAD", mine)
	own.accepted(t)
	answering("AcceptSharedDirectory", own.Output["DirectoryId"].(string)).refused(t, "InvalidParameterException", "not shared")
	answering("RejectSharedDirectory", own.Output["DirectoryId"].(string)).refused(t, "InvalidParameterException", "not shared")
}

// TestSSO: it needs an alias, and the password of the user it is given.
func TestSSO(t *testing.T) {
	t.Parallel()
	s := start(t, worldSeed)
	call := goClient(t, s)
	call(t, home, "EnableSso", of(corpID)).refused(t, "ClientException", "An alias is required before enabling SSO. DomainId="+corpID)
	call(t, home, "CreateAlias", of(corpID, "Alias", "signed-on")).accepted(t)
	call(t, home, "EnableSso", of(corpID, "UserName", "jane", "Password", nextPassword)).refused(t, "AuthenticationFailedException", "incorrect")
	call(t, home, "EnableSso", of(corpID, "UserName", "nobody", "Password", firstPassword)).refused(t, "AuthenticationFailedException", "incorrect")
	call(t, home, "EnableSso", of(corpID, "UserName", "jane")).refused(t, "AuthenticationFailedException", "incorrect")
	call(t, home, "EnableSso", of(corpID, "Password", firstPassword)).refused(t, "AuthenticationFailedException", "incorrect")
	if described(t, call, home, corpID)["SsoEnabled"] != false {
		t.Error("it is on")
	}
	call(t, home, "EnableSso", of(corpID, "UserName", "jane", "Password", firstPassword)).accepted(t)
	if described(t, call, home, corpID)["SsoEnabled"] != true {
		t.Error("it is off")
	}
	call(t, home, "DisableSso", of(corpID)).accepted(t)
	if described(t, call, home, corpID)["SsoEnabled"] != false {
		t.Error("it is on")
	}
	call(t, home, "DisableSso", of(noID)).refused(t, "EntityDoesNotExistException", noID)
}
