#!/bin/sh
# Makes a bare Debian in a folder with debootstrap, from the mirror this machine's apt uses: debian.sh <suite> <folder>
set -eu
suite=$1
folder=$2

mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(ORIGIN) $(LABEL)' | awk '
    $2 == "main" && $3 == "Debian" && $4 == "Debian" { print $1; exit }')
[ -n "$mirror" ] || {
    echo "debian.sh: apt knows no mirror of Debian's main" >&2
    exit 1
}
debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder" "$mirror" >"$folder.log" 2>&1 || {
    tail -20 "$folder.log" >&2
    exit 1
}
rm -f "$folder.log"

# What the machine's apt needs to reach the mirror (a proxy, the age of a mirror), its names and its certificates.
apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' >"$folder/etc/apt/apt.conf.d/90machine" || true
cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
if [ -d /usr/local/share/ca-certificates ]; then
    cp -r /usr/local/share/ca-certificates/. "$folder/usr/local/share/ca-certificates/"
    chroot "$folder" update-ca-certificates >/dev/null 2>&1
fi
chroot "$folder" apt-get clean
