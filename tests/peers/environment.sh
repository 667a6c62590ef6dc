#!/bin/sh
# Installs what attnd is compared with, so that no test in tests/peers has to be skipped for want of it: PyTorch and NumPy
# from Debian, for Debian's python3, and the packages of requirements.txt into .venv-peers. Some 1 GB, about a minute.
# Without it those tests are skipped by name; `./test --full` calls it.
set -eu
cd "$(dirname "$0")/../.."

tools/packages.sh peers
if ! [ .venv-peers/installed -nt tests/peers/requirements.txt ]; then
    echo "Installing the peers into .venv-peers" >&2
    /usr/bin/python3 -m venv --clear .venv-peers
    .venv-peers/bin/pip install --quiet --disable-pip-version-check --requirement tests/peers/requirements.txt
    touch .venv-peers/installed
fi
