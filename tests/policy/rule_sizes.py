"""A file of the program has at most 350 lines and a function at most 80: past that it holds more than one thing."""

import subprocess

import policy

FILE_LINES = 350
FUNCTION_LINES = 80


def check(tree):
    violations = []
    names = policy.product(tree)
    for name in names:
        count = policy.read(tree, name).count("\n")
        if count > FILE_LINES:
            violations.append(f"{name}: {count} lines, {FILE_LINES} are allowed")
    tags = subprocess.run(["ctags", "--languages=C,C++", "--kinds-C=f", "--kinds-C++=f", "-x",
                           "--_xformat=%{line} %{end} %F %N", *names], cwd=tree, capture_output=True, text=True,
                          check=True).stdout.splitlines()
    for tag in tags:
        begin, end, name, function = tag.split(maxsplit=3)
        if not end.isdigit():
            violations.append(f"{name}:{begin}: ctags finds no end of {function}")
        elif int(end) - int(begin) + 1 > FUNCTION_LINES:
            violations.append(f"{name}:{begin}: {function} has {int(end) - int(begin) + 1} lines, "
                              f"{FUNCTION_LINES} are allowed")
    if not tags:
        violations.append("ctags finds no function at all")
    return violations


BODY = "void planted(int *x) {\n" + "    *x += 1;\n" * FUNCTION_LINES + "}\n"
policy.run(check, [
    ("a long file", policy.append("api/planted.h", "/* */\n" * (FILE_LINES + 1)), "api/planted.h: 351 lines"),
    ("a long function", policy.append("core/planted.c", BODY), "planted has 82 lines"),
    ("a long C++ function", policy.append("api/planted.cc", BODY), "planted has 82 lines"),
])
