# What an administrator does with the unit, where systemd is process 1.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root
failed() {
  echo "failed: $*"
  systemctl --no-pager --full status latchkey || true
  journalctl --no-pager -u latchkey -n 50 || true
  exit 1
}
check() { "$@" || failed "$*"; }
of() { systemctl show --property "$1" --value latchkey; }
ds() {
  AWS_SHARED_CREDENTIALS_FILE=/var/lib/latchkey/root-credentials AWS_DEFAULT_REGION=us-east-1 \
    aws --endpoint-url http://127.0.0.1:4389 --output text ds "$@"
}
active() {
  for _ in $(seq 1200); do
    case $(ds describe-directories --directory-ids "$1" --query 'DirectoryDescriptions[0].Stage') in
    Active) return 0 ;;
    Failed) failed "the directory is $(ds describe-directories --directory-ids "$1")" ;;
    esac
    sleep 0.1
  done
  return 1
}
create() {
  ds create-microsoft-ad --name "$1" --short-name "$2" --password Harbour-Light-11 \
    --vpc-settings VpcId=vpc-12345678,SubnetIds=subnet-12345678,subnet-87654321
}

dpkg -i /test/first.deb
check systemctl start latchkey # returns once it is ready
check [ "$(of ActiveState)" = active ]
check latchkey healthz --endpoint-url http://127.0.0.1:4389
process=$(of MainPID)
check [ "$(stat -c %U /proc/"$process"/mem)" = root ] # not for others of its user: prctl(2), PR_SET_DUMPABLE
check grep -q "^Uid:	$(id -u latchkey)	" /proc/"$process"/status
check grep -q '^CapEff:	0000000000000400$' /proc/"$process"/status # CAP_NET_BIND_SERVICE
check grep -q '^NoNewPrivs:	1$' /proc/"$process"/status
check grep -q '^Seccomp:	2$' /proc/"$process"/status
check systemd-analyze security --threshold=20 --no-pager latchkey >/dev/null

id=$(create kept.example.com KEPT)
check active "$id"
check ds reset-user-password --directory-id "$id" --user-name Admin --new-password Summer-Rain-2026
check ldapwhoami -x -H ldap://127.0.0.1:10389 -D Admin@kept.example.com -w Summer-Rain-2026

# SIGHUP, by systemd's word for it.
echo 'log-level: debug' >>/etc/latchkey/latchkey.yaml
check systemctl reload latchkey
for _ in $(seq 100); do
  journalctl --no-pager -u latchkey | grep -q '"level":"DEBUG"' && break
  ldapwhoami -x -H ldap://127.0.0.1:10389 >/dev/null
  sleep 0.1
done
check sh -c "journalctl --no-pager -u latchkey | grep -q '\"level\":\"DEBUG\"'"
check [ "$(of MainPID)" = "$process" ]

# It is started again when it is killed, with all that it has acknowledged.
kill -KILL "$process"
for _ in $(seq 300); do
  [ "$(of NRestarts)" = 1 ] && [ "$(of ActiveState)" = active ] && break
  sleep 0.1
done
check [ "$(of NRestarts)" = 1 ]
check ldapwhoami -x -H ldap://127.0.0.1:10389 -D Admin@kept.example.com -w Summer-Rain-2026

# An update restarts it.
process=$(of MainPID)
dpkg -i --force-confold /test/second.deb
check [ "$(of ActiveState)" = active ]
check [ "$(of MainPID)" != "$process" ]
check ldapwhoami -x -H ldap://127.0.0.1:10389 -D Admin@kept.example.com -w Summer-Rain-2026
check systemctl stop latchkey
check [ "$(of Result)" = success ]

# The guide's drop-in for Samba's domain controllers.
mkdir -p /etc/systemd/system/latchkey.service.d
cp /test/samba.conf /etc/systemd/system/latchkey.service.d/override.conf
cat >>/etc/latchkey/latchkey.yaml <<YAML
engine: samba
samba-controllers: 1
samba-address: [127.91.1.1]
YAML
systemctl daemon-reload
check systemctl start latchkey
samba=$(create real.example.com REAL)
check active "$samba"
check ds reset-user-password --directory-id "$samba" --user-name Admin --new-password Summer-Rain-2027
check smbclient //127.91.1.1/sysvol -U 'REAL\Admin%Summer-Rain-2027' -c ls
check ldapwhoami -x -H ldap://127.0.0.1:10389 -D Admin@kept.example.com -w Summer-Rain-2026
check systemctl stop latchkey
check [ "$(of Result)" = success ]
check [ -z "$(pgrep -x samba)" ]
echo all held
