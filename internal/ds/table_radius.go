package ds

import "latchkey/internal/operation"

const radiusNote = "Completed once a server has proved that it knows the shared secret; there is no sign-in yet that asks it for a second factor"

// radiusRows are about RADIUS servers.
func (s *Service) radiusRows() []operation.Spec {
	return []operation.Spec{
		operation.New("DisableRadius", operation.Write, func(in *DisableRadiusRequest) string { return *in.DirectoryId }, s.disableRADIUS).With(operation.Recorded, ""),
		operation.New("EnableRadius", operation.Write, func(in *EnableRadiusRequest) string { return *in.DirectoryId }, s.enableRADIUS).With(operation.Recorded, radiusNote),
		operation.New("UpdateRadius", operation.Write, func(in *UpdateRadiusRequest) string { return *in.DirectoryId }, s.updateRADIUS).With(operation.Recorded, radiusNote),
	}
}
