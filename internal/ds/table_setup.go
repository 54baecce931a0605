package ds

import "latchkey/internal/operation"

// setupRows are about what a directory has beside its domain: names, tags, Regions, routes, its setup.
func (s *Service) setupRows() []operation.Spec {
	return []operation.Spec{
		operation.New("AddIpRoutes", operation.Write, func(in *AddIpRoutesRequest) string { return *in.DirectoryId }, s.addIPRoutes).With(operation.Recorded, "no traffic is routed or filtered by them"),
		operation.New("AddRegion", operation.Write, func(in *AddRegionRequest) string { return *in.DirectoryId }, s.addRegion).With(operation.Real, "the directory answers in the Region; it has no domain controllers of its own there"),
		operation.New("AddTagsToResource", operation.Write, func(in *AddTagsToResourceRequest) string { return *in.ResourceId }, s.addTagsToResource),
		operation.New("CreateAlias", operation.Write, func(in *CreateAliasRequest) string { return *in.DirectoryId }, s.createAlias),
		operation.New("DescribeCAEnrollmentPolicy", operation.Read, func(in *DescribeCAEnrollmentPolicyRequest) string { return *in.DirectoryId }, s.describeCAEnrollmentPolicy).With(operation.Recorded, "always Disabled"),
		operation.New("DescribeDirectoryDataAccess", operation.Read, func(in *DescribeDirectoryDataAccessRequest) string { return *in.DirectoryId }, s.describeDirectoryDataAccess),
		operation.New("DescribeRegions", operation.Read, func(in *DescribeRegionsRequest) string { return *in.DirectoryId }, s.describeRegions),
		operation.New("DescribeUpdateDirectory", operation.Read, func(in *DescribeUpdateDirectoryRequest) string { return *in.DirectoryId }, s.describeUpdateDirectory),
		operation.New("DisableCAEnrollmentPolicy", operation.Write, func(in *DisableCAEnrollmentPolicyRequest) string { return *in.DirectoryId }, s.disableCAEnrollmentPolicy).With(operation.Refused, "there is never a policy: EntityDoesNotExistException"),
		operation.New("DisableDirectoryDataAccess", operation.Write, func(in *DisableDirectoryDataAccessRequest) string { return *in.DirectoryId }, s.disableDirectoryDataAccess),
		operation.New("EnableCAEnrollmentPolicy", operation.Write, func(in *EnableCAEnrollmentPolicyRequest) string { return *in.DirectoryId }, s.enableCAEnrollmentPolicy).With(operation.Refused, "AWS Private CA is not here, so the connector does not exist: EntityDoesNotExistException"),
		operation.New("DisableSso", operation.Write, func(in *DisableSsoRequest) string { return *in.DirectoryId }, s.disableSSO).With(operation.Recorded, "a user that is named proves the password by a login"),
		operation.New("EnableSso", operation.Write, func(in *EnableSsoRequest) string { return *in.DirectoryId }, s.enableSSO).With(operation.Recorded, "a user that is named proves the password by a login; there are no applications to sign on to"),
		operation.New("EnableDirectoryDataAccess", operation.Write, func(in *EnableDirectoryDataAccessRequest) string { return *in.DirectoryId }, s.enableDirectoryDataAccess),
		operation.New("GetDirectoryLimits", operation.Read, nil, s.getDirectoryLimits),
		operation.New("ListIpRoutes", operation.Read, func(in *ListIpRoutesRequest) string { return *in.DirectoryId }, s.listIPRoutes).With(operation.Recorded, ""),
		operation.New("ListTagsForResource", operation.Read, func(in *ListTagsForResourceRequest) string { return *in.ResourceId }, s.listTagsForResource),
		operation.New("RemoveIpRoutes", operation.Write, func(in *RemoveIpRoutesRequest) string { return *in.DirectoryId }, s.removeIPRoutes).With(operation.Recorded, ""),
		operation.New("RemoveRegion", operation.Write, func(in *RemoveRegionRequest) string { return *in.DirectoryId }, s.removeRegion),
		operation.New("RemoveTagsFromResource", operation.Write, func(in *RemoveTagsFromResourceRequest) string { return *in.ResourceId }, s.removeTagsFromResource),
		operation.New("UpdateDirectorySetup", operation.Write, func(in *UpdateDirectorySetupRequest) string { return *in.DirectoryId }, s.updateDirectorySetup).With(operation.Recorded, "size and network type are kept and shown; the snapshot before it is real"),
	}
}
