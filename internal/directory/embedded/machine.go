package embedded

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-ldap/ldap/v3"

	"latchkey/internal/directory"
)

const (
	machineName           = "DC1"
	ridMachine            = 1000 // what AD gives to a domain's first controller
	ridDomainControllers  = 516
	changePasswordService = "kadmin/changepw"
)

// MachineHost is the DNS name of a domain's controller, which this process is.
func MachineHost(domain directory.Domain) string { return "dc1." + domain.Name }

func machineDN(domain directory.Domain) string {
	return "CN=" + machineName + ",OU=Domain Controllers," + domain.BaseDN()
}

// machineServices are the service principal names of a domain controller (MS-ADTS section 6.4.1, MS-DRSR section 2.2.2).
func machineServices(domain directory.Domain) []string {
	host := MachineHost(domain)
	services := []string{
		"ldap/" + domain.Name, "GC/" + host + "/" + domain.Name, "RestrictedKrbHost/" + machineName, "RestrictedKrbHost/" + host, "DNS/" + host,
	}
	for _, service := range []string{"HOST/", "ldap/"} {
		services = append(services, service+machineName, service+host, service+host+"/"+domain.Name, service+host+"/"+domain.NetBIOS)
	}
	return services
}

// EnsureMachine gives a provisioned domain what its own services log in and seal tickets with: the account of its domain
// controller, and krbtgt's key. What is there already is left as it is, so that directories of former versions get it too.
func (e *Engine) EnsureMachine(ctx context.Context, domain directory.Domain) error {
	t, err := e.tree(domain.ID)
	if err != nil {
		return err
	}
	t.mu.RLock()
	unit, _ := t.find("OU=Domain Controllers," + domain.BaseDN())
	machine, _ := t.find(machineDN(domain))
	krbtgt := t.krbtgt()
	t.mu.RUnlock()
	if unit == nil || krbtgt == nil {
		return nil // it is still to be provisioned
	}
	itself := &Session{engine: e, tree: t, system: true, secure: true, making: true}
	if machine == nil {
		password := randomPassword()
		defer clear(password)
		value := directory.EncodePassword(password)
		defer clear(value)
		err := directory.Ensure(ctx, itself, machineDN(domain), map[string][]string{
			"objectClass": {"computer"}, "objectSid": {string(domain.SID.Child(ridMachine))}, "sAMAccountName": {machineName + "$"},
			"userAccountControl": {signed(uint32(directory.ServerTrust | directory.TrustedForDelegation))}, "primaryGroupID": {strconv.Itoa(ridDomainControllers)},
			"dNSHostName": {MachineHost(domain)}, "servicePrincipalName": machineServices(domain), "msDS-SupportedEncryptionTypes": {supportedTypes},
			"isCriticalSystemObject": {"TRUE"}, "unicodePwd": {string(value)},
		})
		if err != nil {
			return err
		}
	}
	if !slices.Contains(krbtgt.attributes.of("servicePrincipalName"), changePasswordService) {
		request := ldap.NewModifyRequest(t.dnOf(krbtgt), nil)
		request.Replace("servicePrincipalName", []string{changePasswordService})
		if err := itself.Modify(ctx, request); err != nil {
			return fmt.Errorf("krbtgt: %w", err)
		}
	}
	if len(krbtgt.secret) > 0 {
		return nil
	}
	_, err = directory.RollKrbtgt(ctx, itself, domain, randomPassword())
	return err
}

// krbtgt is the account whose key seals tickets, or nil. The caller holds mu.
func (t *tree) krbtgt() *node {
	if found := t.lookup("objectSid", string(t.domain.SID.Child(directory.RIDKrbtgt))); len(found) == 1 {
		return found[0]
	}
	return nil
}

func (n *node) isKrbtgt(t *tree) bool { return n.sid() == t.domain.SID.Child(directory.RIDKrbtgt) }

func (t *tree) dnOf(n *node) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.dn(n)
}

// randomPassword is as long as a password can be, and keeps to every policy. The caller wipes it.
func randomPassword() []byte {
	const prefix = "aA1+"
	random := make([]byte, (directory.MaxPasswordUnits-len(prefix))/4*3)
	defer clear(random)
	_, _ = rand.Read(random) // never fails
	return base64.StdEncoding.AppendEncode([]byte(prefix), random)
}
