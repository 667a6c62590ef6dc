#!/bin/sh
# Makes a bare Debian 12 in a folder with debootstrap, from the mirrors this machine's apt uses: bookworm.sh <folder>
set -eu
folder=$1

mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' | awk '
    $2 == "bookworm" && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || {
    echo "bookworm.sh: apt knows no mirror of bookworm main" >&2
    exit 1
}
debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" "$mirror" >"$folder.log" 2>&1 || {
    tail -20 "$folder.log" >&2
    exit 1
}
rm -f "$folder.log"

# The same sources, and what the machine's apt needs to reach them (a proxy, the age of a mirror).
rm -f "$folder/etc/apt/sources.list"
cp -r /etc/apt/sources.list* "$folder/etc/apt/"
apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' >"$folder/etc/apt/apt.conf.d/90machine" || true
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
if [ -d /usr/local/share/ca-certificates ]; then
    cp -r /usr/local/share/ca-certificates/. "$folder/usr/local/share/ca-certificates/"
    chroot "$folder" update-ca-certificates >/dev/null 2>&1
fi
chroot "$folder" apt-get clean
