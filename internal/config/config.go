// Package config is what `latchkey serve` is told: by flags, by LATCHKEY_… environment variables and by one strict YAML
// file, in this order of precedence. The struct's tags are the only place where an option is declared.
package config

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strings"
	"time"
)

// How many connections the API and LDAP take, where the configuration says 0.
const (
	DefaultConnections        = 4096
	DefaultAddressConnections = 512
)

// DefaultData is where a server keeps its state unless told otherwise, relative to the working directory.
const DefaultData = "./latchkey-data"

// Config is everything that `latchkey serve` can be told. It is filled by kong, as a part of a command, and holds good
// once Validate has said so. It holds no secret: the root key's come from the environment alone.
type Config struct {
	Listen      string `name:"listen" env:"LATCHKEY_LISTEN" default:"127.0.0.1:4389" group:"Addresses" help:"Address of the AWS API. Port 0 takes a free one; the ready line tells which."`
	LDAPListen  string `name:"ldap-listen" env:"LATCHKEY_LDAP_LISTEN" default:"127.0.0.1:10389" group:"Addresses" help:"Address for LDAP with StartTLS; over UDP it tells who looks for a domain where it is."`
	LDAPSListen string `name:"ldaps-listen" env:"LATCHKEY_LDAPS_LISTEN" default:"127.0.0.1:10636" group:"Addresses" help:"Address for LDAP over TLS."`
	DNSListen   string `name:"dns-listen" env:"LATCHKEY_DNS_LISTEN" default:"127.0.0.1:10053" group:"Addresses" help:"Address for the DNS of embedded directories, over UDP and TCP; empty for none."`
	DNSForward  string `name:"dns-forward" env:"LATCHKEY_DNS_FORWARD" placeholder:"IP:PORT" group:"Addresses" help:"DNS server that is asked for all other names, for clients of loopback and private networks. Without one they are refused."`

	KDCListen     string `name:"kdc-listen" env:"LATCHKEY_KDC_LISTEN" default:"127.0.0.1:10088" group:"Addresses" help:"Address for Kerberos, over UDP and TCP; empty turns it off."`
	KpasswdListen string `name:"kpasswd-listen" env:"LATCHKEY_KPASSWD_LISTEN" default:"127.0.0.1:10464" group:"Addresses" help:"Address for changing passwords by Kerberos, over UDP and TCP; empty turns it off."`
	FreePorts     bool   `name:"free-ports" env:"LATCHKEY_FREE_PORTS" group:"Addresses" help:"Take a free port at each of these addresses, whatever port it names, so that servers do not get in each other's way; the ready line tells which."`

	TLSCert       string   `name:"tls-cert" env:"LATCHKEY_TLS_CERT" placeholder:"FILE" group:"API over TLS" help:"Certificate chain (PEM) for the AWS API."`
	TLSKey        string   `name:"tls-key" env:"LATCHKEY_TLS_KEY" placeholder:"FILE" group:"API over TLS" help:"Private key (PEM) of --tls-cert."`
	ClientCA      string   `name:"client-ca" env:"LATCHKEY_CLIENT_CA" placeholder:"FILE" group:"API over TLS" help:"CA certificates (PEM): the API then takes connections only from clients whose certificate one of them has signed."`
	ACMEDomain    []string `name:"acme-domain" env:"LATCHKEY_ACME_DOMAIN" placeholder:"NAME" group:"API over TLS" help:"Name that the API has a certificate for, got and renewed by ACME from --acme-directory, whose terms you accept; repeatable. Connections to port 443 of that name have to reach --listen."`
	ACMEDirectory string   `name:"acme-directory" env:"LATCHKEY_ACME_DIRECTORY" placeholder:"URL" default:"https://acme-v02.api.letsencrypt.org/directory" group:"API over TLS" help:"Authority that certificates come from."`
	ACMECA        string   `name:"acme-ca" env:"LATCHKEY_ACME_CA" placeholder:"FILE" group:"API over TLS" help:"CA certificates (PEM) that the authority's own is signed by; the system's otherwise."`
	ACMEEmail     string   `name:"acme-email" env:"LATCHKEY_ACME_EMAIL" placeholder:"ADDRESS" group:"API over TLS" help:"Where the authority may write to."`

	InsecureHTTP bool `name:"insecure-http" env:"LATCHKEY_INSECURE_HTTP" group:"API over TLS" help:"Let the API listen beyond loopback without TLS, for use behind a proxy that ends TLS."`

	LDAPTLSCert string `name:"ldap-tls-cert" env:"LATCHKEY_LDAP_TLS_CERT" placeholder:"FILE" group:"LDAP over TLS" help:"Certificate chain (PEM) for StartTLS and LDAPS, in place of one that the server makes."`
	LDAPTLSKey  string `name:"ldap-tls-key" env:"LATCHKEY_LDAP_TLS_KEY" placeholder:"FILE" group:"LDAP over TLS" help:"Private key (PEM) of --ldap-tls-cert."`

	Data string `name:"data" env:"LATCHKEY_DATA" default:"./latchkey-data" group:"State" help:"Directory for everything the server keeps; made with mode 0700."`
	Seed string `name:"seed" env:"LATCHKEY_SEED" placeholder:"FILE" group:"State" help:"YAML file of directories, groups and users to have; seeding twice changes nothing."`
	Dev  bool   `name:"dev" env:"LATCHKEY_DEV" group:"State" help:"Keep everything in a temporary directory that goes with the server, and accept any access key. On loopback only."`

	MasterKeyFile    string `name:"master-key-file" env:"LATCHKEY_MASTER_KEY_FILE" placeholder:"FILE" group:"State" help:"File with the key that all secrets in the store are sealed with: 32 bytes, as they are or in base64. Without it, the key in LATCHKEY_MASTER_KEY (base64), or else DIR/master.key, which is made."`
	MasterKeyCommand string `name:"master-key-command" env:"LATCHKEY_MASTER_KEY_COMMAND" placeholder:"COMMAND" group:"State" help:"Command that prints that key in base64; /bin/sh runs it, and it has 30 seconds."`

	DevDelay []string `name:"dev-delay" env:"LATCHKEY_DEV_DELAY" placeholder:"WHAT=TIME" sep:"none" group:"State" help:"With --dev, how long create, delete, restore or snapshot takes, such as create=5s; repeatable. Without it they take no longer than they must."`

	StoreEndpoints []string `name:"store-endpoint" env:"LATCHKEY_STORE_ENDPOINT" placeholder:"URL" group:"Store" help:"Member of an etcd cluster, such as https://etcd1:2379; repeatable. Without one, etcd runs inside this process."`
	StoreCA        string   `name:"store-ca" env:"LATCHKEY_STORE_CA" placeholder:"FILE" group:"Store" help:"CA certificates (PEM) that the cluster's are signed by; the system's otherwise."`
	StoreCert      string   `name:"store-cert" env:"LATCHKEY_STORE_CERT" placeholder:"FILE" group:"Store" help:"Client certificate (PEM) for the cluster."`
	StoreKey       string   `name:"store-key" env:"LATCHKEY_STORE_KEY" placeholder:"FILE" group:"Store" help:"Private key (PEM) of --store-cert."`

	Engine           string   `name:"engine" env:"LATCHKEY_ENGINE" default:"embedded" group:"Engines" help:"What holds the directories that the API makes: embedded, or samba for real domain controllers that this server runs."`
	SambaAddress     []string `name:"samba-address" env:"LATCHKEY_SAMBA_ADDRESS" placeholder:"IP" group:"Engines" help:"Address that a Samba domain controller may use; repeatable. One below 127 is added to the loopback interface when it is missing. Without any, addresses below 127 are chosen."`
	SambaControllers int      `name:"samba-controllers" env:"LATCHKEY_SAMBA_CONTROLLERS" default:"2" group:"Engines" help:"How many domain controllers a new directory on Samba gets."`

	ConnectCAFile string `name:"connect-ca-file" env:"LATCHKEY_CONNECT_CA_FILE" placeholder:"FILE" group:"Engines" help:"CA certificates (PEM) that AD Connectors trust besides the system's and this server's own."`

	LogGroup   []string `name:"log-group" env:"LATCHKEY_LOG_GROUP" placeholder:"NAME=TARGET" sep:"none" group:"Events" help:"Where the security events go that a log subscription sends to the log group NAME: an absolute path, or an http or https URL that takes JSON lines; repeatable."`
	EventTopic []string `name:"event-topic" env:"LATCHKEY_EVENT_TOPIC" placeholder:"NAME=URL" sep:"none" group:"Events" help:"Webhook that is told of directories' stages where the event topic NAME is registered; repeatable."`

	AccountID     string `name:"account-id" env:"LATCHKEY_ACCOUNT_ID" default:"123456789012" group:"Behaviour" help:"AWS account number that directories belong to: 12 digits."`
	Roles         string `name:"roles" env:"LATCHKEY_ROLES" placeholder:"FILE" group:"Behaviour" help:"YAML file of the roles that holders of access keys may assume (sts:AssumeRole), or of an identity provider's tokens. SIGHUP reads it again."`
	UnlockOnReset bool   `name:"unlock-on-reset" env:"LATCHKEY_UNLOCK_ON_RESET" default:"true" negatable:"" group:"Behaviour" help:"Whether ResetUserPassword unlocks an account that is locked out."`

	ThrottleKey       string `name:"throttle-key" env:"LATCHKEY_THROTTLE_KEY" placeholder:"RATE:BURST" group:"Limits" help:"How many calls an access key may make: a second, and at once, such as 50:100. Without it there is no limit."`
	ThrottleDirectory string `name:"throttle-directory" env:"LATCHKEY_THROTTLE_DIRECTORY" placeholder:"RATE:BURST" group:"Limits" help:"How many calls upon one directory are taken."`
	ThrottleUser      string `name:"throttle-user" env:"LATCHKEY_THROTTLE_USER" placeholder:"RATE:BURST" group:"Limits" help:"How often one user's password is reset, such as 0.1:5: five times at once, and then every ten seconds."`

	ThrottleSource  string `name:"throttle-source" env:"LATCHKEY_THROTTLE_SOURCE" default:"100:1000" placeholder:"RATE:BURST" group:"Limits" help:"How many logins by LDAP and by Kerberos may fail from one address; more are refused unseen. Of calls whose signature proves nothing, the audit trail has one a second then. Empty for no limit."`
	ThrottleAccount string `name:"throttle-account" env:"LATCHKEY_THROTTLE_ACCOUNT" placeholder:"RATE:BURST" group:"Limits" help:"How many logins to one account of an embedded directory may fail; more are refused unseen, whatever the directory's lockout policy."`

	MaxConnections        int `name:"max-connections" env:"LATCHKEY_MAX_CONNECTIONS" default:"4096" group:"Limits" help:"How many connections the API takes at once, and LDAP as many."`
	MaxAddressConnections int `name:"max-address-connections" env:"LATCHKEY_MAX_ADDRESS_CONNECTIONS" default:"512" group:"Limits" help:"How many of them one address may have."`

	AuditFileSize int64         `name:"audit-file-size" env:"LATCHKEY_AUDIT_FILE_SIZE" default:"256" placeholder:"MIB" group:"Audit" help:"Size, in MiB, beyond which audit.log gets another name and a new one begins."`
	AuditKeep     time.Duration `name:"audit-keep" env:"LATCHKEY_AUDIT_KEEP" placeholder:"TIME" group:"Audit" help:"How long records are kept at least, such as 2160h; then files that hold only older ones are removed, and a new one begins each day. Without it all are kept."`

	AuditOnFailure       string   `name:"audit-on-failure" env:"LATCHKEY_AUDIT_ON_FAILURE" default:"refuse" placeholder:"WHAT" group:"Audit" help:"What becomes of calls while the audit trail can't be written: refuse changes, or continue without records, which the log tells of."`
	AuditSink            []string `name:"audit-sink" env:"LATCHKEY_AUDIT_SINK" placeholder:"URL" sep:"none" group:"Audit" help:"Where every record is delivered, too: syslog+tls://HOST:6514, https://HOST/PATH, which takes JSON lines, or stdout; repeatable. ?ca=FILE says who signs its certificate."`
	AuditDropUndelivered bool     `name:"audit-drop-undelivered" env:"LATCHKEY_AUDIT_DROP_UNDELIVERED" group:"Audit" help:"Remove files by --audit-keep even if a sink has not had them."`

	MetricsListen string `name:"metrics-listen" env:"LATCHKEY_METRICS_LISTEN" placeholder:"HOST:PORT" group:"Watching" help:"Address of /metrics for Prometheus, such as 127.0.0.1:9389. Whoever reaches it reads it: keep it off public networks. Without one there are no metrics."`
	OTLPEndpoint  string `name:"otlp-endpoint" env:"LATCHKEY_OTLP_ENDPOINT" placeholder:"URL" group:"Watching" help:"OpenTelemetry collector that gets traces (OTLP over HTTP), such as http://127.0.0.1:4318. The variables OTEL_EXPORTER_OTLP_… do the same and say the rest."`
	PprofSocket   string `name:"pprof-socket" env:"LATCHKEY_PPROF_SOCKET" placeholder:"PATH" group:"Watching" help:"Unix socket, made with mode 0600, that Go's profiles are had from."`

	LogLevel  string `name:"log-level" env:"LATCHKEY_LOG_LEVEL" default:"info" group:"Logs" help:"Least severe level that is logged: debug, info, warn or error."`
	LogFormat string `name:"log-format" env:"LATCHKEY_LOG_FORMAT" default:"auto" group:"Logs" help:"text, json, or auto: text on a terminal and JSON otherwise."`

	File File `name:"config" env:"LATCHKEY_CONFIG" placeholder:"FILE" help:"YAML file of these options: its keys are the flags' names without the dashes. A flag or an environment variable goes before it."`
}

