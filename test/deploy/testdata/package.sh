# What an administrator does with the package. FIRST and SECOND are two versions of it.
check() { "$@" || { echo "failed: $*"; exit 1; }; }
mode() { stat -c '%U:%G %a' "$1"; }

dpkg -i "$FIRST"
check [ "$(mode /etc/latchkey)" = 'root:latchkey 750' ]
check [ "$(mode /etc/latchkey/latchkey.yaml)" = 'root:latchkey 640' ]
check [ "$(mode /var/lib/latchkey)" = 'latchkey:latchkey 700' ]
check [ "$(dpkg-query -W -f '${Version}' latchkey)" = 1.0 ]

# The unit: sound, and confined (systemd's measure; 10 is none at all).
systemd-analyze verify --man=no latchkey.service 2>&1 | grep latchkey && exit 1
check systemd-analyze security --offline=true --threshold=20 --no-pager /usr/lib/systemd/system/latchkey.service >/dev/null

# The configuration that ships, as the unit's user with the unit's one capability: it listens on ports below 1024.
cat >>/etc/latchkey/latchkey.yaml <<YAML
listen: 127.0.0.1:0
ldap-listen: 127.91.0.1:389
ldaps-listen: 127.91.0.1:636
kdc-listen: 127.91.0.1:88
kpasswd-listen: 127.91.0.1:464
dns-listen: 127.91.0.1:53
YAML
serve() {
  # systemd would say where it is told; here a program that prints what it hears is.
  python3 -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/notify")
print("listening", flush=True)
while True:
    print(s.recv(4096).decode(), flush=True)
' >/tmp/heard &
  listener=$!
  until grep -q listening /tmp/heard; do sleep 0.1; done
  chmod 777 /run/notify
  NOTIFY_SOCKET=/run/notify setpriv --reuid latchkey --regid latchkey --init-groups --inh-caps=-all,+net_bind_service \
    --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service --no-new-privs \
    /usr/bin/latchkey serve --config /etc/latchkey/latchkey.yaml >/tmp/ready 2>/tmp/log &
  server=$!
  until grep -q READY=1 /tmp/heard; do
    kill -0 "$server" || { cat /tmp/log; exit 1; }
    sleep 0.1
  done
  endpoint=$(sed 's/.*"api":"\([^"]*\)".*/\1/' /tmp/ready)
}
stop() {
  kill -TERM "$server"
  check wait "$server"
  check grep -q STOPPING=1 /tmp/heard
  kill "$listener"
  rm /run/notify
}
ds() {
  AWS_SHARED_CREDENTIALS_FILE=/var/lib/latchkey/root-credentials AWS_DEFAULT_REGION=us-east-1 HOME=/tmp \
    /usr/bin/aws --endpoint-url "$endpoint" --output text ds "$@"
}

serve
ds create-microsoft-ad --name kept.example.com --password Harbour-Light-11 \
  --vpc-settings VpcId=vpc-12345678,SubnetIds=subnet-12345678,subnet-87654321 >/tmp/id
id=$(cat /tmp/id)
until [ "$(ds describe-directories --query 'DirectoryDescriptions[0].Stage')" = Active ]; do sleep 0.1; done
ds reset-user-password --directory-id "$id" --user-name Admin --new-password Summer-Rain-2026
stop

# An update keeps the data, and the configuration that was changed.
dpkg -i "$SECOND"
check [ "$(dpkg-query -W -f '${Version}' latchkey)" = 1.1 ]
check grep -q 127.91.0.1:389 /etc/latchkey/latchkey.yaml
serve
check [ "$(ds describe-directories --query 'DirectoryDescriptions[0].[DirectoryId,Stage]')" = "$id	Active" ]
ldapwhoami -x -H ldap://127.91.0.1 -D Admin@kept.example.com -w Summer-Rain-2026
stop

dpkg --purge latchkey
check [ ! -e /usr/bin/latchkey ]
check [ ! -e /etc/latchkey/latchkey.yaml ]
check [ -e /var/lib/latchkey/master.key ]
echo all held
