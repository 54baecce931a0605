package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"latchkey/internal/directory"
	"latchkey/internal/directory/client"
	"latchkey/internal/directory/remote"
	"latchkey/internal/store"
)

// NewRemote is the engine for domains that somebody else runs, as the worker asks it.
func NewRemote(engine *remote.Engine) Engine { return remoteEngine{engine} }

type remoteEngine struct{ *remote.Engine }

var errNotMade = errors.New("a domain that somebody else runs is attached, not made")

func (remoteEngine) Create(context.Context, store.Directory, directory.Domain, []byte) error {
	return errNotMade
}

// Available keeps create calls from naming this engine.
func (remoteEngine) Available() error { return errNotMade }

func (e remoteEngine) Serve(ctx context.Context, record store.Directory, domain directory.Domain) error {
	settings, err := RemoteSettings(record)
	if err != nil {
		return err
	}
	return e.Engine.Serve(ctx, domain, settings)
}

// RemoteSettings is how the record's domain is reached.
func RemoteSettings(record store.Directory) (settings remote.Settings, err error) {
	if err := json.Unmarshal(record.Remote, &settings); err != nil {
		return settings, fmt.Errorf("directory %s: how its domain is reached: %w", record.ID, err)
	}
	return settings, nil
}

// Remove deletes nothing in a domain that somebody else runs.
func (e remoteEngine) Remove(_ context.Context, id string) error {
	e.Drop(id)
	return nil
}

func (e remoteEngine) Health(id string) []Health { return healthOf(e.Engine.Health(id)) }

func healthOf(controllers []client.Health) []Health {
	var list []Health
	for _, h := range controllers {
		health := Health{Name: h.Name, Up: h.Up}
		if h.Err != nil {
			health.Reason = h.Err.Error()
		}
		list = append(list, health)
	}
	return list
}

// ErrRefused says that a domain was not attached because a check of it failed. The text around it names the checks.
var ErrRefused = errors.New("the domain is not attached")

// AttachRemote checks a domain that somebody else runs and, if nothing failed, records it as an Active directory and serves
// it. A record that is there already, as it was found, gets the new settings. Its errors wrap ErrRefused,
// store.ErrConflict or store.ErrUnknown.
func (w *Worker) AttachRemote(ctx context.Context, record store.Directory, settings remote.Settings) (store.Directory, remote.Report, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return record, remote.Report{}, err
	}
	record.Engine, record.Remote = Remote, text
	report, err := w.CheckRemote(ctx, record)
	if err != nil {
		return record, report, err
	}
	var failed []string
	for _, finding := range report.Findings {
		if finding.Status == remote.StatusFailed {
			failed = append(failed, finding.Name+": "+finding.Detail)
		}
	}
	if len(failed) > 0 {
		return record, report, fmt.Errorf("%w: %s", ErrRefused, strings.Join(failed, "; "))
	}
	record.SID = report.SID.String()
	if record, err = w.Attach(ctx, record); err != nil {
		return record, report, err
	}
	// The caller's next request shall find it.
	return record, report, w.serve(ctx, record)
}

// CheckRemote holds a domain that somebody else runs against all that resets need of it.
func (w *Worker) CheckRemote(ctx context.Context, record store.Directory) (remote.Report, error) {
	settings, err := RemoteSettings(record)
	if err != nil {
		return remote.Report{}, err
	}
	domain := directory.Domain{ID: record.ID, Kind: directory.Kind(record.Type), Name: record.Name, NetBIOS: record.ShortName}
	if record.SID != "" {
		if domain.SID, err = directory.ParseSID(record.SID); err != nil {
			return remote.Report{}, err
		}
	}
	return remote.Check(ctx, domain, settings, remote.CheckOptions{
		ResetBases: record.Reset.Bases, LeaveOut: record.Reset.LeaveOut, History: record.Reset.History, Now: w.Now,
	}), nil
}
