"""A name tells its file: every global symbol that core/mask.c defines is `mask` or starts with `mask_`. Kernels, which
are compiled once for each number type and level of processor, end in these: _f32_base, _f64_avx2 …"""

import pathlib
import re
import subprocess
import tempfile

import policy


def symbols(path):
    listing = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix", path], capture_output=True,
                             text=True, check=True).stdout
    # Weak ones are inline functions that the C++ library brings along.
    return [line.split()[0] for line in listing.splitlines() if line.split()[1] not in "WVu"]


def check_objects(folder):
    violations = []
    objects = [path for layer in policy.LAYERS for path in sorted((folder / layer).rglob("*.o"))]
    for path in objects:
        stem = path.name.split(".")[0]
        kernel = re.search(r"kernels_(f(?:32|64)_\w+)\.dir", str(path))
        for symbol in symbols(path):
            if symbol == "main" and stem == "main":
                continue
            if symbol != stem and not symbol.startswith(stem + "_"):
                violations.append(f"{path.relative_to(folder)}: {symbol} does not start with {stem}_")
            if kernel and not symbol.endswith("_" + kernel.group(1)):
                violations.append(f"{path.relative_to(folder)}: {symbol} does not end in _{kernel.group(1)}")
    if len({path.parts[len(folder.parts)] for path in objects}) != len(policy.LAYERS):
        violations.append(f"{folder}: not every layer has objects there; build first")
    return violations


def check(tree):
    """The planted sources of a spoiled tree are compiled; else it is the build's objects that count."""
    planted = [name for name in policy.product(tree) if "planted" in name]
    if not planted:
        return check_objects(policy.BUILD)
    with tempfile.TemporaryDirectory(prefix="attnd-policy-") as folder:
        for name in planted:
            target = pathlib.Path(folder) / pathlib.Path(name).parent / (pathlib.Path(name).name + ".o")
            target.parent.mkdir(parents=True)
            subprocess.run(["cc", "-c", tree / name, "-o", target], check=True)
        return check_objects(pathlib.Path(folder))


policy.run(check, [
    ("a function of another name", policy.append("core/planted.c", "int stray(void); int stray(void) { return 1; }\n"),
     "stray does not start with planted_"),
    ("a variable of another name", policy.append("api/planted.c", "int planting = 1;\n"), "planting does not start"),
    ("a kernel without its type",
     policy.append("core/kernels_f32_base.dir/planted.c", "void planted_row(void) {}\n"),
     "does not end in _f32_base"),
    ("a main() elsewhere", policy.append("server/planted.c", "int main(void) { return 0; }\n"), "main does not start"),
])
