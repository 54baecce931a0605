package ds

//go:generate go run ./gen ../../docs/operations.md

import (
	"latchkey/internal/operation"
	"latchkey/internal/wire"
)

// Table is all operations of the service: those that are built, and the others of AWS's model, which answer as AWS
// answers an unknown operation.
func (s *Service) Table() (operation.Table, error) {
	rows := []operation.Spec{
		operation.New("CreateDirectory", operation.Write, nil, s.createDirectory),
		operation.New("CreateMicrosoftAD", operation.Write, nil, s.createMicrosoftAD),
		operation.New("DeleteDirectory", operation.Write, func(in *DeleteDirectoryRequest) string { return *in.DirectoryId }, s.deleteDirectory),
		operation.New("DescribeDirectories", operation.Read, nil, s.describeDirectories),
		operation.New("ResetUserPassword", operation.Write, func(in *ResetUserPasswordRequest) string { return *in.DirectoryId }, s.resetUserPassword),
	}
	built := map[string]bool{}
	for _, row := range rows {
		built[row.Name] = true
	}
	for _, modelled := range wire.Operations() {
		if !built[modelled.Name] {
			rows = append(rows, operation.Missing(modelled.Name))
		}
	}
	return operation.NewTable(rows...)
}
