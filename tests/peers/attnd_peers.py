"""Finds Python interpreters that have a peer: a package whose numbers attnd is compared with.

The peers live in different places (tests/peers/environment.sh says why), so a test asks for what it needs by name:
require("onnxruntime") at its top goes on in the first interpreter that has it, and where none has, ends with exit code 77,
which ctest calls skipped."""

import functools
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
SKIPPED = 77
sys.path.insert(1, os.path.join(HERE, "..", "http"))  # attnd_client and its companions

PYTHONS = (os.path.join(ROOT, ".venv-peers", "bin", "python"), sys.executable, "/usr/bin/python3")
LACKING = """
import pkgutil, sys
for name in sys.argv[1:]:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        print(name)
"""


def environment():
    """Keras computes with JAX, and nobody asks for other devices than the CPU or says so."""
    return os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}


@functools.cache
def lacking(python, names):
    """Those of the names (modules, or what is in them) that an interpreter does not have."""
    if not os.access(python, os.X_OK):
        return list(names)
    ended = subprocess.run([python, "-c", LACKING, *names], capture_output=True, text=True, check=False,
                           env=environment())
    return ended.stdout.split() if ended.returncode == 0 else list(names)


def interpreter(*names):
    """The first interpreter that has all names, or None."""
    return next((python for python in PYTHONS if not lacking(python, names)), None)


def missing(*names):
    """What the interpreter that has most of the names lacks."""
    return min((lacking(python, names) for python in PYTHONS), key=len)


def require(*names):
    """Goes on in an interpreter that has all names; it is the script anew, so this stands at its top."""
    asked = " ".join(names)
    if os.environ.get("ATTND_PEERS_ASKED") == asked:
        return
    python = interpreter(*names)
    if python is None:
        print(f"skipped: no Python here has {' and '.join(missing(*names))}; tests/peers/environment.sh installs it")
        sys.exit(SKIPPED)
    os.execve(python, [python, *sys.argv], environment() | {"ATTND_PEERS_ASKED": asked})
