"""C and C++ are formatted as .clang-format says, by clang-format 14 (other versions differ)."""

import shutil
import subprocess

import policy


def check(tree):
    formatter = shutil.which("clang-format-14") or "clang-format"
    names = policy.files(tree, "*.c", "*.h", "*.cc")
    report = subprocess.run([formatter, "--dry-run", "--Werror", *names], cwd=tree, capture_output=True, text=True)
    version = subprocess.run([formatter, "--version"], capture_output=True, text=True).stdout
    lines = [line for line in report.stderr.splitlines() if "error:" in line]
    if "version 14." not in version:
        lines.append(f"{formatter} is not version 14: {version.strip()}")
    if report.returncode != 0 and not lines:
        lines.append(report.stderr)
    return lines


policy.run(check, [
    ("a line out of form", policy.append("core/error.c", "int  planted( void ) ;\n"), "core/error.c:"),
    ("a test out of form", policy.append("tests/core/planted.c", "void planted(){}\n"), "tests/core/planted.c:"),
])
