"""What the rules share. A rule is a script rule_<name>.py with a check(root) that returns a list of violations, one
line each, and a list of plants. policy.run() checks the tree; then each plant spoils a temporary copy of it, and the
check must name what was planted. So a rule that has gone blind fails like a rule that is broken."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

LAYERS = ("core", "api", "server")  # from the lowest to the highest
BUILD = pathlib.Path(os.environ.get("ATTND_BUILD_DIR", "build/release")).absolute()


def root():
    return pathlib.Path(os.environ.get("ATTND_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])


def files(tree, *patterns):
    """The project's own files that match a pattern, sorted: what git tracks or would; where there is no git, all."""
    listing = ["git", "-c", f"safe.directory={tree}", "-C", tree, "ls-files", "-zco", "--exclude-standard"]
    git = subprocess.run(listing, capture_output=True, text=True) if (tree / ".git").exists() else None
    if git and git.returncode == 0:
        names = {name for name in git.stdout.split("\0") if name and (tree / name).is_file()}
    else:
        names = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
        ignored = re.compile(r"(build[^/]*|\.venv[^/]*|(.*/)?(node_modules|__pycache__))/")
        names = {name for name in names if not ignored.match(name)}
    paths = [pathlib.PurePath(name) for name in sorted(names)]
    return [str(path) for path in paths if not patterns or any(path.match(pattern) for pattern in patterns)]


def product(tree, *suffixes):
    """Sources of the program itself."""
    return [name for name in files(tree, *(f"*{suffix}" for suffix in suffixes or (".c", ".h", ".cc")))
            if name.split("/")[0] in LAYERS]


def read(tree, name):
    return (tree / name).read_text(encoding="utf-8")


def numbered(tree, name):
    return enumerate(read(tree, name).splitlines(), 1)


def append(name, text):
    """A plant: adds text to a file of the tree, or makes the file."""
    def plant(tree):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    return plant


def copy(tree, target):
    for name in files(tree):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree / name, target / name)


def run(check, plants):
    """plants: (what is planted, function(tree), text that the violation must contain)."""
    tree = root()
    violations = check(tree)
    for violation in violations:
        print(violation)
    blind = 0
    for claim, plant, expected in plants:
        with tempfile.TemporaryDirectory(prefix="attnd-policy-") as folder:
            spoiled = pathlib.Path(folder)
            copy(tree, spoiled)
            plant(spoiled)
            found = [violation for violation in check(spoiled) if violation not in violations]
        if not any(expected in violation for violation in found):
            blind += 1
            print(f"this rule does not see {claim}: it said {found}, not \"{expected}\"")
    print(f"{len(violations)} violations; {len(plants) - blind} of {len(plants)} planted ones found")
    sys.exit(1 if violations or blind or not plants else 0)
