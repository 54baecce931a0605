package samba

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/sys/unix"

	"latchkey/internal/directory"
	"latchkey/internal/durable"
)

// folder is where everything of a domain controller is.
type folder string

func (f folder) at(name string) string { return filepath.Join(string(f), name) }
func (f folder) host() string          { return filepath.Base(string(f)) }
func (f folder) socket() string        { return f.at("private/ldap_priv/ldapi") }
func (f folder) config() string        { return f.at("etc/smb.conf") }
func (f folder) resolv() string        { return f.at("etc/resolv.conf") }
func (f folder) state() string         { return f.at("process.json") }
func (f folder) output() string        { return f.at("log/samba.out") }
func (f folder) audit() string         { return f.at("log/audit.log") }
func (f folder) complete() string      { return f.at("made") }

// made is the domain controller in the folder; ok is false unless it was made to its end.
func (f folder) made() (c Controller, ok bool) {
	text, err := os.ReadFile(f.complete())
	if err != nil {
		return Controller{}, false
	}
	address, err := netip.ParseAddr(strings.TrimSpace(string(text)))
	return Controller{f.host(), address}, err == nil
}

// once fills a folder, and notes at the end that it is whole. What an interrupted run has left is made anew.
func (f folder) once(c Controller, fill func() error) error {
	if _, ok := f.made(); ok {
		return nil
	}
	if err := os.RemoveAll(string(f)); err != nil {
		return err
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return errors.Join(err, os.RemoveAll(string(f)))
	}
	// Samba does not wait for the disk while it makes a domain.
	if err := syncFilesystem(string(f)); err != nil {
		return err
	}
	return durable.Replace(f.complete(), 0o600, []byte(c.Address.String()+"\n"))
}

func syncFilesystem(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Syncfs(int(file.Fd()))
}

// A unix socket's path has at most 107 bytes (unix(7)).
const maxSocket = 107

func (f folder) check() error {
	if strings.ContainsAny(string(f), "%\n") {
		return fmt.Errorf("the path %s has a character that Samba's configuration can't have: choose another data directory", f)
	}
	// The last is the longest that Samba makes by itself.
	for _, socket := range []string{f.socket(), f.at("ncalrpc/np/protected_storage"), f.at("state/winbindd_privileged/pipe")} {
		if len(socket) > maxSocket {
			return fmt.Errorf("the path %s has %d bytes, and that of a socket may have %d: choose a data directory with a shorter path", socket, len(socket), maxSocket)
		}
	}
	return nil
}

// folders are those that Samba would otherwise take from the machine's own configuration, with the modes that it insists on.
var folders = map[string]os.FileMode{
	"bind-dns": 0o750, "cache": 0o755, "etc": 0o700, "lock": 0o755, "log": 0o700, "ncalrpc": 0o755, "pid": 0o755, "private": 0o700, "state": 0o755,
	"tls": 0o700, "winbindd": 0o755,
}

// role is what a domain controller's configuration says beyond its own names.
type role struct {
	domain   directory.Domain
	first    netip.Addr // of the domain's first controller
	isolated bool
	priority string // of TLS
}

// configure writes the domain controller's configuration: all that it reads and writes is in its own folder. changed says
// whether one that runs has to start anew for it.
func (f folder) configure(c Controller, r role, certificate func(folder string, hosts []string) (cert, key, ca string, err error)) (changed bool, err error) {
	for name, mode := range folders {
		if err := os.MkdirAll(f.at(name), mode); err != nil {
			return false, err
		}
		if err := os.Chmod(f.at(name), mode); err != nil {
			return false, err
		}
	}
	cert, key, ca, err := certificate(f.at("tls"), []string{c.Host + "." + r.domain.Name, r.domain.Name, c.Address.String()})
	if err != nil {
		return false, err
	}
	// Copies tell what a running domain controller has read.
	chain, err := os.ReadFile(cert)
	if err != nil {
		return false, err
	}
	authority, err := os.ReadFile(ca)
	if err != nil {
		return false, err
	}
	settings, err := f.settings(c, r, key)
	if err != nil {
		return false, err
	}
	files := map[string]string{
		f.config(): settings, f.at("etc/krb5.conf"): kerberos(c, r), f.at("etc/certificate.pem"): string(chain), f.at("etc/ca.pem"): string(authority),
	}
	for path, content := range files {
		there, err := os.ReadFile(path)
		if err == nil && string(there) == content {
			continue
		}
		changed = true
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return false, err
		}
	}
	// A running domain controller sees this very file, so it is not replaced by another one; it reads it for each question.
	return changed, os.WriteFile(f.resolv(), []byte(resolver(c, r)), 0o600)
}

// resolver lets a domain controller ask the first one before itself, as only there all others are known at once.
func resolver(c Controller, r role) string {
	text := "search " + r.domain.Name + "\nnameserver " + r.first.String() + "\n"
	if c.Address != r.first {
		text += "nameserver " + c.Address.String() + "\n"
	}
	return text + "options timeout:1 attempts:2\n"
}

func kerberos(c Controller, r role) string {
	return fmt.Sprintf(`[libdefaults]
	default_realm = %[1]s
	dns_lookup_realm = false
	dns_lookup_kdc = false
	rdns = false
[realms]
	%[1]s = {
		kdc = %[3]s
		kdc = %[4]s
		default_domain = %[2]s
	}
[domain_realm]
	%[2]s = %[1]s
	.%[2]s = %[1]s
`, r.domain.Realm(), r.domain.Name, c.Address, r.first)
}

