"""Makes a failing request smaller for as long as it fails, and writes it as a curl line."""

import copy
import json
import shlex

import attnd_tensors as tensors

ROUNDS = 400


def shrink(request, fails):
    """The smallest request found by leaving out members and parts, and by plainer tensors, that `fails` still holds for."""
    tried = 0
    shrunk = True
    while shrunk and tried < ROUNDS:
        shrunk = False
        for candidate in simpler(request):
            tried += 1
            if tried > ROUNDS:
                break
            if fails(candidate):
                request, shrunk = candidate, True
                break
    return request


def simpler(request):
    for path in sorted(paths(request), key=len):
        yield changed(request, path, None)
    for name in request.get("return") or []:
        if len(request["return"]) > 1:
            yield {**request, "return": [name]}
    for path in paths(request):
        value = at(request, path)
        if isinstance(value, dict) and "shape" in value:
            yield changed(request, path, tensors.read(value))
        if isinstance(value, list):
            rough = tensors.each(value, lambda x: round(x, 1) if isinstance(x, float) and abs(x) < 1e300 else x)
            if rough != value:
                yield changed(request, path, rough)


def paths(value, prefix=()):
    """Every member, and the members of objects in it that are no tensors."""
    for name, part in value.items():
        yield (*prefix, name)
        if isinstance(part, dict) and "shape" not in part:
            yield from paths(part, (*prefix, name))


def at(value, path):
    for name in path:
        value = value[name]
    return value


def changed(request, path, value):
    """A copy with the member at this path replaced, or left out for None."""
    copied = copy.deepcopy(request)
    holder = at(copied, path[:-1])
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return copied


def curl(route, request):
    return f"curl -s http://127.0.0.1:8080{route} -d {shlex.quote(json.dumps(request, ensure_ascii=False))}"
