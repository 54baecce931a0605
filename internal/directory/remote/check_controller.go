package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

// controller is a domain controller as its URL reaches it.
type controller struct {
	url   string
	given bool // by the operator, not by records
	// findings are this controller's, in their order.
	findings []Finding

	conn  *ldap.Conn
	asks  directory.Conn // a session over conn
	root  *ldap.Entry
	host  string // dNSHostName
	fits  bool   // it is one of the domain's
	bound bool
}

func (c *controller) add(what string, status Status, detail, fix string) {
	c.findings = append(c.findings, Finding{what + " " + c.url, status, clean(detail), fix})
}

func (c *controller) close() {
	if c.conn != nil {
		// Closing a connection whose peer hangs may take long.
		go func() { _ = c.conn.Close() }()
	}
}

// visit connects to all controllers at once, and logs in: to one first, so that a wrong password counts only once towards
// the account's lockout.
func (d *doctor) visit(ctx context.Context) {
	var group sync.WaitGroup
	for _, c := range d.controllers {
		group.Go(func() {
			if c.connect(ctx, d.settings) && c.ask(ctx, d.domain) {
				c.clock(d.Now())
			}
		})
	}
	group.Wait()
	wrong := false
	for _, c := range d.controllers {
		switch {
		case !c.fits: // the password is for the domain alone
		case !d.withPassword:
			c.add("bind", StatusSkipped, d.reason, "")
		case wrong:
			c.add("bind", StatusSkipped, "not tried again with what another domain controller refused, which would count towards the account's lockout", "")
		case ctx.Err() != nil:
			c.add("bind", StatusSkipped, "the time for the whole check is over", "")
		default:
			wrong = !c.bind(ctx, d.settings) && c.refused()
		}
	}
	working := slices.ContainsFunc(d.controllers, (*controller).works)
	for _, c := range d.controllers {
		// Records may name one that is down for a while; a URL was written to be used.
		if working && !c.given {
			for i := range c.findings {
				if c.findings[i].Status == StatusFailed {
					c.findings[i].Status = StatusWarning
				}
			}
		}
		d.findings = append(d.findings, c.findings...)
	}
}

// choose lets the further checks ask the first controller that still works.
func (d *doctor) choose() *controller {
	for _, c := range d.controllers {
		if c.works() {
			d.conn, d.host, d.config = c.asks, c.host, c.root.GetAttributeValue("configurationNamingContext")
			return c
		}
	}
	return nil
}

func (c *controller) alive() bool {
	s, ok := c.asks.(*session)
	return !ok || !s.dead.Load() && !s.IsClosing()
}

// works says whether the controller can be asked as the account.
func (c *controller) works() bool { return c.bound && c.alive() }

// portHints say what listens where somebody may look for LDAP over TLS by mistake.
var portHints = map[string]string{
	"389":  "port 389 is that of LDAP without TLS, over which Active Directory takes no passwords (result 53, 00002077 or 0000001F)",
	"3268": "port 3268 is that of the global catalog, without TLS: a read-only copy of some attributes",
	"3269": "port 3269 is that of the global catalog: a read-only copy of some attributes, which takes no changes",
}

const (
	portFix = "Give ldaps:// with the host alone, or port 636."
	caFix   = "Give the certificate of the authority that signed the domain controllers' (PEM), all of them in one file if there are several. On Samba it is private/tls/ca.pem, of AD Certificate Services: certutil -ca.cert."
)

