package embedded

import (
	"errors"
	"fmt"
	"strings"

	"latchkey/internal/directory"
)

// ErrNoKeys says that a directory has no account of that name, or that it has no password.
var ErrNoKeys = errors.New("no such account, or one without keys")

// supportedTypes is msDS-SupportedEncryptionTypes of accounts that the directory makes itself: aes128- and
// aes256-cts-hmac-sha1-96 (MS-KILE section 2.2.7).
const supportedTypes = "24"

// Keys are an account's long-term keys, as a keytab or a key distribution center has them.
type Keys struct {
	Domain  directory.Domain
	Account string // sAMAccountName
	Version int    // kvno
	Salt    string
	AES256  []byte // of aes256-cts-hmac-sha1-96
	AES128  []byte // of aes128-cts-hmac-sha1-96
	Former  []byte // the aes256 key of Version-1; nil where the history has none
}

// Wipe is for whoever was given the keys, when they are not needed any more.
func (k *Keys) Wipe() {
	clear(k.AES256)
	clear(k.AES128)
	clear(k.Former)
}

// Keys is those of an account of one directory, by its sAMAccountName or one of its service principal names, aliases of HOST
// included. The error wraps ErrNoKeys, or is ErrNotServed.
func (e *Engine) Keys(id, name string) (*Keys, error) {
	t, err := e.tree(id)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	n := t.account(name)
	if n == nil && strings.Contains(name, "/") {
		n = t.service(name)
	}
	t.mu.RUnlock()
	if n == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoKeys, name)
	}
	keys, err := e.keysOf(t, n)
	if err == nil && len(keys.AES256) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoKeys, keys.Account)
	}
	return keys, err
}

// Realm is the ids of the directories of that realm, the oldest first. A realm is a domain's DNS name or its NetBIOS name, in
// any case of letters (MS-KILE section 3.3.5.1.1); directories of different owners may have the same.
func (e *Engine) Realm(name string) (ids []string) {
	e.each(func(t *tree) bool {
		if strings.EqualFold(name, t.domain.Name) || strings.EqualFold(name, t.domain.NetBIOS) {
			ids = append(ids, t.domain.ID)
		}
		return true
	})
	return ids
}

// keysOf opens the keys of an account; they are empty where it has no password, but for the salt that they would have.
func (e *Engine) keysOf(t *tree, n *node) (*Keys, error) {
	held, err := e.keyring.openSecret(n.secret, t.domain.ID, n.guid)
	if err != nil {
		return nil, err
	}
	keys := &Keys{Domain: t.domain, Account: n.first("sAMAccountName"), Version: held.Version, Salt: held.Keys.Salt, AES256: held.Keys.AES256, AES128: held.Keys.AES128}
	if len(keys.AES256) == 0 {
		keys.Salt = t.salt(n)
	}
	for i, old := range held.History {
		if i == 0 {
			keys.Former = old.AES256
		} else {
			old.wipe()
		}
	}
	return keys, nil
}

// account is the user or computer of that sAMAccountName, or nil. The caller holds mu.
func (t *tree) account(name string) *node {
	if found := t.lookup("sAMAccountName", foldText(name)); len(found) > 0 && found[0].logsIn() {
		return found[0]
	}
	return nil
}

// hostServices are those that HOST stands for (sPNMappings of CN=Directory Service; MS-ADTS section 6.4.1 names the default).
const hostServices = ` alerter appmgmt cisvc clipsrv browser dhcp dnscache replicator eventlog eventsystem policyagent oakley dmserver dns mcsvc
	fax msiserver ias messenger netlogon netman netdde netddedsm nmagent plugplay protectedstorage rasman rpclocator rpc rpcss
	remoteaccess rsvp samss scardsvr scesrv seclogon scm dcom cifs spooler snmp schedule tapisrv trksvr trkwks ups time wins www http
	w3svc iisadmin msdtc `

// service is the account that a service principal name is of, by HOST if no account has the name itself, or nil. A name that
// two accounts have is nobody's. The caller holds mu.
func (t *tree) service(name string) *node {
	if found := t.lookup("servicePrincipalName", foldText(name)); len(found) > 0 {
		if len(found) == 1 && found[0].logsIn() {
			return found[0]
		}
		return nil
	}
	class, host, _ := strings.Cut(name, "/")
	if strings.EqualFold(class, "host") || !isHostService(class) {
		return nil
	}
	return t.service("host/" + host)
}

func isHostService(class string) bool {
	for service := range strings.FieldsSeq(hostServices) {
		if strings.EqualFold(service, class) {
			return true
		}
	}
	return false
}
