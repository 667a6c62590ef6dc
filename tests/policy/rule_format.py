"""C and C++ are formatted as .clang-format says, by clang-format 14. Other versions lay some lines out otherwise, so where
that one is missing, as in Debian 13, the rule is skipped."""

import shutil
import subprocess
import sys

import policy


def version_of(formatter):
    return subprocess.run([formatter, "--version"], capture_output=True, text=True).stdout if formatter else ""


def check(tree):
    names = policy.files(tree, "*.c", "*.h", "*.cc")
    report = subprocess.run([formatter, "--dry-run", "--Werror", *names], cwd=tree, capture_output=True, text=True)
    lines = [line for line in report.stderr.splitlines() if "error:" in line]
    if report.returncode != 0 and not lines:
        lines.append(report.stderr)
    return lines


formatter = next((name for name in map(shutil.which, ("clang-format-14", "clang-format"))
                  if "version 14." in version_of(name)), None)
if formatter is None:
    print("skipped: the sources are laid out by clang-format 14, which is not here")
    sys.exit(77)
policy.run(check, [
    ("a line out of form", policy.append("core/error.c", "int  planted( void ) ;\n"), "core/error.c:"),
    ("a test out of form", policy.append("tests/core/planted.c", "void planted(){}\n"), "tests/core/planted.c:"),
])
