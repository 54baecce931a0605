"""Makes, verifies and deletes a domain's half of a trust, by the RPC of its own domain controller (MS-LSAD, MS-NRPC).

What is wrong with the trust, or with the other domain, is said in one line that begins with "trust: ", and by the exit
status 1.
"""

import os
import sys
import time

import samba
from samba import NTSTATUSError, WERRORError, string_to_byte_array
from samba.credentials import Credentials
from samba.dcerpc import drsblobs, lsa, messaging, nbt, netlogon, security
from samba.messaging import Messaging
from samba.net import Net
from samba.ntstatus import NT_STATUS_OBJECT_NAME_NOT_FOUND
from samba.param import LoadParm
from samba.trust_utils import CreateTrustedDomainRelax

lp = LoadParm()
lp.load(os.environ["SMB_CONF_PATH"])
server = lp.get("netbios name")
system = "ncalrpc:%s[auth_type=ncalrpc_as_system]" % server


def wrong(what):
    sys.exit("trust: " + what)


def open_policy(conn, access):
    attributes = lsa.ObjectAttribute()
    attributes.sec_qos = lsa.QosInfo()
    return conn.OpenPolicy2("", attributes, access)


def open_own():
    conn = lsa.lsarpc(system, lp)
    return conn, open_policy(conn, lsa.LSA_POLICY_VIEW_LOCAL_INFORMATION | lsa.LSA_POLICY_TRUST_ADMIN | lsa.LSA_POLICY_CREATE_SECRET)


def ask(domain):
    """What the other domain says of itself: its names and its SID. Everybody may ask."""
    nobody = Credentials()
    nobody.set_anonymous()
    wanted = nbt.NBT_SERVER_LDAP | nbt.NBT_SERVER_DS | nbt.NBT_SERVER_WRITABLE
    # One that has just started answers some questions sooner than others.
    for left in range(6, -1, -1):
        try:
            found = Net(nobody, lp).finddc(flags=wanted, domain=domain)
            conn = lsa.lsarpc("ncacn_np:" + found.pdc_dns_name, lp, nobody)
            policy = open_policy(conn, lsa.LSA_POLICY_VIEW_LOCAL_INFORMATION)
            return conn.QueryInfoPolicy2(policy, lsa.LSA_POLICY_INFO_DNS)
        except NTSTATUSError as err:
            if left == 0:
                wrong("No domain controller of the other domain can be found and asked: " + err.args[1])
        time.sleep(0.5)


def secret(password, now):
    blob = drsblobs.trustAuthInOutBlob()
    if password is None:
        blob.count = 0
        return blob
    info = drsblobs.AuthenticationInformation()
    info.LastUpdateTime = samba.unix2nttime(now)
    info.AuthType = lsa.TRUST_AUTH_TYPE_CLEAR
    info.AuthInfo = drsblobs.AuthInfoClear()
    info.AuthInfo.size = len(password)
    info.AuthInfo.password = password
    array = drsblobs.AuthenticationInformationArray()
    array.count = 1
    array.array = [info]
    blob.count = 1
    blob.current = array
    return blob


def create(domain, direction, attributes):
    with os.fdopen(int(os.environ.pop("PASSWD_FD")), "rb") as pipe:
        password = string_to_byte_array(pipe.read().decode("utf-8").encode("utf-16-le"))
    other = ask(domain)
    info = lsa.TrustDomainInfoInfoEx()
    info.domain_name.string = other.dns_domain.string
    info.netbios_name.string = other.name.string
    info.sid = other.sid
    info.trust_type = lsa.LSA_TRUST_TYPE_UPLEVEL
    info.trust_direction = int(direction)
    info.trust_attributes = int(attributes)
    types = lsa.TrustDomainInfoSupportedEncTypes()
    types.enc_types = security.KERB_ENCTYPE_AES128_CTS_HMAC_SHA1_96 | security.KERB_ENCTYPE_AES256_CTS_HMAC_SHA1_96
    # What an interrupted run has left.
    delete(domain)
    conn, policy = open_own()
    now = samba.current_unix_time()
    incoming = secret(password if info.trust_direction & lsa.LSA_TRUST_DIRECTION_INBOUND else None, now)
    outgoing = secret(password if info.trust_direction & lsa.LSA_TRUST_DIRECTION_OUTBOUND else None, now)
    try:
        made = CreateTrustedDomainRelax(conn, policy, info, lsa.LSA_TRUSTED_DOMAIN_ALL_ACCESS, incoming, outgoing)
    except NTSTATUSError as err:
        wrong(err.args[1])
    conn.SetInformationTrustedDomain(made, lsa.LSA_TRUSTED_DOMAIN_SUPPORTED_ENCRYPTION_TYPES, types)


def find(conn, policy, domain):
    """The domain's half of the trust; None where there is none."""
    name = lsa.String()
    name.string = domain
    try:
        return conn.OpenTrustedDomainByName(policy, name, security.SEC_STD_DELETE)
    except NTSTATUSError as err:
        if err.args[0] == NT_STATUS_OBJECT_NAME_NOT_FOUND:
            return None
        raise


def delete(domain):
    conn, policy = open_own()
    found = find(conn, policy, domain)
    if found is not None:
        conn.DeleteObject(found)


def refresh():
    """Lets winbindd forget its channels to other domains, and see which ones are trusted."""
    post = Messaging(lp_ctx=lp)
    try:
        servers = post.irpc_servers_byname("winbind_server")
    except KeyError:
        return  # it does not run, and sees it when it does
    for one in servers:
        post.send(one, messaging.MSG_WINBIND_DISCONNECT_DC, b"")
        post.send(one, messaging.MSG_WINBIND_RELOAD_TRUSTED_DOMAINS, b"")


def verify(domain):
    if find(*open_own(), domain) is None:
        wrong("WERR_NO_SUCH_DOMAIN")
    conn = netlogon.netlogon(system, lp)
    for left in range(50, -1, -1):
        try:
            # A channel from before the other half was made anew is of no use.
            conn.netr_LogonControl2Ex(server, netlogon.NETLOGON_CONTROL_REDISCOVER, 2, domain)
            answer = conn.netr_LogonControl2Ex(server, netlogon.NETLOGON_CONTROL_TC_VERIFY, 2, domain)
            break
        except WERRORError as err:
            # winbindd sees a new trust after a moment, and its direction after another.
            if left == 0 or err.args[1] not in ("WERR_NO_SUCH_DOMAIN", "WERR_INVALID_DOMAIN_ROLE"):
                wrong(err.args[1])
        time.sleep(0.1)
    for code, name in (answer.tc_connection_status, answer.pdc_connection_status):
        if code != 0:
            wrong(name)


{"create": create, "delete": delete, "refresh": refresh, "verify": verify}[sys.argv[1]](*sys.argv[2:])
