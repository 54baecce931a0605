# Boots systemd on a copy of this machine's files that goes with it, in namespaces of its own. $1 is an empty folder for the copy,
# $2 a folder with the two packages, unit.sh and samba.conf, where what they say gets to. Its exit status is unit.sh's; 77 is that
# this kernel lets nobody mount a control group hierarchy here.
set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || exit 77
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/"; done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
: >"$root/dev/console"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/test"
mount --bind "$2" "$root/test"
: >"$root/etc/machine-id"
rm -f "$root/usr/sbin/policy-rc.d"
ip link set lo up

cat >"$root/etc/systemd/system/test.service" <<'UNIT'
[Unit]
Requires=basic.target
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/bin/sh -e /test/unit.sh; systemctl --no-block exit $$?'
StandardOutput=append:/test/said
StandardError=append:/test/said
UNIT
export container=other
exec chroot "$root" /lib/systemd/systemd --system --unit=test.service --log-target=null --show-status=false
