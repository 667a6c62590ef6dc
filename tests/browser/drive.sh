#!/bin/sh
# Runs a script of this folder with node: drive.sh <script>. Skipped (77), and says why, where something is missing.
set -eu
cd "$(dirname "$0")"

skip() {
    echo "skipped: $1"
    exit 77
}
command -v node >/dev/null || skip "there is no node"
[ -d node_modules/playwright-core ] || skip "the browser's driver is missing: npm ci in tests/browser installs it"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || skip "there is no Chromium"
exec node "$1"
