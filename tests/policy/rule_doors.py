"""One door per library: its header is included where this table says, and the table names no file for nothing.
jansson's types do not leave the files that read a request's members: its door is a header, so what includes that,
directly or not, is listed as well."""

import re

import policy

DOORS = {
    "microhttpd.h": ["server/gateway.c"],
    "cblas.h": ["core/blas.c"],
    "jansson.h": ["api/value.h"],
}
SEES_JANSSON = {
    "api/decode.c", "api/decode_axes.c", "api/decode_mask.c", "api/decode_merge.c", "api/decode_projections.c",
    "api/decode_rotary.c", "api/decode_scores.c", "api/decode_tokens.c", "api/decode_torch.c", "api/member.c",
    "api/page.c", "api/route.c", "api/value.c", "api/value_b64.c", "api/value_strings.c",
    "api/value_tensor.c",
}


def includes(tree, name):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', policy.read(tree, name), re.M)


def sees(tree, name, header, seen):
    """Whether `name` includes `header`, directly or through headers of ours."""
    if name in seen or not (tree / name).is_file():
        return False
    seen.add(name)
    return any(target == header or sees(tree, target, header, seen) for target in includes(tree, name))


def check(tree):
    violations = []
    for header, doors in DOORS.items():
        users = [name for name in policy.product(tree)
                 if any(target.split("/")[-1] == header for target in includes(tree, name))]
        violations += [f"{name}: <{header}> belongs in {' '.join(doors)} only" for name in users if name not in doors]
        violations += [f"{name}: is listed as a door to <{header}> and is none" for name in doors if name not in users]
    seers = {name for name in policy.product(tree, ".c", ".cc") if sees(tree, name, "jansson.h", set())}
    violations += [f"{name}: sees jansson's types and is not listed" for name in sorted(seers - SEES_JANSSON)]
    violations += [f"{name}: is listed and does not see jansson" for name in sorted(SEES_JANSSON - seers)]
    return violations


policy.run(check, [
    *((f"a second door to {header}", policy.append("api/planted.c", f"#include <{header}>\n"), "api/planted.c")
      for header in DOORS),
    *((f"a door to {header} that is gone", lambda tree, door=doors[0]: (tree / door).unlink(missing_ok=True),
       f"{doors[0]}: is listed") for header, doors in DOORS.items()),
    ("a door in a header", policy.append("server/planted.h", '# include "cblas.h"\n'), "server/planted.h"),
    ("jansson behind two headers", lambda tree: (policy.append("api/planted.h", '#include "api/member.h"\n')(tree),
     policy.append("api/planted.c", '#include "api/planted.h"\n')(tree)), "api/planted.c: sees jansson"),
])
