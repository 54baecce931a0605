package admin

import "latchkey/internal/operation"

// Table is all operations of the service.
func (s *Service) Table() (operation.Table, error) {
	return operation.NewTable(
		operation.New("AddFault", operation.Write, func(in *AddFaultRequest) string { return value(in.DirectoryId) }, s.addFault),
		operation.New("AttachDirectory", operation.Write, func(in *AttachDirectoryRequest) string { return value(in.DirectoryId) }, s.attachDirectory),
		operation.New("CheckDirectory", operation.Read, func(in *CheckDirectoryRequest) string { return *in.DirectoryId }, s.checkDirectory),
		operation.New("ClearFaults", operation.Write, nil, s.clearFaults),
		operation.New("CreateAccessKey", operation.Write, nil, s.createAccessKey),
		operation.New("CreateBackup", operation.Write, nil, s.createBackup),
		operation.New("DeleteAccessKey", operation.Write, nil, s.deleteAccessKey),
		operation.New("DescribeDelegation", operation.Read, func(in *DescribeDelegationRequest) string { return *in.DirectoryId }, s.describeDelegation),
		operation.New("DescribeKerberos", operation.Read, func(in *DescribeKerberosRequest) string { return *in.DirectoryId }, s.describeKerberos),
		operation.New("DetachDirectory", operation.Write, func(in *DetachDirectoryRequest) string { return *in.DirectoryId }, s.detachDirectory),
		operation.New("ExportKeytab", operation.Write, func(in *ExportKeytabRequest) string { return *in.DirectoryId }, s.exportKeytab),
		operation.New("ListAccessKeys", operation.Read, nil, s.listAccessKeys),
		operation.New("ListFaults", operation.Read, nil, s.listFaults),
		operation.New("ReadBackup", operation.Read, nil, s.readBackup),
		operation.New("ResetServer", operation.Write, nil, s.resetServer),
		operation.New("RollKrbtgt", operation.Write, func(in *RollKrbtgtRequest) string { return *in.DirectoryId }, s.rollKrbtgt),
		operation.New("RotateAccessKey", operation.Write, nil, s.rotateAccessKey),
		operation.New("SetStage", operation.Write, func(in *SetStageRequest) string { return *in.DirectoryId }, s.setStage),
		operation.New("UpdateAccessKey", operation.Write, nil, s.updateAccessKey),
	)
}
