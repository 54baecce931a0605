package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
)

// checkDirectory tells what is well with a directory and what is not: with an attached domain by the checks that it was
// attached with.
func (s *Service) checkDirectory(ctx context.Context, call *operation.Call, in *CheckDirectoryRequest) (*CheckDirectoryResult, error) {
	record, err := s.find(call, *in.DirectoryId)
	if err != nil {
		return nil, err
	}
	if lifecycle.EngineName(record) != lifecycle.Remote {
		return &CheckDirectoryResult{Findings: s.examine(ctx, record)}, nil
	}
	report, err := s.Lifecycle.CheckRemote(ctx, record)
	if err != nil {
		return nil, err
	}
	return &CheckDirectoryResult{Findings: findings(report)}, nil
}

// examine is the check of a directory whose objects Latchkey holds: its stage, its domain controllers, and whether it
// answers.
func (s *Service) examine(ctx context.Context, record store.Directory) []Finding {
	list := []Finding{stageFinding("stage", record.Stage, record.StageReason, "")}
	for _, c := range record.Controllers {
		list = append(list, stageFinding("domain controller "+c.Host, c.Stage, c.StageReason,
			"Latchkey restarts it by itself; its log is in the data directory of the server that runs it."))
	}
	return append(list, s.ask(ctx, record))
}

// stageFinding judges a stage of AWS's.
func stageFinding(name, stage, reason, fix string) Finding {
	detail := stage
	if reason != "" {
		detail += ": " + reason
	}
	switch stage {
	case lifecycle.Active:
		return newFinding(name, FindingStatusOk, detail, "")
	case lifecycle.Inoperable, lifecycle.Failed, lifecycle.Impaired:
		return newFinding(name, FindingStatusFailed, detail, fix)
	}
	// What is on its way to somewhere is to be looked at again.
	return newFinding(name, FindingStatusWarning, detail, "")
}

// ask finds whether the directory answers a search for its own root.
func (s *Service) ask(ctx context.Context, record store.Directory) Finding {
	const name = "answers"
	domain, err := lifecycle.Domain(record)
	if err != nil {
		return newFinding(name, FindingStatusFailed, err.Error(), "")
	}
	conn, err := s.Lifecycle.Conn(record.ID)
	if err != nil {
		return newFinding(name, FindingStatusFailed, err.Error(), "")
	}
	before := time.Now()
	_, err = conn.Search(ctx, ldap.NewSearchRequest(domain.BaseDN(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=domain)", []string{"objectSid"}, nil))
	if err != nil {
		return newFinding(name, FindingStatusFailed, err.Error(), "")
	}
	return newFinding(name, FindingStatusOk, fmt.Sprintf("%s in %v", domain.BaseDN(), time.Since(before).Round(time.Microsecond)), "")
}