// TLS says whether the API is behind TLS.
func (c *Config) TLS() bool { return c.TLSCert != "" || len(c.ACMEDomain) > 0 }

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

// At is where a listener listens whose address is configured: there, or with FreePorts at a free port beside.
func (c *Config) At(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil && c.FreePorts {
		return net.JoinHostPort(host, "0")
	}
	return address
}

// Differences is the flags whose values differ between two configurations, but for those that a running server takes over.
func Differences(a, b *Config) (flags []string) {
	one, other := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range one.NumField() {
		field := one.Type().Field(i)
		name := field.Tag.Get("name")
		if name == "log-level" || name == "roles" || name == "config" {
			continue
		}
		if !reflect.DeepEqual(one.Field(i).Interface(), other.Field(i).Interface()) {
			flags = append(flags, "--"+name)
		}
	}
	return flags
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Text says what and where.
	Text string
	// Hint, which may be empty, says what to do about it.
	Hint string
}

func (p *Problem) Error() string { return p.Text }

// Delays is DevDelay by what takes so long. Validate has refused what this can't read.
func (c *Config) Delays() map[string]time.Duration {
	delays := map[string]time.Duration{}
	for _, text := range c.DevDelay {
		what, length, _ := strings.Cut(text, "=")
		if d, err := time.ParseDuration(length); err == nil {
			delays[what] = d
		}
	}
	return delays
}