func port(url string) string {
	address, err := hostPort(url)
	if err != nil {
		return ""
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// connect checks the way to the controller, and its certificate.
func (c *controller) connect(ctx context.Context, s Settings) bool {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	conn, err := Dial(ctx, c.url, s)
	hint := portHints[port(c.url)]
	switch {
	case errors.Is(err, ErrTLS):
		c.add("connection", StatusOK, "reachable", "")
		detail, fix := explainTLS(err, s)
		if hint != "" {
			detail, fix = hint+": "+detail, portFix
		}
		c.add("certificate", StatusFailed, detail, fix)
		return false
	case err != nil:
		c.add("connection", StatusFailed, err.Error(), unreachableFix(err))
		return false
	}
	c.conn, c.asks = conn, &session{Conn: conn}
	if hint != "" {
		c.add("connection", StatusFailed, hint, portFix)
		return false
	}
	c.add("connection", StatusOK, "reachable", "")
	return true
}

func unreachableFix(err error) string {
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return "Correct the host name, or let the resolver be a DNS server of the domain."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nothing listens there: is this a domain controller, and does it run? LDAP over TLS is port 636."
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return "Let the firewalls on the way pass TCP port 636 from this server to the domain controller, and look whether it runs."
	}
	return "Look whether the domain controller runs and can be reached from this server."
}

// explainTLS says what is wrong with a domain controller's certificate, and what to do.
func explainTLS(err error, s Settings) (detail, fix string) {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	authorities := "the authorities in " + s.CAFile
	if s.CAFile == "" {
		authorities = "the authorities that this system trusts"
	}
	switch {
	case errors.As(err, &authority):
		detail = "its certificate is not signed by any of " + authorities
		if authority.Cert != nil {
			detail = fmt.Sprintf("its certificate, issued by %q, is not signed by any of %s", authority.Cert.Issuer, authorities)
		}
		return detail, caFix
	case errors.As(err, &host):
		names := slices.Clone(host.Certificate.DNSNames)
		for _, address := range host.Certificate.IPAddresses {
			names = append(names, address.String())
		}
		detail = fmt.Sprintf("its certificate is not for %s but for %s", host.Host, cmp.Or(strings.Join(names, ", "), "no name"))
		return detail, "Let the URL have a name that is in the certificate, or give the domain controller a certificate with this name in it (subjectAltName)."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		detail = fmt.Sprintf("its certificate, or an authority's, is valid from %s to %s", invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime))
		return detail, "Renew the certificate; if it has not expired, look at the clock of this server."
	case strings.Contains(err.Error(), "negative serial number"):
		return "its certificate has a negative serial number, which RFC 5280 forbids; Samba now and then makes such a certificate for itself", "Give the domain controller another certificate. On Samba: remove private/tls/*.pem and start it again, or configure tls keyfile, tls certfile and tls cafile."
	case errors.As(err, &record):
		return "it does not speak TLS there", portFix
	case errors.Is(err, context.DeadlineExceeded):
		return "it takes connections but does not answer the TLS handshake in time", "Look whether the domain controller hangs."
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		return "it ends the connection in the TLS handshake", "Is it the port of LDAP over TLS, 636? A Windows domain controller without a certificate for LDAP over TLS does the same: enroll one (Domain Controller Authentication)."
	}
	return err.Error(), "Look at the domain controller's certificate: openssl s_client -connect HOST:636 -showcerts."
}

const (
	day       = 24 * time.Hour
	expiresIn = 30 * day
)

// days is how long something is.
func days(length time.Duration) string {
	if length/day == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", length/day)
}

// expiry looks at how long the controller's certificate, and those above it, will do.
func (c *controller) expiry(now time.Time) {
	state, ok := c.conn.TLSConnectionState()
	if !ok || len(state.VerifiedChains) == 0 {
		return
	}
	first := state.VerifiedChains[0][0]
	whose := "the certificate"
	for i, each := range state.VerifiedChains[0] {
		if each.NotAfter.Before(first.NotAfter) {
			first = each
			if i > 0 {
				whose = "an authority's certificate, " + each.Subject.String() + ","
			}
		}
	}
	detail := fmt.Sprintf("%s expires on %s", whose, first.NotAfter.UTC().Format(time.DateOnly))
	switch serial := state.PeerCertificates[0].SerialNumber; {
	case first.NotAfter.Sub(now) < expiresIn:
		c.add("certificate", StatusWarning, detail+", in "+days(first.NotAfter.Sub(now)), "Renew it before: without a valid certificate there are no resets.")
	case serial != nil && serial.Sign() < 0:
		c.add("certificate", StatusWarning, detail+"; it has a negative serial number, which RFC 5280 forbids and many clients refuse", "Give the domain controller another certificate.")
	default:
		c.add("certificate", StatusOK, detail, "")
	}
}

var rootAttributes = []string{"defaultNamingContext", "configurationNamingContext", "supportedCapabilities", "domainFunctionality", "dnsHostName", "dsServiceName", "currentTime", "isSynchronized"}

// Capabilities in the rootDSE (MS-ADTS section 3.1.1.3.4.3).
const (
	capabilityAD   = "1.2.840.113556.1.4.800"
	capabilityADAM = "1.2.840.113556.1.4.1851"
)

// levels are the functional levels (MS-ADTS section 6.1.4.3).
var levels = map[string]string{
	"0": "2000", "1": "2003 interim", "2": "2003", "3": "2008", "4": "2008 R2", "5": "2012", "6": "2012 R2", "7": "2016", "10": "2025",
}

