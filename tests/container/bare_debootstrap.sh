#!/bin/bash
# The newcomer's first minutes: makes a bare Debian with debootstrap, puts nothing into it but a checkout of the last
# commit, and runs ./run and ./test there. Says how long each took, and how large the system then is.
#   tests/container/bare_debootstrap.sh <bookworm or trixie> [arguments of ./test]
# Needs root and debootstrap; takes a few GB below /var/tmp and as long as ./test on a machine without any package.
set -euo pipefail
suite=${1:?"which suite: bookworm or trixie?"}
shift
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d -p /var/tmp attnd-bare.XXXXXX)
root=$work/root
server=
clean() {
    [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
    for mounted in dev/pts dev/shm dev proc sys; do
        umount -l "$root/$mounted" 2>/dev/null || true
    done
    rm -rf --one-file-system "$work"
}
trap clean EXIT

echo "Making a bare Debian, $suite"
"$source/tests/container/debian.sh" "$suite" "$root"
mkdir -p "$root/attnd"
git -c "safe.directory=$source" -C "$source" archive HEAD | tar -x -C "$root/attnd"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"

size() { du -smx "$root" | cut -f1; }
echo "It has $(size) MB"
took() { echo "$1: $((SECONDS - begun)) s; the system has $(size) MB now"; }

inside=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb chroot "$root")

echo "./run"
begun=$SECONDS
"${inside[@]}" /attnd/run --port 0 >"$work/run.log" 2>&1 &
server=$!
for _ in $(seq 1200); do
    grep -q '^Try: ' "$work/run.log" && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.5
done
cat "$work/run.log"
line=$(sed -n 's/^Try: //p' "$work/run.log")
[ -n "$line" ]
took "./run"
echo "\$ $line"
"${inside[@]}" sh -c "$line" | grep '"weights"'
kill -TERM "$server"
wait "$server"
server=

echo "./test $*"
begun=$SECONDS
status=0
"${inside[@]}" /attnd/test "$@" || status=$?
took "./test"
exit "$status"
