package config

import (
	"net/url"
	"path/filepath"
)

// maxSocket is how long a Unix socket's path may be: the system takes 107 bytes, and for a moment it has a longer name.
const maxSocket = 80

func (v *validation) watching(c *Config) {
	if c.OTLPEndpoint != "" {
		u, err := url.Parse(c.OTLPEndpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			v.add("such as http://127.0.0.1:4318; what the collector is to know of the sender goes into OTEL_EXPORTER_OTLP_HEADERS",
				"--otlp-endpoint: it is not an http or https URL without a user and a query")
		}
	}
	if len(c.PprofSocket) > maxSocket {
		v.add("", "--pprof-socket: the path is longer than %d bytes", maxSocket)
	} else if c.PprofSocket != "" {
		if base := filepath.Base(c.PprofSocket); base == "." || base == ".." || base == string(filepath.Separator) {
			v.add("", "--pprof-socket: %q names no file", c.PprofSocket)
		}
	}
}
