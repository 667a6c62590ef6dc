#!/usr/bin/env python3
"""The calls on the pages of docs/COMING-FROM, run: what the peer computes must be what attnd answers.

    page.py [--documented] PAGE…

A page's Python is run as it stands, in an interpreter that has what it imports; then the request under it is sent to a
server, without its `decimals`, and each variable that has the name of a result (output, weights, lse …) must hold that
result's numbers, in the same order, to TOLERANCE of the row's scale. A page whose peer no interpreter has is skipped: exit
code 77. --documented puts tests/peers/documented first on Python's path: formulas that peers document, in NumPy, for
peers that are seldom to be had."""

import argparse
import ast
import json
import math
import os
import shlex
import subprocess
import sys

import attnd_peers as peers
import attnd_tensors as tensors
from attnd_client import Claims, PATIENCE, Server, excerpt, expect
from attnd_compare import ORDER
from test_coming_from import pairs
from test_docs import ADDRESS

TOLERANCE = 2e-5
RESULTS = [name for name in ORDER[ORDER.index("scores"):] if name != "projections"]
DOCUMENTED = os.path.join(peers.HERE, "documented")


def needs(snippet):
    """What a snippet takes from the modules that it imports, as dotted names."""
    modules, names = {}, set()
    for node in ast.walk(ast.parse(snippet)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                modules[alias.asname or top] = alias.name if alias.asname else top
                names.add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    for node in ast.walk(ast.parse(snippet)):
        if isinstance(node, ast.Attribute):
            path = dotted(node)
            if path and path.split(".")[0] in modules:
                names.add(".".join([modules[path.split(".")[0]], *path.split(".")[1:]]))
    return sorted(names)


def dotted(node):
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def peer_numbers(python, snippet):
    ended = subprocess.run([python, os.path.join(peers.HERE, "snippet.py"), *RESULTS], input=snippet,
                           capture_output=True, text=True, check=False, timeout=300 * PATIENCE, env=peers.environment())
    expect(ended.returncode == 0, lambda: f"the call fails: {excerpt(ended.stderr[-1500:], 1500)}")
    return json.loads(ended.stdout.splitlines()[-1])


def attnd_numbers(server, command):
    """What the curl line of a page would get, with all digits."""
    words = shlex.split(command)
    url = next(word for word in words if word.startswith(ADDRESS))
    request = json.loads(words[words.index("-d") + 1])
    request.pop("decimals", None)
    response = server.request("POST", url.removeprefix(ADDRESS), json.dumps(request))
    expect(response.status == 200, lambda: f"status {response.status}: {excerpt(response.body, 700)}")
    return response.json()


def same(name, mine, theirs):
    width = tensors.shape_of(mine)[-1]
    mine, theirs = tensors.flatten(mine), tensors.flatten(theirs)
    expect(len(mine) == len(theirs), f"{name} holds {len(mine)} numbers, the peer's {len(theirs)}")
    for start in range(0, len(mine), width):
        row = mine[start:start + width]
        scale = max([1.0] + [abs(x) for x in row if x is not None])
        for place, (a, b) in enumerate(zip(row, theirs[start:start + width]), start):
            a = -math.inf if a is None else a
            expect(a == b or abs(a - b) <= TOLERANCE * scale, f"{name}[{place}] (flat) is {a}, the peer's {b}")


def check_pair(server, python, snippet, command):
    theirs = peer_numbers(python, snippet)
    mine = attnd_numbers(server, command)
    expect(theirs, "the call names no result")
    for name, numbers in theirs.items():
        expect(name in mine, f"the request does not return {name}")
        same(name, mine[name], numbers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--documented", action="store_true")
    parser.add_argument("pages", nargs="+")
    given = parser.parse_args()
    if given.documented:
        os.environ["PYTHONPATH"] = DOCUMENTED
    claim = f"the {'documented formula' if given.documented else 'call'} and the request give the same numbers"
    claims, skipped = Claims(), 0
    with Server() as server:
        for page in given.pages:
            calls = [(line, snippet, needs(snippet), command) for line, snippet, command, _ in pairs(page)]
            whole = peers.interpreter(*sorted({name for _, _, names, _ in calls for name in names}))
            for line, snippet, names, command in calls:
                place = f"{os.path.basename(page)}:{line}"
                python = whole or peers.interpreter(*names)
                if python is None:
                    skipped += 1
                    print(f"skip  {place}: no Python here has {' and '.join(peers.missing(*names))}")
                    continue
                claims.check(f"{place}: {claim}", check_pair, server, python, snippet, command)
        claims.check("the server stops cleanly", server.stop)
    if skipped and not claims.failed:
        print(f"{claims.passed} passed, 0 failed, {skipped} skipped")
        sys.exit(peers.SKIPPED)
    claims.finish()


if __name__ == "__main__":
    main()
