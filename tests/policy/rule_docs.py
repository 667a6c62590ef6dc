"""The documents name only what exists: paths, files, functions, routes, problem codes, settings. (That nothing is
missing from them is what tests/http/test_docs.py checks against the running program.)"""

import os
import pathlib
import re
import subprocess

import policy

# Names in a document that are meant to exist elsewhere than in the tree.
ELSEWHERE = re.compile(r"^(build|node_modules|/|~|\.\.\.)")
# Python in a document is a call of another system; tests/peers runs it.
PYTHON = re.compile(r"^```python.*?^```", re.S | re.M)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.S)


def documents(tree):
    return [name for name in policy.files(tree, "*.md") if "/" not in name or name.startswith("docs/")]


def sources(tree):
    return "\n".join(policy.read(tree, name) for name in policy.files(
        tree, "*.c", "*.h", "*.cc", "*.py", "*.mjs", "*.js", "*.sh", "CMakeLists.txt", "run", "test", "*.json"))


def routes(tree):
    table = re.findall(r'\.path = "(/[^"]*)"', policy.read(tree, "api/route.c"))
    server = re.findall(r'"(/(?:livez|readyz))"', "".join(policy.read(tree, name)
                                                         for name in policy.product(tree, ".c")))
    return set(table + server)


def slugs(tree):
    return set(re.findall(r'X\([A-Z0-9_]+, "([a-z0-9_]+)"', policy.read(tree, "core/error.h")))


def settings():
    return subprocess.run([os.environ.get("ATTND_BINARY", policy.BUILD / "attnd"), "--help-markdown"],
                          capture_output=True, text=True, check=True).stdout


def missing_paths(tree, name, text, everything):
    here = (tree / name).parent
    top = {path.split("/")[0] for path in policy.files(tree) if "/" in path}
    basenames = {pathlib.PurePath(path).name for path in policy.files(tree)}
    basenames.update(re.findall(r"#\s*include <([\w.]+)>", everything))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target) and not (here / target).exists():
            yield f"the link {target}"
    for span in CODE.findall(text):
        for word in re.findall(r"(?<![\w./<>{*-])(?:\./)?[\w.-]+(?:/[\w.*-]+)*/?(?![\w<>{])", span):
            word = word.removeprefix("./").rstrip(".")
            if ELSEWHERE.match(word):
                continue
            if "/" in word.rstrip("/"):
                if word.split("/")[0] in top and not list(tree.glob(word.rstrip("/"))):
                    yield f"the path {word}"
            elif re.search(r"\w\.(c|h|cc|py|mjs|sh|cfg|yml)$", word) and word not in basenames and "*" not in word:
                yield f"the file {word}"


def check_document(tree, document, everything, known):
    text = PYTHON.sub("", policy.read(tree, document))
    found = list(missing_paths(tree, document, text, everything))
    called = re.findall(r"\b([a-z]\w*_\w+)\(", "".join(CODE.findall(text)))
    found += [f"the function {name}()" for name in called
              if not re.search(rf"\b{name}\b", everything) and not name.startswith(("json_", "openblas_"))]
    for route in re.findall(r"(?<![\w.])(/(?:v1|problems)/[\w/-]*|/(?:livez|readyz)\b)", text):
        base, _, code = route.partition("/problems/")
        if route not in known["routes"] and not (base == "" and (code in known["slugs"] or not code)):
            found.append(f"the route {route}")
    found += [f"the variable {variable}" for variable in re.findall(r"\bATTND_[A-Z0-9_]+\b", text)
              if variable not in known["settings"] and not re.search(rf"\b{variable}\b", everything)]
    for command in re.findall(r"(?:\battnd|\./run|^\|)((?:\s+`?--?[\w-]+(?:[ =][^\s`|-]\S*)?)+)", text, re.M):
        found += [f"the flag {flag}" for flag in re.findall(r"--[a-z][\w-]*", command)
                  if f"`{flag}`" not in known["settings"] and flag not in known["actions"]]
    return [f"{document}: {what} does not exist" for what in found]


def check(tree):
    names = documents(tree)
    known = {"routes": routes(tree), "slugs": slugs(tree), "settings": settings(),
             "actions": re.findall(r'"(--[a-z-]+)"', policy.read(tree, "server/settings.c"))}
    everything = sources(tree)
    violations = [violation for name in names for violation in check_document(tree, name, everything, known)]
    if not known["slugs"] or not known["routes"] or not names:
        violations.append("this rule reads nothing")
    return violations


policy.run(check, [
    ("a path", policy.append("docs/planted.md", "see `core/planted.c`\n"), "the path core/planted.c"),
    ("a folder", policy.append("README.md", "`planted/` and `tests/planted/`\n"), "the path tests/planted/"),
    ("a file", policy.append("README.md", "`planted.c` does it\n"), "the file planted.c"),
    ("a link", policy.append("docs/planted.md", "[here](planted_other.md)\n"), "the link planted_other.md"),
    ("a function", policy.append("docs/planted.md", "`planted" + "_here()` does it\n"),
     "the function planted" + "_here()"),
    ("a route", policy.append("docs/planted.md", "POST /v1/planted\n"), "the route /v1/planted"),
    ("a problem", policy.append("docs/planted.md", "/problems/planted\n"), "the route /problems/planted"),
    ("a variable", policy.append("docs/planted.md", "set ATTND_PLANT" + "ED to 1\n"), "the variable ATTND_PLANT"),
    ("a flag", policy.append("docs/planted.md", "`attnd --planted 4`\n"), "the flag --planted"),
    ("a second flag", policy.append("README.md", "    ./run --port 9000 --planted\n"), "the flag --planted"),
])
