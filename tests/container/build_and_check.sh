#!/bin/bash
# Builds the Dockerfile and tries the image, on a machine without a Docker engine: buildah with chroot isolation, on a
# base made by debootstrap. Says at the end what only an engine can show. Needs root; skipped (77) without it.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
[ "$(id -u)" = 0 ] || {
    echo "skipped: building an image needs root"
    exit 77
}

work=$(mktemp -d -p /var/tmp attnd-image.XXXXXX)
server=
clean() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    image umount --all >/dev/null 2>&1 || true
    rm -rf --one-file-system "$work"
}
trap clean EXIT

image() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
said=0
check() { # check <claim> <command>…
    local claim=$1
    shift
    said=$((said + 1))
    if "$@"; then echo "ok    $claim"; else
        echo "FAIL  $claim"
        exit 1
    fi
}
is() { [ "$1" = "$2" ] || { echo "      $1, not $2"; return 1; }; }

echo "Making the base"
"$source/tests/container/bookworm.sh" "$work/base"
base=$(image from scratch)
image add -q "$base" "$work/base" / >/dev/null
image commit -q "$base" localhost/debian:bookworm-slim >/dev/null
image rm "$base" >/dev/null
rm -rf --one-file-system "$work/base"

echo "Building the image"
if ! image build --isolation chroot --pull-never --format docker --tag attnd "$source" >"$work/build.log" 2>&1; then
    tail -40 "$work/build.log"
    exit 1
fi

field() { image inspect --type image --format "{{$1}}" attnd; }
check "runs as 65532" is "$(field .Docker.Config.User)" 65532:65532
check "stops on SIGTERM" is "$(field .Docker.Config.StopSignal)" SIGTERM
check "starts without a shell" is "$(field .Docker.Config.Entrypoint)" "[/usr/local/bin/attnd]"
check "has a healthcheck" is "$(field .Docker.Config.Healthcheck.Test)" "[CMD /usr/local/bin/attnd --healthcheck]"
check "says its port" is "$(field .Docker.Config.ExposedPorts)" "map[8080/tcp:{}]"

container=$(image from --pull-never localhost/attnd)
root=$(image mount "$container")
size=$(du -sm --apparent-size "$root" | cut -f1)
echo "      $size MB unpacked:"
(cd "$root" && find . -type f -size +500k -printf '      %9s %P\n' | sort -rn | head -8)
check "is below 80 MB" test "$size" -lt 80
check "has no setuid or setgid file" is "$(find "$root" -perm /6000 | wc -l)" 0
check "has no file that anyone may write" is "$(find "$root" -xdev ! -type l -perm /002 | wc -l)" 0
check "has no file that belongs to its user" is "$(find "$root" -xdev -uid 65532 | wc -l)" 0
check "has no shell" is "$(find "$root" -name '*sh' -type f | wc -l)" 0
check "carries the licences" test -s "$root/usr/share/doc/libmicrohttpd12/copyright"

# address <log>: waits for the line that names it.
address() {
    for _ in $(seq 100); do
        grep -ao 'http://[0-9.]*:[0-9]*' "$1" 2>/dev/null | head -1 | grep . && return
        sleep 0.1
    done
    cat "$1" >&2
    return 1
}
ask() {
    curl -sf --max-time 10 "${1/0.0.0.0/127.0.0.1}/v1/attention/self" -d '{"inputs":[[1,0],[0,1]]}' |
        grep -q '"weights":\[\['
}
program() { # program <pid>: it or the one of its descendants that runs attnd
    local child
    case $(readlink "/proc/$1/exe") in */usr/local/bin/attnd) echo "$1" && return ;; esac
    for child in $(cat "/proc/$1"/task/*/children 2>/dev/null); do program "$child" && return; done
    return 1
}
gone() { # gone <pid>: its exit code within 10 s
    local code=0
    timeout 10 tail --pid="$1" -f /dev/null || return 124
    wait "$1" || code=$?
    return "$code"
}

image run --isolation chroot --env ATTND_PORT=0 "$container" /usr/local/bin/attnd >"$work/log" 2>&1 &
runner=$!
url=$(address "$work/log")
server=$(program "$runner")
check "answers inside buildah's chroot" ask "$url"
check "runs there as 65532" is "$(awk '/^Uid:/ {print $2}' "/proc/$server/status")" 65532
check "its healthcheck says healthy" image run --isolation chroot --env "ATTND_PORT=${url##*:}" "$container" \
    /usr/local/bin/attnd --healthcheck
kill -TERM "$server"
check "ends on SIGTERM with 0" gone "$runner"
server=
check "its healthcheck then says unhealthy" bash -c '! "$@" 2>/dev/null' - \
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs run --isolation chroot \
    --env "ATTND_PORT=${url##*:}" "$container" /usr/local/bin/attnd --healthcheck

# The parts of an engine's confinement that need none: PID 1 of a namespace, a read-only root, no capability.
unshare --mount --pid --fork --kill-child python3 "$source/tests/container/confine.py" "$root" 65532 \
    ATTND_HOST=0.0.0.0 ATTND_PORT=0 OPENBLAS_NUM_THREADS=1 -- /usr/local/bin/attnd >"$work/log1" 2>&1 &
runner=$!
url=$(address "$work/log1")
server=$(program "$runner")
check "answers as PID 1 with a read-only root, without capabilities" ask "$url"
check "is PID 1 there" is "$(awk '/^NSpid:/ {print $NF}' "/proc/$server/status")" 1
check "has no capability" is "$(awk '/^Cap(Prm|Eff|Bnd|Amb):/ {print $2}' "/proc/$server/status" | sort -u)" \
    0000000000000000
check "has a root it cannot write" grep -q ' / ro' "/proc/$server/mountinfo"
kill -TERM "$server"
check "ends on SIGTERM as PID 1 with 0" gone "$runner"
server=

echo "$said claims hold. Not shown here, because it takes a Docker engine: its default seccomp and AppArmor profiles,"
echo "that it acts on the HEALTHCHECK, and the limits of docker-compose.yml (cpus, memory, pids)."
