package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"latchkey/internal/ds"
	"latchkey/internal/wire"

	"github.com/google/go-cmp/cmp"
)

func TestEncode(t *testing.T) {
	for _, test := range []struct {
		name, op string
		out      any
		want     string
	}{
		{"no members", "ResetUserPassword", &ds.ResetUserPasswordResult{}, ""},
		{"no members and nil", "ResetUserPassword", nil, ""},
		{"no members and nil pointer", "ResetUserPassword", (*ds.ResetUserPasswordResult)(nil), ""},
		{"absent members", "CreateDirectory", &ds.CreateDirectoryResult{}, "{}"},
		{"text", "CreateDirectory", &ds.CreateDirectoryResult{DirectoryId: new("d-0123456789")}, `{"DirectoryId":"d-0123456789"}`},
		{"empty text", "CreateDirectory", &ds.CreateDirectoryResult{DirectoryId: new("")}, `{"DirectoryId":""}`},
		{
			"literal html", "CreateDirectory", &ds.CreateDirectoryResult{DirectoryId: new("<a href=\"x\">&\\\n\t\r\x00\x7f\u2028é😀")},
			"{\"DirectoryId\":\"<a href=\\\"x\\\">&\\\\\\n\\t\\r\\u0000\\u007f\u2028é😀\"}",
		},
		{"invalid UTF-8", "CreateDirectory", &ds.CreateDirectoryResult{DirectoryId: new("a\xffb\xe2\x82")}, "{\"DirectoryId\":\"a\ufffdb\ufffd\ufffd\"}"},
		{"absent list", "DescribeDirectories", &ds.DescribeDirectoriesResult{}, "{}"},
		{"empty list", "DescribeDirectories", &ds.DescribeDirectoriesResult{DirectoryDescriptions: []ds.DirectoryDescription{}}, `{"DirectoryDescriptions":[]}`},
		{"structures", "DescribeDirectories", &ds.DescribeDirectoriesResult{
			DirectoryDescriptions: []ds.DirectoryDescription{{
				Stage: new(ds.DirectoryStageActive), DirectoryId: new("d-9067e0513b"), SsoEnabled: new(false),
				DnsIpAddrs: []string{"10.0.0.1", "10.0.0.2"}, LaunchTime: wire.At(time.UnixMilli(1714340834630)),
				DesiredNumberOfDomainControllers: new(int32(0)), ShareNotes: wire.NewSecret([]byte(`to "all"`)),
				VpcSettings: &ds.DirectoryVpcSettingsDescription{VpcId: new("vpc-01234567")},
			}, {}},
			NextToken: new("x"),
		}, `{"DirectoryDescriptions":[{"DesiredNumberOfDomainControllers":0,"DirectoryId":"d-9067e0513b","DnsIpAddrs":["10.0.0.1","10.0.0.2"],` +
			`"LaunchTime":1714340834.63,"ShareNotes":"to \"all\"","SsoEnabled":false,"Stage":"Active","VpcSettings":{"VpcId":"vpc-01234567"}},{}],"NextToken":"x"}`},
		{"dictionary", "DescribeSettings", &ds.DescribeSettingsResult{
			SettingEntries: []ds.SettingEntry{{RequestDetailedStatus: map[string]string{"us-west-2": "Updated", "eu-west-1": "Requested"}}},
		}, `{"SettingEntries":[{"RequestDetailedStatus":{"eu-west-1":"Requested","us-west-2":"Updated"}}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := wire.DS.Encode(test.op, test.out)
			if err != nil || string(got) != test.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, test.want)
			}
			if len(got) > 0 && !json.Valid(got) {
				t.Error("is no JSON")
			}
		})
	}
	for _, wrong := range []any{nil, (*ds.CreateDirectoryResult)(nil), ds.CreateDirectoryResult{}, new(ds.CreateAliasResult), "x"} {
		if got, err := wire.DS.Encode("CreateDirectory", wrong); err == nil {
			t.Errorf("%T is encoded as %s", wrong, got)
		}
	}
}

func TestEncodedTextReadsBack(t *testing.T) {
	for r := range rune(0x3000) {
		text := fmt.Sprintf("a%c%[1]cb", r)
		if !utf8.ValidString(text) {
			continue
		}
		body, err := wire.DS.Encode("CreateDirectory", &ds.CreateDirectoryResult{DirectoryId: &text})
		if err != nil {
			t.Fatal(err)
		}
		var back ds.CreateDirectoryResult
		if err := json.Unmarshal(body, &back); err != nil || *back.DirectoryId != text {
			t.Fatalf("%q is read back as %v, %v", text, back.DirectoryId, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, test := range []struct {
		op   string
		in   any
		want map[string]any
	}{
		{
			"ResetUserPassword", &ds.ResetUserPasswordRequest{DirectoryId: new("d-0123456789"), UserName: new("jdoe"), NewPassword: wire.NewSecret([]byte("hunter2"))},
			map[string]any{"directoryId": "d-0123456789", "userName": "jdoe", "newPassword": "HIDDEN_DUE_TO_SECURITY_REASONS"},
		},
		{"ResetUserPassword", &ds.ResetUserPasswordRequest{}, map[string]any{}},
		{
			"DescribeDirectories", &ds.DescribeDirectoriesRequest{DirectoryIds: []string{"d-1"}, Limit: new(int32(5)), NextToken: new("abc")},
			map[string]any{"directoryIds": []any{"d-1"}, "limit": int32(5), "nextToken": "REDACTED"},
		},
		{
			"EnableRadius", &ds.EnableRadiusRequest{RadiusSettings: &ds.RadiusSettings{SharedSecret: wire.NewSecret([]byte("hunter2")), UseSameUsername: new(true)}},
			map[string]any{"radiusSettings": map[string]any{"sharedSecret": "HIDDEN_DUE_TO_SECURITY_REASONS", "useSameUsername": true}},
		},
		{
			"AddTagsToResource", &ds.AddTagsToResourceRequest{Tags: []ds.Tag{{Key: new("k")}}},
			map[string]any{"tags": []any{map[string]any{"key": "k"}}},
		},
		{"NoSuch", &ds.AddTagsToResourceRequest{}, nil},
		{"DeleteTrust", nil, nil},
	} {
		if diff := cmp.Diff(test.want, wire.DS.Redact(test.op, test.in)); diff != "" {
			t.Errorf("%s: %s", test.op, diff)
		}
	}
	if got := wire.DS.RedactResult("ResetUserPassword", &ds.ResetUserPasswordResult{}); got != nil {
		t.Errorf("a result without members is %v", got)
	}
	want := map[string]any{"directoryId": "d-0123456789"}
	if diff := cmp.Diff(want, wire.DS.RedactResult("CreateDirectory", &ds.CreateDirectoryResult{DirectoryId: new("d-0123456789")})); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(wire.DS.RedactResult("DescribeDirectories", &ds.DescribeDirectoriesResult{
		DirectoryDescriptions: []ds.DirectoryDescription{{LaunchTime: wire.At(time.UnixMilli(1500)), ShareNotes: wire.NewSecret([]byte("hunter2"))}},
	}))
	if err != nil || string(text) != `{"directoryDescriptions":[{"launchTime":1.5,"shareNotes":"HIDDEN_DUE_TO_SECURITY_REASONS"}]}` {
		t.Errorf("is %s, %v", text, err)
	}
	if strings.Contains(fmt.Sprint(wire.DS.Redact("DeleteTrust", "x")), "x") {
		t.Error("what is no request is shown")
	}
}
