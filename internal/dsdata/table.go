package dsdata

import "latchkey/internal/operation"

// Table is all operations of the service.
func (s *Service) Table() (operation.Table, error) {
	return operation.NewTable(
		operation.New("AddGroupMember", operation.Write, func(in *AddGroupMemberRequest) string { return *in.DirectoryId }, s.addGroupMember),
		operation.New("CreateGroup", operation.Write, func(in *CreateGroupRequest) string { return *in.DirectoryId }, s.createGroup),
		operation.New("CreateUser", operation.Write, func(in *CreateUserRequest) string { return *in.DirectoryId }, s.createUser),
		operation.New("DeleteGroup", operation.Write, func(in *DeleteGroupRequest) string { return *in.DirectoryId }, s.deleteGroup),
		operation.New("DeleteUser", operation.Write, func(in *DeleteUserRequest) string { return *in.DirectoryId }, s.deleteUser),
		operation.New("DescribeGroup", operation.Read, func(in *DescribeGroupRequest) string { return *in.DirectoryId }, s.describeGroup),
		operation.New("DescribeUser", operation.Read, func(in *DescribeUserRequest) string { return *in.DirectoryId }, s.describeUser),
		operation.New("DisableUser", operation.Write, func(in *DisableUserRequest) string { return *in.DirectoryId }, s.disableUser),
		operation.New("ListGroupMembers", operation.Read, func(in *ListGroupMembersRequest) string { return *in.DirectoryId }, s.listGroupMembers),
		operation.New("ListGroups", operation.Read, func(in *ListGroupsRequest) string { return *in.DirectoryId }, s.listGroups),
		operation.New("ListGroupsForMember", operation.Read, func(in *ListGroupsForMemberRequest) string { return *in.DirectoryId }, s.listGroupsForMember),
		operation.New("ListUsers", operation.Read, func(in *ListUsersRequest) string { return *in.DirectoryId }, s.listUsers),
		operation.New("RemoveGroupMember", operation.Write, func(in *RemoveGroupMemberRequest) string { return *in.DirectoryId }, s.removeGroupMember),
		operation.New("SearchGroups", operation.Read, func(in *SearchGroupsRequest) string { return *in.DirectoryId }, s.searchGroups),
		operation.New("SearchUsers", operation.Read, func(in *SearchUsersRequest) string { return *in.DirectoryId }, s.searchUsers),
		operation.New("UpdateGroup", operation.Write, func(in *UpdateGroupRequest) string { return *in.DirectoryId }, s.updateGroup),
		operation.New("UpdateUser", operation.Write, func(in *UpdateUserRequest) string { return *in.DirectoryId }, s.updateUser),
	)
}
