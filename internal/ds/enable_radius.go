package ds

import (
	"context"
	"net"
	"regexp"
	"slices"

	"latchkey/internal/directory"
	"latchkey/internal/fault"
	"latchkey/internal/lifecycle"
	"latchkey/internal/operation"
	"latchkey/internal/store"
	"latchkey/internal/wire"
)

// enableRADIUS notes the servers that are to ask for a second factor (API reference, EnableRadius). Its status is Completed once
// one of them has proved that it knows the shared secret.
func (s *Service) enableRADIUS(ctx context.Context, call *operation.Call, in *EnableRadiusRequest) (*EnableRadiusResult, error) {
	return &EnableRadiusResult{}, s.setRADIUS(ctx, call, *in.DirectoryId, in.RadiusSettings, func(record *store.Directory) error {
		if record.Radius != nil {
			return fault.Newf(fault.EntityAlreadyExists, "RADIUS is enabled for directory %s already.", record.ID)
		}
		record.Radius = &store.Radius{Port: 1812, Timeout: 5, Retries: 3, Protocol: RadiusAuthenticationProtocolPAP}
		return nil
	})
}

// setRADIUS gives a directory new settings: begin makes those that are not given.
func (s *Service) setRADIUS(ctx context.Context, call *operation.Call, id string, in *RadiusSettings, begin func(*store.Directory) error) error {
	record, err := s.findRADIUS(call, id)
	if err != nil {
		return err
	}
	servers := slices.Concat(in.RadiusServers, in.RadiusServersIpv6)
	if len(servers) > maxRADIUSServers {
		return fault.Newf(fault.InvalidParameter, "A directory has at most %d RADIUS servers.", maxRADIUSServers)
	}
	for _, server := range servers {
		if net.ParseIP(server) == nil && !hostPattern.MatchString(server) {
			return fault.Newf(fault.InvalidParameter, "%s is neither an IP address nor the name of a host.", server)
		}
	}
	_, err = s.update(ctx, record.ID, func(record *store.Directory) error {
		if err := begin(record); err != nil {
			return err
		}
		r := record.Radius
		if servers != nil {
			r.Servers = servers
		}
		set(&r.Port, in.RadiusPort)
		set(&r.Protocol, in.AuthenticationProtocol)
		set(&r.Label, in.DisplayLabel)
		set(&r.Retries, in.RadiusRetries)
		set(&r.Timeout, in.RadiusTimeout)
		set(&r.SameUsername, in.UseSameUsername)
		if !in.SharedSecret.IsZero() {
			r.Secret = s.Tokens.Seal(in.SharedSecret.Bytes(), record.ID)
		}
		if len(r.Servers) == 0 || len(r.Secret) == 0 {
			return fault.New(fault.InvalidParameter, "RadiusServers and SharedSecret are required.")
		}
		r.Status = store.Status{State: RadiusStatusCreating, Since: call.Time}
		return nil
	})
	return err
}

const maxRADIUSServers = 10

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

func set[T any](field, given *T) {
	if given != nil {
		*field = *given
	}
}

// findRADIUS is find for a directory that can have RADIUS servers.
func (s *Service) findRADIUS(call *operation.Call, id string) (store.Directory, error) {
	record, err := s.find(call, id)
	if err == nil && record.Type != string(directory.MicrosoftAD) && record.Type != lifecycle.ADConnector {
		err = fault.Newf(fault.Client, "RADIUS is not supported for a directory of the type %s.", record.Type)
	}
	return record, err
}

// showSecret adds the shared secret for who may set it: Terraform compares it with its own. Nobody else is to learn it.
func (s *Service) showSecret(call *operation.Call, record store.Directory, settings *RadiusSettings) {
	if settings == nil || !call.May("ds:UpdateRadius", record.ID) {
		return
	}
	if secret, err := s.Tokens.Open(record.Radius.Secret, record.ID); err == nil {
		settings.SharedSecret = wire.NewSecret(secret)
	}
}

// describeRADIUS leaves the shared secret out.
func describeRADIUS(r *store.Radius) *RadiusSettings {
	settings := &RadiusSettings{
		AuthenticationProtocol: &r.Protocol, DisplayLabel: optional(r.Label), RadiusPort: &r.Port, RadiusRetries: &r.Retries, RadiusTimeout: &r.Timeout,
		UseSameUsername: &r.SameUsername,
	}
	for _, server := range r.Servers {
		if ip := net.ParseIP(server); ip != nil && ip.To4() == nil {
			settings.RadiusServersIpv6 = append(settings.RadiusServersIpv6, server)
		} else {
			settings.RadiusServers = append(settings.RadiusServers, server)
		}
	}
	return settings
}
