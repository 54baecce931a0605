package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"latchkey/internal/admin"
	"latchkey/internal/durable"
	"latchkey/internal/wire"
)

type krb5ConfCommand struct {
	client
	ID  string `arg:"" placeholder:"d-…" help:"The directory, d-…"`
	DNS bool   `name:"dns" help:"Have clients find the servers by DNS, not by addresses in the file."`
}

// Help is what --help says beyond the flags.
func (*krb5ConfCommand) Help() string {
	return `Examples:

  latchkey krb5-conf d-1234567890 > krb5.conf
  KRB5_CONFIG=krb5.conf kinit jane@CORP.EXAMPLE.COM`
}

// Run prints the file.
func (c *krb5ConfCommand) Run(s streams) error {
	out := &admin.DescribeKerberosResult{}
	return c.told(s, "DescribeKerberos", &admin.DescribeKerberosRequest{DirectoryId: &c.ID}, out, func(w io.Writer) {
		if c.DNS {
			out.Kdcs, out.PasswordServers = nil, nil
		}
		writeKrb5Conf(w, out)
	})
}

// writeKrb5Conf is a file that MIT's and Heimdal's programs, and Java, read.
func writeKrb5Conf(w io.Writer, out *admin.DescribeKerberosResult) {
	realm, domain := text(out.Realm), text(out.Domain)
	// Names are as the user wrote them: what reverse lookups make of them belongs to whoever has the address.
	fmt.Fprintf(w, "[libdefaults]\n\tdefault_realm = %s\n\tdns_lookup_realm = false\n\tdns_lookup_kdc = %t\n\tdns_canonicalize_hostname = false\n\trdns = false\n\tforwardable = true\n",
		realm, len(out.Kdcs) == 0)
	if len(out.Kdcs) > 0 {
		fmt.Fprintf(w, "\n[realms]\n\t%s = {\n", realm)
		for _, address := range out.Kdcs {
			fmt.Fprintf(w, "\t\tkdc = %s\n", address)
		}
		for _, address := range out.PasswordServers {
			fmt.Fprintf(w, "\t\tkpasswd_server = %s\n", address)
		}
		fmt.Fprintln(w, "\t}")
	}
	fmt.Fprintf(w, "\n[domain_realm]\n\t%s = %s\n\t.%s = %s\n", domain, realm, domain, realm)
}

type keytabCommand struct {
	client
	ID        string `arg:"" placeholder:"d-…" help:"The directory, d-…"`
	Principal string `arg:"" help:"A service principal name, such as HTTP/web01.corp.example.com, or the name of a user or computer, whose services are all in the keytab then."`
	Out       string `name:"out" short:"o" placeholder:"FILE" help:"File to write, of mode 0600; it is replaced. Without it the keytab goes to standard output."`
}

// Help is what --help says beyond the flags.
func (*keytabCommand) Help() string {
	return `Whoever has the file is the account: it holds the keys that its password makes, and works until that changes. The audit trail says who was given it.

Examples:

  latchkey keytab d-1234567890 'WEB01$' -o /etc/krb5.keytab
  latchkey keytab d-1234567890 HTTP/web01.corp.example.com -o /etc/apache2/http.keytab`
}

// Run asks for the keytab and writes it.
func (c *keytabCommand) Run(s streams) error {
	if c.Out == "" && isTerminal(s.out) {
		return errors.New("a keytab is no text for a terminal: give --out")
	}
	var out struct {
		Account    string
		Principals []string
		Version    int64
		Keytab     []byte
	}
	in := &admin.ExportKeytabRequest{DirectoryId: &c.ID, Principal: &c.Principal}
	answer, err := c.call(context.Background(), wire.Latchkey, "ExportKeytab", in, &out)
	if err != nil {
		return err
	}
	clear(answer)
	defer clear(out.Keytab)
	if c.Out == "" {
		_, err = s.out.Write(out.Keytab)
		return err
	}
	if err := durable.Replace(c.Out, 0o600, out.Keytab); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, version %d: %s\n", c.Out, out.Account, out.Version, strings.Join(out.Principals, ", "))
	return err
}