// ask looks at what the server says of itself to everybody: whether it is a domain controller of the domain.
func (c *controller) ask(ctx context.Context, domain directory.Domain) bool {
	root, err := read(ctx, c.asks, "", rootAttributes...)
	if err != nil {
		c.add("controller", StatusFailed, "it does not tell what it is: "+err.Error(), "Look whether this is a domain controller, and works.")
		return false
	}
	c.root, c.host = root, root.GetAttributeValue("dnsHostName")
	capabilities := root.GetAttributeValues("supportedCapabilities")
	naming := root.GetAttributeValue("defaultNamingContext")
	switch {
	case slices.Contains(capabilities, capabilityADAM) && !slices.Contains(capabilities, capabilityAD):
		c.add("controller", StatusFailed, "it is AD Lightweight Directory Services, not a domain", "Give the URL of a domain controller.")
	case !slices.Contains(capabilities, capabilityAD):
		c.add("controller", StatusFailed, "it is not Active Directory: supportedCapabilities lacks "+capabilityAD, "Give the URL of a domain controller of "+domain.Name+".")
	case !sameDN(naming, domain.BaseDN()):
		c.add("controller", StatusFailed, fmt.Sprintf("it is a domain controller of %s, not of %s", naming, domain.BaseDN()), "Correct the directory's name, or the URL.")
	case root.GetAttributeValue("isSynchronized") == "FALSE":
		c.fits = true
		c.add("controller", StatusWarning, c.host+" has not finished its first replication", "Wait for it, or look at its replication: samba-tool drs showrepl, repadmin /showrepl.")
	default:
		c.fits = true
		level := root.GetAttributeValue("domainFunctionality")
		c.add("controller", StatusOK, fmt.Sprintf("%s, a domain controller of %s, functional level %s (%s)", c.host, domain.Name, level, cmp.Or(levels[level], "unknown")), "")
	}
	return true
}

func sameDN(a, b string) bool {
	one, err := ldap.ParseDN(a)
	if err != nil {
		return false
	}
	other, err := ldap.ParseDN(b)
	return err == nil && one.EqualFold(other)
}

// maxSkew is what Kerberos allows (RFC 4120 section 1.6, and AD's default policy).
const maxSkew = 5 * time.Minute

func (c *controller) clock(now time.Time) {
	c.expiry(now)
	theirs, err := time.Parse("20060102150405.0Z", c.root.GetAttributeValue("currentTime"))
	if err != nil {
		c.add("clock", StatusSkipped, "it does not tell its time", "")
		return
	}
	skew := theirs.Sub(now)
	if skew.Abs() > maxSkew {
		c.add("clock", StatusWarning, fmt.Sprintf("it is %v off this server's", skew.Round(time.Second)), "Let both take their time from the same source (NTP): Kerberos allows 5 minutes, and certificates and expiry dates are judged by the clock.")
		return
	}
	c.add("clock", StatusOK, fmt.Sprintf("within %v", max(skew.Abs().Round(time.Second), time.Second)), "")
}

// bind logs in as the account.
func (c *controller) bind(ctx context.Context, s Settings) bool {
	c.conn.SetTimeout(stepLimit)
	err := Bind(ctx, c.conn, s)
	c.conn.SetTimeout(0) // a session watches its searches
	if err != nil {
		c.add("bind", StatusFailed, err.Error(), bindFix(err, s))
		return false
	}
	c.bound = true
	c.add("bind", StatusOK, s.BindDN, "")
	c.role(ctx)
	return true
}

// role says whether the controller takes changes.
func (c *controller) role(ctx context.Context) {
	service, err := read(ctx, c.asks, c.root.GetAttributeValue("dsServiceName"), "msDS-isRODC")
	if err == nil && service.GetAttributeValue("msDS-isRODC") == "TRUE" {
		c.add("role", StatusWarning, c.host+" is a read-only domain controller: it refuses changes, with a referral", "Give the URLs of writable domain controllers.")
	}
}

// refused says whether the last login was refused for the account's sake.
func (c *controller) refused() bool {
	last := c.findings[len(c.findings)-1]
	return strings.Contains(last.Detail, ErrBind.Error())
}

// bindFixes are for AD's data codes of a refused login (MS-ERREF section 2.2).
var bindFixes = map[string]string{
	"525": "Correct the name of the account to bind as: a DN, NAME@DOMAIN or DOMAIN\\NAME.",
	"52e": "Correct the password in the file, or the name of the account: a DN, NAME@DOMAIN or DOMAIN\\NAME.",
	"530": "Let the account log in at all hours (logonHours).",
	"531": "Let the account log in from this server (userWorkstations).",
	"532": "Give the account a new password, write it into the file, and let it not expire.",
	"533": "Enable the account.",
	"701": "Extend the account's life (accountExpires).",
	"773": "Give the account a password that need not be changed at the next logon.",
	"775": "Unlock the account, and find out who locks it: the wrong password is used somewhere.",
}

func bindFix(err error, s Settings) string {
	var refusal *ldap.Error
	switch {
	case errors.Is(err, ErrCredentials):
		return "Write the account's password into " + s.BindPasswordFile + ", readable by the user that Latchkey runs as and by nobody else (chmod 600)."
	case !errors.As(err, &refusal) || !errors.Is(err, ErrBind):
		return "Look whether the domain controller hangs."
	case refusal.ResultCode == ldap.LDAPResultInvalidDNSyntax:
		return bindFixes["525"]
	}
	if fix := bindFixes[directory.DataCode(refusal)]; fix != "" {
		return fix
	}
	return "Look at the domain controller's log for why it refuses the account."
}
