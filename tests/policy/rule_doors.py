"""One door per library: its header is included where this table says, and the table names no file for nothing."""

import re

import policy

DOORS = {
    "microhttpd.h": ["server/gateway.c"],
    "cblas.h": ["core/blas.c"],
    "jansson.h": ["api/decode.c"],
}


def check(tree):
    violations = []
    for header, doors in DOORS.items():
        users = [name for name in policy.product(tree)
                 if re.search(rf'^\s*#\s*include\s*[<"](?:[\w-]+/)*{re.escape(header)}[>"]', policy.read(tree, name), re.M)]
        violations += [f"{name}: <{header}> belongs in {' '.join(doors)} only" for name in users if name not in doors]
        violations += [f"{name}: is listed as a door to <{header}> and is none" for name in doors if name not in users]
    return violations


policy.run(check, [
    *((f"a second door to {header}", policy.append("api/planted.c", f"#include <{header}>\n"), "api/planted.c")
      for header in DOORS),
    *((f"a door to {header} that is gone", lambda tree, door=doors[0]: (tree / door).unlink(missing_ok=True),
       f"{doors[0]}: is listed") for header, doors in DOORS.items()),
    ("a door in a header", policy.append("server/planted.h", '# include "cblas.h"\n'), "server/planted.h"),
])
