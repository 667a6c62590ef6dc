#!/usr/bin/env python3
"""docs/COMING-FROM and its pages, run: every request is sent to a server and must give the JSON shown under it.

Also checked: each page's Python is Python and is followed by a request with an answer, each name that a page's tables
put on attnd's side is one that the service lists, and the index names every page. That the Python gives the same numbers is
what tests/peers/page.py shows."""

import ast
import glob
import json
import os
import re

from attnd_client import Claims, Server, expect
from test_docs import ROOT, examples, fences, read, run_example

INDEX = "docs/COMING-FROM.md"
PAGES = sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "COMING-FROM", "*.md")))
VALUES = {"top_left", "bottom_right", "auto", "causal", "sum", "none", "zero", "uniform", "out_in", "torch.nn.Linear",
          "true", "false"}


def pairs(name):
    """(line, Python text, curl line, answer) for each call that is followed by the request with the same numbers."""
    answers = {line: (command[-1], answer) for line, command, answer in examples(name)}
    snippet = None
    for language, text, line, between in fences(name):
        if language == "python":
            expect(snippet is None, lambda line=line: f"{name}:{line}: the Python before this one has no request")
            snippet = (line, text)
        elif line in answers:
            expect(snippet and "\n#" not in between, lambda line=line: f"{name}:{line}: a request without its Python")
            expect(answers[line][1], lambda line=line: f"{name}:{line}: a request without an answer")
            yield *snippet, *answers[line]
            snippet = None
    expect(snippet is None, f"{name}: the last Python has no request")


def page_is_whole(name):
    found = list(pairs(name))
    expect(len(found) >= 2, f"{len(found)} calls with requests")
    for line, snippet, _, _ in found:
        try:
            ast.parse(snippet)
        except SyntaxError as error:
            expect(False, f"{name}:{line + (error.lineno or 0)}: {error.msg}")


def listed_names(server):
    """Every "name" of GET /v1/attention, whatever it names, and the results."""
    text = server.request("GET", "/v1/attention").body.decode()
    names = set(re.findall(r'"name":"([^"]+)"', text))
    meaning = next(member["meaning"] for member in json.loads(text)["members"] if member["name"] == "return")
    projections = {"weight", "bias", "layout", "state_dict", "init", "features"}
    return names | set(re.findall(r"\w+", meaning)) | projections | {"b64", "bias_k", "bias_v"}


def table_names_exist(server, name):
    known = listed_names(server)
    text = re.sub(r"^```.*?^```", "", read(name), flags=re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\|.*\|(.*?)\|$", text, re.MULTILINE)
    expect(len(rows) > 6, "no table")
    for cell in rows:
        for span in re.findall(r"`([^`]+)`", cell):
            for word in re.findall(r"[A-Za-z_][\w.]+", span):
                expect(word in known or word in VALUES, f"{name}: attnd lists no {word} ({cell.strip()})")


def index_is_whole():
    text = read(INDEX)
    expect(len(PAGES) == 7, f"{len(PAGES)} pages")
    for name in PAGES:
        expect(f"({os.path.relpath(name, 'docs')})" in text, f"{INDEX} lacks {name}")
    expect(f"({INDEX})" in read("README.md"), f"README.md lacks {INDEX}")


def main():
    claims = Claims()
    with Server() as server:
        for name in PAGES:
            claims.check(f"{name}: every call has its request", page_is_whole, name)
            claims.check(f"{name}: its table names what there is", table_names_exist, server, name)
            for line, text, answer in examples(name):
                claims.check(f"{name}:{line}: the answer is the one shown", run_example, server, text, answer)
        claims.check("the index names every page, the README the index", index_is_whole)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
