// Package authz decides whether a principal may do an action on a resource. It is a pure function: no clock, no store.
package authz

import (
	"latchkey/internal/fault"
	"latchkey/internal/identity"
)

// Any is the resource of an action that is about no directory in particular.
const Any = "*"

// Decide is nil when the principal may do the action (ds:DescribeDirectories) on the resource, an ARN or Any, and AWS's
// AccessDeniedException otherwise
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html). The root may do everything; nobody
// else has a policy, and without one nothing is allowed.
func Decide(principal identity.Principal, action, resourceARN string) error {
	if principal.Type == "Root" {
		return nil
	}
	if resourceARN == "" {
		resourceARN = Any
	}
	return fault.Newf(fault.AccessDenied,
		"User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		principal.ARN, action, resourceARN, action)
}

// DirectoryARN names a directory, for both the ds and the ds-data actions
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsdirectoryservice.html).
func DirectoryARN(partition, region, account, directoryID string) string {
	return "arn:" + partition + ":ds:" + region + ":" + account + ":directory/" + directoryID
}
