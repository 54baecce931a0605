package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/aws/aws-sdk-go-v2/service/directoryservicedata"
	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/errgroup"
)

// lists measures ListUsers from the first page to the last, of a tenth of the users and of all: how long a page takes, and by how
// much the server grows meanwhile.
func lists(ctx context.Context, o options, program string, t *table) error {
	s, err := newServer(ctx, program)
	if err != nil {
		return err
	}
	defer func() { s.discard() }()
	keys := credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")
	id, err := s.managed(ctx, directoryservice.New(directoryservice.Options{Region: "us-east-1", BaseEndpoint: &s.API, Credentials: keys}))
	if err != nil {
		return err
	}
	client := directoryservicedata.New(directoryservicedata.Options{Region: "us-east-1", BaseEndpoint: &s.API, Credentials: keys})
	known := 0
	for _, users := range []int{o.users / 10, o.users} {
		if err := s.addPeople(ctx, known, users); err != nil {
			return err
		}
		known = users
		before := s.memory()
		peak := before
		begun := time.Now()
		pages, count := 0, 0
		all := directoryservicedata.NewListUsersPaginator(client, &directoryservicedata.ListUsersInput{DirectoryId: &id, MaxResults: aws.Int32(250)})
		for all.HasMorePages() {
			page, err := all.NextPage(ctx)
			if err != nil {
				return err
			}
			count += len(page.Users)
			if pages++; pages%16 == 0 {
				if m := s.memory(); m.anonymous > peak.anonymous {
					peak = m
				}
			}
		}
		took := time.Since(begun)
		if count < users {
			return fmt.Errorf("%d of %d users came", count, users)
		}
		t.add(fmt.Sprintf("ListUsers of all %d users, by 250", count), fmt.Sprintf("%d pages in %s: %s a page, %.0f users/s", pages, milliseconds(took), milliseconds(took/time.Duration(pages)), float64(count)/took.Seconds()),
			fmt.Sprintf("the server's memory without pages of files: %s before, at most %s meanwhile", mebibytes(before.anonymous), mebibytes(peak.anonymous)), "", "")
	}
	return nil
}

// managed makes a Managed Microsoft AD and opens its data.
func (s *server) managed(ctx context.Context, client *directoryservice.Client) (string, error) {
	made, err := client.CreateMicrosoftAD(ctx, &directoryservice.CreateMicrosoftADInput{
		Name: aws.String("lists.example.com"), Password: aws.String(adminPassword),
		VpcSettings: &types.DirectoryVpcSettings{VpcId: aws.String("vpc-12345678"), SubnetIds: []string{"subnet-12345678", "subnet-87654321"}},
	})
	if err != nil {
		return "", err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		// Until it is Active it is unavailable, and then it is in the desired state at some time.
		_, _ = client.EnableDirectoryDataAccess(ctx, &directoryservice.EnableDirectoryDataAccessInput{DirectoryId: made.DirectoryId})
		state, err := client.DescribeDirectoryDataAccess(ctx, &directoryservice.DescribeDirectoryDataAccessInput{DirectoryId: made.DirectoryId})
		if err == nil && state.DataAccessStatus == types.DataAccessStatusEnabled {
			return *made.DirectoryId, nil
		}
	}
	return "", errors.New("the directory did not become Active")
}

// addPeople makes users from one number to another, by 16 connections.
func (s *server) addPeople(ctx context.Context, from, to int) error {
	next := atomic.Int64{}
	next.Store(int64(from))
	group, ctx := errgroup.WithContext(ctx)
	for range 16 {
		group.Go(func() error {
			conn, err := ldap.DialURL(s.LDAP)
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.Bind("Admin@lists.example.com", adminPassword); err != nil {
				return err
			}
			for n := next.Add(1); n <= int64(to) && ctx.Err() == nil; n = next.Add(1) {
				name := fmt.Sprintf("person%d", n)
				request := ldap.NewAddRequest("CN="+name+",OU=Users,OU=LISTS,DC=lists,DC=example,DC=com", nil)
				for attribute, value := range map[string]string{"objectClass": "user", "sAMAccountName": name, "givenName": "Person", "sn": name, "mail": name + "@example.com"} {
					request.Attribute(attribute, []string{value})
				}
				if err := conn.Add(request); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}
