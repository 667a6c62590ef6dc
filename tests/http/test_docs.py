#!/usr/bin/env python3
"""The examples of the documentation, run: each curl line is sent to a server and must give the JSON shown under it.

In README.md, docs/API.md and docs/SCALING.md, a fenced ```sh block with a curl line that names http://127.0.0.1:8080, followed by a
fenced ```json block (at most one paragraph between them), is a question and its answer; so is a ```python block that
names it. Answers are compared as JSON, numbers by their value and members in order. An example without a ```json block
behind it must merely succeed. Also checked: commands can be copied with what stands behind
them, the table of settings is what the program prints, and every member, route and problem has its place."""

import json
import os
import re
import subprocess

from attnd_client import Claims, PATIENCE, Server, binary, excerpt, expect

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FILES = ("README.md", "docs/API.md", "docs/SCALING.md")
ADDRESS = "http://127.0.0.1:8080"
FENCE = re.compile(r"^```([A-Za-z]*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


class Pairs(list):
    """An object's members in order, doubles included, so that two objects are equal only if written alike."""


def parsed(text):
    return json.loads(text, object_pairs_hook=Pairs)


def fences(name):
    """(language, text, line, what stands before it since the last fence)."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    end = 0
    for match in FENCE.finditer(text):
        yield match.group(1), match.group(2), text.count("\n", 0, match.start()) + 1, text[end:match.start()]
        end = match.end()


SHELLS = ("sh", "bash", "shell", "console")


def examples(name):
    """(line, the command and its argument, answer or None) for every fenced example that calls a server."""
    found = list(fences(name))
    for place, (language, text, line, _) in enumerate(found):
        if ADDRESS not in text or not (language == "python" or language in SHELLS and "curl" in text):
            continue
        answer = None
        if place + 1 < len(found):
            following, body, _, between = found[place + 1]
            if following == "json" and "\n#" not in between and len(re.split(r"\n\s*\n", between.strip())) == 1:
                answer = body
        yield line, [*(["python3", "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]), text], answer


def run_example(server, command, answer):
    command[-1] = command[-1].replace(ADDRESS, server.address)
    ended = subprocess.run(command, capture_output=True, text=True, check=False,
                           timeout=60 * PATIENCE, cwd=ROOT, env=os.environ | {"CURL_HOME": "/nonexistent"})
    expect(ended.returncode == 0, lambda: f"exit {ended.returncode}: {excerpt(ended.stderr)}")
    if answer is None:
        expect(ended.stdout.strip(), "nothing came")
        return
    body = ended.stdout[ended.stdout.index("{"):] if ended.stdout.startswith("HTTP/") else ended.stdout
    expect(parsed(body) == parsed(answer), lambda: f"\n      got  {excerpt(body, 1500)}\n      docs {excerpt(answer, 1500)}")


def commands_are_clean(name):
    """Whole lines can be copied: no explanation stands behind a command without a #, in a ```sh block or an indented one."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        outside = FENCE.sub("", file.read())
    lines = [line for language, text, _, _ in fences(name) if language in SHELLS for line in text.splitlines()]
    lines += [line for line in outside.splitlines() if line.startswith("    ")]
    for line in lines:
        expect(not re.match(r"\s*[\w./~-][^#'\"]*\S {2,}[^#\s\\]", line), f"{name}: {line.strip()}")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def settings_table():
    """The program prints the table; the page holds it, line by line."""
    printed = subprocess.run([binary(), "--help-markdown"], capture_output=True, text=True, check=True,
                             timeout=20 * PATIENCE).stdout.strip()
    expect(printed.count("\n") > 10, "the table is short")
    page = read("docs/SETTINGS.md")
    for line in printed.splitlines():
        expect(line in page, f"docs/SETTINGS.md lacks the line {line}")
    flags = set(re.findall(r"--[a-z][a-z-]+", subprocess.run(
        [binary(), "--help"], capture_output=True, text=True, check=True, timeout=20 * PATIENCE).stdout))
    for flag in flags - {"--setting"}:
        expect(flag in page, f"docs/SETTINGS.md lacks {flag}")
    known = flags | {"--help-markdown"}
    for name in ("README.md", "docs/SETTINGS.md"):
        for flag in re.findall(r"attnd[^\n`]* (--[a-z][a-z-]+)", read(name)):
            expect(flag in known, f"{name} names {flag}, which attnd does not know")


def members_in_docs(server):
    """Every route and member that the service lists has a mention in docs/API.md."""
    page = read("docs/API.md")
    listed = server.request("GET", "/v1/attention").json()
    for path in re.findall(r'"(/v1/[a-z/-]+)"', json.dumps(listed)):
        expect(path in page, f"docs/API.md lacks {path}")
    for name in sorted(member_names(listed)):
        expect(f"`{name}`" in page or f'"{name}"' in page, f"docs/API.md lacks the member {name}")


def member_names(listed):
    members = listed.get("members")
    if isinstance(members, dict):
        return set(members)
    return {member["name"] for member in members or []}


def problems_in_docs():
    """Every problem code has its line in docs/API.md."""
    page = read("docs/API.md")
    codes = re.findall(r'^ +X\([A-Z0-9_]+, *"([a-z0-9_]+)"', read("core/error.h"), re.MULTILINE)
    expect(len(codes) > 20, "the list of codes was not found")
    for code in codes:
        expect(code in page, f"docs/API.md lacks the code {code}")


def main():
    claims = Claims()
    count = 0
    with Server() as server:
        for name in FILES:
            for line, command, answer in claims.check(f"{name} can be read", lambda name=name: list(examples(name))) or []:
                count += answer is not None
                claims.check(f"{name}:{line}: {'the answer is the one shown' if answer else 'the command succeeds'}",
                             run_example, server, command, answer)
        for name in (*FILES, "CONTRIBUTING.md", "docs/SETTINGS.md", "docs/SCALING.md"):
            claims.check(f"the commands of {name} can be copied whole", commands_are_clean, name)
        claims.check("there are examples with answers", lambda: expect(count >= 4, f"only {count}"))
        claims.check("every route and member is in docs/API.md", members_in_docs, server)
        claims.check("the server stops cleanly", server.stop)
    claims.check("every problem code is in docs/API.md", problems_in_docs)
    claims.check("the settings of docs/SETTINGS.md are those of --help", settings_table)
    claims.finish()


if __name__ == "__main__":
    main()
