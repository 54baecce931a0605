// Package config is what `latchkey serve` is told: by flags, by LATCHKEY_… environment variables and by one strict YAML
// file, in this order of precedence. The struct's tags are the only place where an option is declared.
package config

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
)

// DefaultData is where a server keeps its state unless told otherwise, relative to the working directory.
const DefaultData = "./latchkey-data"

// Config is everything that `latchkey serve` can be told. It is filled by kong, as a part of a command, and holds good
// once Validate has said so. It holds no secret: the root key's come from the environment alone.
type Config struct {
	Listen      string `name:"listen" env:"LATCHKEY_LISTEN" default:"127.0.0.1:4389" group:"Addresses" help:"Address of the AWS API. Port 0 takes a free one; the ready line tells which."`
	LDAPListen  string `name:"ldap-listen" env:"LATCHKEY_LDAP_LISTEN" default:"127.0.0.1:10389" group:"Addresses" help:"Address for LDAP with StartTLS."`
	LDAPSListen string `name:"ldaps-listen" env:"LATCHKEY_LDAPS_LISTEN" default:"127.0.0.1:10636" group:"Addresses" help:"Address for LDAP over TLS."`

	TLSCert      string `name:"tls-cert" env:"LATCHKEY_TLS_CERT" placeholder:"FILE" group:"API over TLS" help:"Certificate chain (PEM) for the AWS API."`
	TLSKey       string `name:"tls-key" env:"LATCHKEY_TLS_KEY" placeholder:"FILE" group:"API over TLS" help:"Private key (PEM) of --tls-cert."`
	InsecureHTTP bool   `name:"insecure-http" env:"LATCHKEY_INSECURE_HTTP" group:"API over TLS" help:"Let the API listen beyond loopback without TLS, for use behind a proxy that ends TLS."`

	Data string `name:"data" env:"LATCHKEY_DATA" default:"./latchkey-data" group:"State" help:"Directory for everything the server keeps; made with mode 0700."`
	Seed string `name:"seed" env:"LATCHKEY_SEED" placeholder:"FILE" group:"State" help:"YAML file of directories, groups and users to have; seeding twice changes nothing."`
	Dev  bool   `name:"dev" env:"LATCHKEY_DEV" group:"State" help:"Keep everything in a temporary directory that goes with the server, and accept any access key. On loopback only."`

	StoreEndpoints []string `name:"store-endpoint" env:"LATCHKEY_STORE_ENDPOINT" placeholder:"URL" group:"Store" help:"Member of an etcd cluster, such as https://etcd1:2379; repeatable. Without one, etcd runs inside this process."`
	StoreCA        string   `name:"store-ca" env:"LATCHKEY_STORE_CA" placeholder:"FILE" group:"Store" help:"CA certificates (PEM) that the cluster's are signed by; the system's otherwise."`
	StoreCert      string   `name:"store-cert" env:"LATCHKEY_STORE_CERT" placeholder:"FILE" group:"Store" help:"Client certificate (PEM) for the cluster."`
	StoreKey       string   `name:"store-key" env:"LATCHKEY_STORE_KEY" placeholder:"FILE" group:"Store" help:"Private key (PEM) of --store-cert."`

	AccountID     string `name:"account-id" env:"LATCHKEY_ACCOUNT_ID" default:"123456789012" group:"Behaviour" help:"AWS account number that directories belong to: 12 digits."`
	UnlockOnReset bool   `name:"unlock-on-reset" env:"LATCHKEY_UNLOCK_ON_RESET" default:"true" negatable:"" group:"Behaviour" help:"Whether ResetUserPassword unlocks an account that is locked out."`

	LogLevel  string `name:"log-level" env:"LATCHKEY_LOG_LEVEL" default:"info" group:"Logs" help:"Least severe level that is logged: debug, info, warn or error."`
	LogFormat string `name:"log-format" env:"LATCHKEY_LOG_FORMAT" default:"auto" group:"Logs" help:"text, json, or auto: text on a terminal and JSON otherwise."`

	File File `name:"config" env:"LATCHKEY_CONFIG" placeholder:"FILE" help:"YAML file of these options: its keys are the flags' names without the dashes. A flag or an environment variable goes before it."`
}

// Level is LogLevel as slog knows it.
func (c *Config) Level() slog.Level {
	var level slog.Level
	// Validate has refused what this can't read.
	_ = level.UnmarshalText([]byte(c.LogLevel))
	return level
}

// StoreTLS is how to speak with an etcd cluster over TLS; nil without a cluster. The client certificate is read for each
// connection, so that it can be renewed while the server runs. A CA file that can't be read any more trusts nobody.
func (c *Config) StoreTLS() *tls.Config {
	if len(c.StoreEndpoints) == 0 {
		return nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.StoreCA != "" {
		settings.RootCAs = x509.NewCertPool()
		if text, err := os.ReadFile(c.StoreCA); err == nil {
			settings.RootCAs.AppendCertsFromPEM(text)
		}
	}
	if cert, key := c.StoreCert, c.StoreKey; cert != "" {
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			return &pair, err
		}
	}
	return settings
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Text says what and where.
	Text string
	// Hint, which may be empty, says what to do about it.
	Hint string
}

func (p *Problem) Error() string { return p.Text }
