#!/bin/sh
# Configures a build folder: tools/configure.sh <folder> <argument of cmake>… A folder that came here with a copy of
# another checkout would build that one's sources; it is removed first.
set -eu
cd -P "$(dirname "$0")/.."
folder=$1
shift

home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt" 2>/dev/null || true)
if [ -n "$home" ] && [ "$home" != "$PWD" ]; then
    echo "$folder was made in $home: it is made anew"
    rm -rf "$folder"
fi
exec cmake -S . -B "$folder" "$@"
