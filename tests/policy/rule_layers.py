"""A layer includes only headers of itself and of layers below, each by its full path from the top."""

import re

import policy


def check(tree):
    violations = []
    for name in policy.product(tree):
        layer = name.split("/")[0]
        allowed = policy.LAYERS[:policy.LAYERS.index(layer) + 1]
        for number, line in policy.numbered(tree, name):
            include = re.match(r'\s*#\s*include\s*(\S+)', line)
            if not include:
                continue
            target = include.group(1)
            path = target.strip('"<>')
            if target.startswith('"'):
                if path.startswith(".") or "/" not in path:
                    violations.append(f"{name}:{number}: {target} is not a full path")
                elif path.split("/")[0] not in allowed:
                    violations.append(f"{name}:{number}: {layer} must not include {target}")
                elif not (tree / path).exists():
                    violations.append(f"{name}:{number}: there is no {path}")
            elif path.split("/")[0] in policy.LAYERS:
                violations.append(f"{name}:{number}: {target} is ours and belongs in quotes")
    return violations


policy.run(check, [
    ("core including api", policy.append("core/error.c", '#include "api/limits.h"\n'), 'core must not include'),
    ("api including server", policy.append("api/planted.h", '#include "server/main.h"\n'), 'api must not include'),
    ("core including tests", policy.append("core/planted.c", '#include "tests/x.h"\n'), 'core must not include'),
    ("a relative include", policy.append("api/planted.c", '#include "../core/error.h"\n'), "not a full path"),
    ("a bare include", policy.append("core/planted.c", '#include "error.h"\n'), "not a full path"),
    ("angle brackets", policy.append("core/planted.c", '#include <core/error.h>\n'), "belongs in quotes"),
    ("a missing header", policy.append("core/planted.c", '#include "core/gone.h"\n'), "there is no core/gone.h"),
])