// settings is smb.conf(5).
func (f folder) settings(c Controller, r role, key string) (string, error) {
	// Where names can't be resolved as the domain has them, the only domain controller has been registered when it was made.
	services, sysvol := "", f.at("state/sysvol")
	if r.isolated {
		services, sysvol = ", dnsupdate", sharedSysvol
	}
	var text strings.Builder
	err := configuration.Execute(&text, map[string]any{
		"Folder": string(f), "Domain": r.domain, "Host": strings.ToUpper(c.Host), "Address": c.Address, "Services": services, "Update": strings.Join(updateNames(r), " "),
		"Sysvol": sysvol, "Key": key, "Audit": f.audit(), "Audited": audited, "ACL": f.accessAttribute(), "Priority": r.priority, "Forwarder": forwarderOf(c.Address),
	})
	return text.String(), err
}

// configuration is smb.conf(5), where it differs from Samba's defaults. A password that was reset does not work any more, not
// even for an hour as by default. The periods, in seconds, make a change known to every domain controller soon.
var configuration = template.Must(template.New("smb.conf").Parse(`[global]
	workgroup = {{.Domain.NetBIOS}}
	realm = {{.Domain.Realm}}
	netbios name = {{.Host}}
	server role = active directory domain controller
	server services = ldap, kdc, cldap, rpc, drepl, kcc, dns, s3fs, winbindd{{.Services}}
	dns update command = {{.Update}}
	dns forwarder = {{.Forwarder}}
	interfaces = {{.Address}}/32
	bind interfaces only = yes
	disable netbios = yes
	smb ports = 445
	load printers = no
	disable spoolss = yes
	printcap name = /dev/null
	usershare max shares = 0
	private dir = {{.Folder}}/private
	state directory = {{.Folder}}/state
	cache directory = {{.Folder}}/cache
	lock directory = {{.Folder}}/lock
	pid directory = {{.Folder}}/pid
	ncalrpc dir = {{.Folder}}/ncalrpc
	ntp signd socket directory = {{.Folder}}/ntp_signd
	winbindd socket directory = {{.Folder}}/winbindd
	binddns dir = {{.Folder}}/bind-dns
	logging = file
	log file = {{.Folder}}/log/samba.log
	log level = 1{{range $class, $level := .Audited}} {{$class}}:{{$level}}@{{$.Audit}}{{end}}
	max log size = 5000
	enable core files = no
	tls enabled = yes
	tls keyfile = {{.Key}}
	tls certfile = {{.Folder}}/etc/certificate.pem
	tls cafile = {{.Folder}}/etc/ca.pem
{{- with .Priority}}
	tls priority = {{.}}
{{- end}}
	ldap server require strong auth = yes
	old password allowed period = 0
	acl_xattr:security_acl_name = {{.ACL}}
	dreplsrv:notify_interval = 1
	dreplsrv:periodic_startup_interval = 1
	dreplsrv:periodic_interval = 5
	kccsrv:periodic_startup_interval = 2
[sysvol]
	path = {{.Sysvol}}
	read only = no
[netlogon]
	path = {{.Sysvol}}/{{.Domain.Name}}/scripts
	read only = no
`))

// accessAttribute is where files keep who may use them. Samba's own choice in the namespace "security" takes CAP_SYS_ADMIN,
// which containers lack; "user" is not everywhere on filesystems in memory.
func (f folder) accessAttribute() string {
	if errors.Is(unix.Setxattr(f.at("state"), "user.latchkey", []byte("1"), 0), unix.ENOTSUP) {
		return "security.NTACL"
	}
	return "user.NTACL"
}

// updateNames is the command that registers a domain controller's names at the first one: Samba does not register addresses
// below 127 without being told to, and its other ways take more packages.
func updateNames(r role) []string {
	program, err := exec.LookPath("samba_dnsupdate")
	if err != nil {
		program = "samba_dnsupdate"
	}
	return []string{program, "--all-interfaces", "--no-credentials", "--use-samba-tool", "--rpc-server-ip=" + r.first.String()}
}

func (f folder) environment() []string {
	return environment("KRB5_CONFIG="+f.at("etc/krb5.conf"), "KRB5CCNAME=FILE:"+f.at("cache/krb5cc"), "SMB_CONF_PATH="+f.config())
}

// lastWords is what Samba has said last of itself, without where in its source it was.
func (f folder) lastWords() string {
	var said []string
	for _, name := range []string{f.output(), f.at("log/samba.log")} {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text[max(0, len(text)-maxSaid):])) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "[") {
				said = append(said, line)
			}
		}
	}
	return strings.Join(said[max(0, len(said)-lastLines):], "; ") + " (more in " + f.at("log") + ")"
}

const lastLines = 3

// limitOutput keeps what Samba writes beside its own log from filling the disk. The file is open for appending, so that it
// goes on at its new end.
func (f folder) limitOutput() error {
	info, err := os.Stat(f.output())
	if err != nil || info.Size() <= maxOutput {
		return nil
	}
	return os.Truncate(f.output(), 0)
}
