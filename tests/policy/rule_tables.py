"""Tables that a script prints are what it prints."""

import subprocess

import policy

TABLES = {"api/number_powers.c": "tools/number_powers.py"}


def check(tree):
    violations = []
    for table, script in TABLES.items():
        printed = subprocess.run([tree / script], capture_output=True, text=True, check=True).stdout
        if policy.read(tree, table) != printed:
            violations.append(f"{table}: {script} prints something else")
    return violations


def spoil(tree):
    path = tree / "api/number_powers.c"
    path.write_text(path.read_text(encoding="utf-8").replace("0xa000000000000000", "0xa000000000000001", 1), encoding="utf-8")


policy.run(check, [("a digit of a power of ten", spoil, "api/number_powers.c: tools/number_powers.py prints")])
