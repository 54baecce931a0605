package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"latchkey/internal/fault"
)

const (
	userNamePattern = `^(?!.*\\|.*"|.*\/|.*\[|.*\]|.*:|.*;|.*\||.*=|.*,|.*\+|.*\*|.*\?|.*<|.*>|.*@).*$`
	tagPattern      = `^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`
	failed          = " failed to satisfy constraint: "
	one             = "1 validation error detected: Value "
)

func TestValidation(t *testing.T) {
	long := strings.Repeat("é", 65)
	for _, test := range []struct{ name, op, body, want string }{
		{
			"pattern", "DeleteDirectory", `{"DirectoryId":"zz"}`,
			one + "'zz' at 'directoryId'" + failed + "Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$",
		},
		{
			"final line break", "DeleteDirectory", `{"DirectoryId":"d-0123456789\n"}`,
			one + "'d-0123456789\n' at 'directoryId'" + failed + "Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$",
		},
		{"null", "DeleteDirectory", ``, one + "null at 'directoryId'" + failed + "Member must not be null"},
		{"written null", "DeleteDirectory", `{"DirectoryId":null}`, one + "null at 'directoryId'" + failed + "Member must not be null"},
		{"other case", "DeleteDirectory", `{"directoryId":"d-0123456789"}`, one + "null at 'directoryId'" + failed + "Member must not be null"},
		{
			"all of one request", "ResetUserPassword", `{"DirectoryId":"","UserName":"a@b","NewPassword":""}`,
			"3 validation errors detected: Value '' at 'directoryId'" + failed + "Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$; " +
				"Value at 'newPassword'" + failed + "Member must have length greater than or equal to 1; " +
				"Value 'a@b' at 'userName'" + failed + "Member must satisfy regular expression pattern: " + userNamePattern,
		},
		{
			"null secret", "ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":"jdoe"}`,
			one + "null at 'newPassword'" + failed + "Member must not be null",
		},
		{
			"long secret", "ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":"jdoe","NewPassword":"` + strings.Repeat("é", 128) + `"}`,
			one + "at 'newPassword'" + failed + "Member must have length less than or equal to 127",
		},
		{
			"secret pattern", "CreateDirectory", `{"Name":"corp.example.com","Size":"Small","Password":"hunter2hunter2"}`,
			one + "at 'password'" + failed + "Member must satisfy regular expression pattern: " +
				`(?=^.{8,64}$)((?=.*\d)(?=.*[A-Z])(?=.*[a-z])|(?=.*\d)(?=.*[^A-Za-z0-9\s])(?=.*[a-z])|(?=.*[^A-Za-z0-9\s])(?=.*[A-Z])(?=.*[a-z])|(?=.*\d)(?=.*[A-Z])(?=.*[^A-Za-z0-9\s]))^.*`,
		},
		{
			"code points", "ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":"` + long + `","NewPassword":"x"}`,
			one + "'" + long + "' at 'userName'" + failed + "Member must have length less than or equal to 64",
		},
		{
			"pattern and length", "ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":"@` + long + `","NewPassword":"x"}`,
			"2 validation errors detected: Value '@" + long + "' at 'userName'" + failed + "Member must satisfy regular expression pattern: " + userNamePattern +
				"; Value '@" + long + "' at 'userName'" + failed + "Member must have length less than or equal to 64",
		},
		{
			"enum", "CreateDirectory", `{"Name":"corp.example.com","Size":"small","Password":"Passw0rd"}`,
			one + "'small' at 'size'" + failed + "Member must satisfy enum value set: [Small, Large]",
		},
		{"value too small", "DescribeDirectories", `{"Limit":-1}`, one + "'-1' at 'limit'" + failed + "Member must have value greater than or equal to 0"},
		{"value too great", "ListCertificates", `{"DirectoryId":"d-0123456789","Limit":51}`, one + "'51' at 'limit'" + failed + "Member must have value less than or equal to 50"},
		{
			"list items", "DescribeDirectories", `{"DirectoryIds":["d-0123456789","zz"]}`,
			one + "'[d-0123456789, zz]' at 'directoryIds'" + failed + "Member must satisfy constraint: [Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$]",
		},
		{
			"every constraint of list items", "RemoveTagsFromResource", `{"ResourceId":"d-0123456789","TagKeys":[""]}`,
			one + "'[]' at 'tagKeys'" + failed + "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: " + tagPattern + "]",
		},
		{
			"null list item", "DescribeDirectories", `{"DirectoryIds":["d-0123456789",null]}`,
			one + "'[d-0123456789, null]' at 'directoryIds'" + failed + "Member must satisfy constraint: [Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$, Member must not be null]",
		},
		{
			"members of list items", "AddTagsToResource", `{"ResourceId":"d-0123456789","Tags":[{"Key":"a","Value":"b"},{"Key":"","Value":"!"},{"Key":"c"},null]}`,
			"4 validation errors detected: Value '' at 'tags.2.member.key'" + failed + "Member must have length greater than or equal to 1; " +
				"Value '!' at 'tags.2.member.value'" + failed + "Member must satisfy regular expression pattern: " + tagPattern + "; " +
				"Value null at 'tags.3.member.value'" + failed + "Member must not be null; " +
				"Value null at 'tags.4.member'" + failed + "Member must not be null",
		},
		{
			"nested", "CreateDirectory", `{"Name":"corp.example.com","Size":"Small","Password":"Passw0rd","VpcSettings":{"VpcId":"x","SubnetIds":null}}`,
			"2 validation errors detected: Value null at 'vpcSettings.subnetIds'" + failed + "Member must not be null; " +
				"Value 'x' at 'vpcSettings.vpcId'" + failed + "Member must satisfy regular expression pattern: ^(vpc-[0-9a-f]{8}|vpc-[0-9a-f]{17})$",
		},
		{
			"nested secret", "EnableRadius", `{"DirectoryId":"d-0123456789","RadiusSettings":{"SharedSecret":"hunter2"}}`,
			one + "at 'radiusSettings.sharedSecret'" + failed + "Member must have length greater than or equal to 8",
		},
		{
			"list length", "StartADAssessment", `{"AssessmentConfiguration":{"CustomerDnsIps":["10.0.0.1"],"DnsName":"corp.example.com","InstanceIds":["i-01234567","i-01234568"],"VpcSettings":{"VpcId":"vpc-01234567","SubnetIds":["subnet-01234567"]}}}`,
			one + "'[10.0.0.1]' at 'assessmentConfiguration.customerDnsIps'" + failed + "Member must have length greater than or equal to 2",
		},
		{
			"long value", "DeleteDirectory", `{"DirectoryId":"` + strings.Repeat("é", 1000) + `"}`,
			one + "'" + strings.Repeat("é", 256) + "...' at 'directoryId'" + failed + "Member must satisfy regular expression pattern: ^d-[0-9a-f]{10}$",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := decode(test.op, test.body)
			f := thrown(t, err)
			if f.Code != fault.Validation || f.Message != test.want {
				t.Errorf("%s\n got %s\nwant %s", f.Code, f.Message, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestValidationAccepts(t *testing.T) {
	for _, test := range []struct{ op, body string }{
		{"ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":"` + strings.Repeat("😀", 64) + `","NewPassword":"` + strings.Repeat("😀", 127) + `"}`},
		{"ResetUserPassword", `{"DirectoryId":"d-0123456789","UserName":" (jdoe) ","NewPassword":"\u0000\n"}`},
		{"CreateDirectory", `{"Name":"corp.example.com","Size":"Large","Password":"Passw0rd","Description":"a b"}`},
		{"DescribeDirectories", `{"DirectoryIds":[],"Limit":0}`},
	} {
		if _, err := decode(test.op, test.body); err != nil {
			t.Errorf("%s: %v", test.body, err)
		}
	}
}

func TestTypesAreCheckedBeforeConstraints(t *testing.T) {
	_, err := decode("ResetUserPassword", `{"DirectoryId":"zz","UserName":1}`)
	if f := thrown(t, err); f.Code != fault.Serialization {
		t.Errorf("answers %v", f)
	}
}

func TestManyViolationsAreCountedAndCut(t *testing.T) {
	tags := strings.TrimSuffix(strings.Repeat(`{"Key":"`+strings.Repeat("!", 300)+`","Value":"x"},`, 5000), ",")
	_, err := decode("AddTagsToResource", `{"ResourceId":"d-0123456789","Tags":[`+tags+`]}`)
	f := thrown(t, err)
	if want := "10000 validation errors detected: "; !strings.HasPrefix(f.Message, want) {
		t.Errorf("begins with %.60s", f.Message)
	}
	if len(f.Message) > 100*600 {
		t.Errorf("the message has %d bytes", len(f.Message))
	}

	var ids []string
	for range 1000 {
		ids = append(ids, `"x"`)
	}
	_, err = decode("DescribeDirectories", fmt.Sprintf(`{"DirectoryIds":[%s]}`, strings.Join(ids, ",")))
	if f := thrown(t, err); !strings.Contains(f.Message, "x, ...]' at") || len(f.Message) > 400 {
		t.Errorf("the message has %d bytes: %.400s", len(f.Message), f.Message)
	}
}

func TestValidationIsDeterministic(t *testing.T) {
	const body = `{"Size":"x","Name":"","Description":"!","Password":"","ShortName":"","Tags":[{}]}`
	_, err := decode("CreateDirectory", body)
	first := thrown(t, err).Message
	for range 50 {
		_, err := decode("CreateDirectory", body)
		if got := thrown(t, err).Message; got != first {
			t.Fatalf("%s\nis once\n%s", first, got)
		}
	}
}
