#!/usr/bin/env python3
"""What a body may cost while it is read: memory by its bytes, in a server of its own for each, and how long /livez
waits beside it. Each row is one kind of body that once cost 50 to 400 times its bytes, or stopped all else."""

import base64
import json
import threading
import time

from attnd_attack import FULL
from attnd_client import PATIENCE, SELF, SMALL, Claims, Server, expect, is_small_answer, problem

MIB = 1 << 20
ANY, MERGE = "/v1/attention", "/v1/attention/merge"

# In bytes a byte of the body, and in MiB whatever the body: a value that jansson reads costs up to 450 bytes, and a
# body may have 2^18 of them. A sanitizer's build needs more.
TIMES, PLUS = (8, 8) if PATIENCE == 1 else (40, 60)
VALUES = 128 if PATIENCE == 1 else 600
LIVEZ_SECONDS = 2 * PATIENCE


MOST = 1 << 18  # the limit on values


def array(piece, size):
    return "[" + ",".join([piece] * (size // (len(piece) + 1))) + "]"


def inputs(text):
    return '{"inputs":' + text + "}"


def members(count, value):
    return "{" + ",".join(f'"{i:x}":{value}' for i in range(count)) + "}"


def rows(count):
    return '{"inputs":[' + ",".join(["[0.125,-3.25,1e-3,7]"] * count) + '],"return":["lse"],"mask":[[true]]}'


# name, path, body, status, code, MiB beside TIMES × body
KINDS = [
    ("numbers among strings", SELF, lambda k: inputs('["a",' + array("1", 2 * k)[1:]), 422, "wrong_type", PLUS),
    ("numbers among labels", SELF, lambda k: '{"tokens":["a",' + array("1", 2 * k)[1:] + "}", 422, "wrong_type", PLUS),
    ("a string behind numbers", SELF, lambda k: inputs(array("1", 2 * k)[:-1] + ',"a"]'), 422, "wrong_type", PLUS),
    ("numbers in a mask that begins with a string", SELF,
     lambda k: '{"inputs":[[1]],"mask":["a",' + array("1", 2 * k)[1:] + "}", 422, "wrong_type", PLUS),
    ("numbers that stop being JSON", SELF, lambda k: inputs(array("1", 2 * k)[:-1] + ",]"), 400, "invalid_json", PLUS),
    ("strings that stop being JSON", SELF, lambda k: inputs(array('""', 2 * k)[:-1] + ",]"), 400, "invalid_json", PLUS),
    ("mixed values that stop being JSON", SELF, lambda k: inputs('["a",' + array('{"":[1]}', 2 * k)[1:-1] + ",]"), 400,
     "invalid_json", PLUS),
    ("empty objects", SELF, lambda k: inputs(array("{}", 3 * k)), 413, "too_many_values", VALUES),
    ("empty objects in an array", SELF, lambda k: inputs("[" + array("{}", 3 * k) + "]"), 422, "wrong_type", PLUS),
    ("numbers among objects", SELF, lambda k: inputs("[{}," + array("1", 2 * k)[1:]), 413, "too_many_values", VALUES),
    ("empty arrays", SELF, lambda k: inputs(array("[]", 3 * k)), 422, "empty_axis", PLUS),
    ("empty strings in arrays", SELF, lambda k: inputs(array('[""]', 5 * k)), 422, "wrong_type", PLUS),
    ("empty strings", SELF, lambda k: inputs(array('""', 3 * k)), 422, "wrong_type", PLUS),
    ("empty labels", SELF, lambda k: '{"tokens":' + array('""', 3 * k) + "}", 422, "missing_member", PLUS),
    ("labels with escapes", SELF, lambda k: '{"tokens":' + array('"\\n"', 3 * k) + "}", 422, "missing_member", PLUS),
    ("lists of one label", SELF, lambda k: '{"tokens":' + array('[""]', 5 * k) + "}", 422, "missing_member", PLUS),
    ("members", SELF, lambda k: members(k, "1"), 413, "too_many_values", VALUES),
    ("embeddings of one number", SELF, lambda k: '{"tokens":["a"],"embeddings":' + members(k, "[1]") + "}", 413,
     "too_many_values", VALUES),
    ("nested objects", SELF, lambda k: members(k // 4, '{"":{"":{"":{}}}}'), 413, "too_many_values", VALUES),
    ("parts of a merge", MERGE, lambda k: '{"parts":' + array('{"output":[1],"lse":1}', 23 * (MOST // 3 - 2)) + "}", None, None, VALUES),
    ("names with a literal", SELF, lambda k: members(k, "null"), 413, "too_many_values", VALUES),
    ("a long string", SELF, lambda k: inputs('"' + "x" * (10 * k) + '"'), 422, "wrong_type", PLUS),
    ("a long string of escapes", SELF, lambda k: inputs('"' + "\\n" * (5 * k) + '"'), 422, "wrong_type", PLUS),
    ("a long name", SELF, lambda k: '{"' + "x" * (10 * k) + '":1}', 422, "unknown_member", PLUS),
    ("a string that does not close", SELF, lambda k: inputs('"' + "x" * (10 * k)), 400, "invalid_json", PLUS),
    ("float64 in the text of a b64", SELF,
     lambda k: json.dumps({"inputs": {"shape": [k], "dtype": "float64",
                                      "b64": base64.b64encode(bytes(8 * k)).decode()}}), 422, "wrong_rank", PLUS),
    ("as many empty objects as the limit leaves", SELF, lambda k: inputs(array("{}", 3 * (MOST - 3))), 422, "wrong_type",
     VALUES),
    ("as many members with empty objects", SELF, lambda k: members(MOST - 1, "{}"), 422, "unknown_member", VALUES),
    ("as many embeddings", SELF, lambda k: '{"tokens":["a"],"embeddings":' + members(MOST - 3, "[1]") + "}", None, None,
     VALUES),
    ("as many labels and lists", SELF, lambda k: '{"parts":' + array('{"a":[""]}', 11 * (MOST // 2 - 1)) + "}", 422,
     "wrong_route", VALUES),
    ("numbers", SELF, lambda k: inputs(array("1", 2 * k)), 422, "wrong_rank", PLUS),
    ("doubles of one digit", SELF, lambda k: '{"dtype":"float64",' + inputs(array("1", 2 * k))[1:], 422, "wrong_rank",
     PLUS),
]


def livez_while(server, request):
    """Runs the request in a thread; the longest that /livez took meanwhile, and what the request returned."""
    box = {}
    thread = threading.Thread(target=lambda: box.update(response=request()))
    thread.start()
    longest = 0.0
    with server.connect(timeout=60) as connection:
        while thread.is_alive():
            begin = time.monotonic()
            expect(connection.get("/livez").status == 200, "/livez is not 200")
            longest = max(longest, time.monotonic() - begin)
            time.sleep(0.005)
    thread.join()
    return longest, box["response"]


def peak_of(server, request):
    """What the resident memory rose by at the highest, in bytes."""
    is_small_answer(server.request("POST", SELF, SMALL))
    with open(f"/proc/{server.process.pid}/clear_refs", "w") as peak:
        peak.write("5")  # the highest so far is what is there now
    before = server.status("VmRSS")
    result = request()
    return (server.status("VmHWM") - before) * 1024, result


def costs(path, body, status, code, plus):
    data = body.encode()
    with Server() as server:
        def request():
            with server.connect(timeout=120) as connection:
                return connection.post(path, data)
        peak, (longest, response) = peak_of(server, lambda: livez_while(server, request))
        if status is not None:
            problem(response, status, code)
        print(f"      {len(data):>9} bytes: {peak / len(data):5.1f} times, {peak / MIB:6.1f} MiB, /livez {longest * 1000:.0f} ms")
        most = TIMES * len(data) + plus * MIB
        expect(peak <= most, f"{len(data)} bytes took {peak} bytes, {peak / len(data):.1f} times as many; {most} are allowed")
        expect(longest < LIVEZ_SECONDS, f"/livez took {longest:.1f} s")
        is_small_answer(server.request("POST", SELF, SMALL))


def unequal(short, long, pad="", extra=""):
    return '{"tokens":[' + ",".join(['[""]'] * short + [array('""', 3 * long)]) + f'],"pad_token":"{pad}"{extra}}}'


# 12 million labels in 27 KB; what is to be looked up, computed or answered is refused before it is made.
BOMBS = [
    ("lists of unequal length", SELF, unequal(3000, 4000, extra=',"embeddings":{"":[1]}'), 413, "answer_too_large"),
    ("the same for the output alone", SELF,
     unequal(3000, 4000, extra=',"embeddings":{"":[1]},"return":["output"],"normalize":"sum","mask":{"attend":[[1]]}'),
     None, None),
    ("the same with longer lists", SELF, unequal(6500, 10500, extra=',"embeddings":{"":[1]}'), 413, ("answer_too_large", "too_much_work")),
    ("the same with nothing to look up", SELF, unequal(3000, 4000), 422, "missing_member"),
    ("a long pad token", SELF, unequal(3000, 4000, pad="x" * 3000, extra=',"inputs":[[1]]'), 413, "answer_too_large"),
    ("many tokens of a long embedding", SELF,
     '{"tokens":' + array('"a"', 4 * 8000) + ',"embeddings":{"a":' + array("1", 2 * 14000) + '}}', 413, "too_much_work"),
    ("the same where it can be computed", SELF,
     '{"tokens":' + array('"a"', 4 * 3000) + ',"embeddings":{"a":' + array("1", 2 * 14000) + '},"return":["lse"]}',
     None, None),
    ("more numbers to look up than a tensor has", SELF,
     '{"tokens":' + array('"a"', 4 * 12000) + ',"embeddings":{"a":' + array("1", 2 * 30000) + '},"projections":{"init":'
     '"torch.nn.Linear","features":1},"return":["lse"]}', 413, "too_many_elements"),
]


def a_bomb_is_refused(path, body, status, code):
    data = body.encode()
    with Server("--io-threads", "1", "--threads", "1") as server:
        def request():
            with server.connect(timeout=240) as connection:
                return connection.post(path, data)
        if status is None:  # a request that is right, and long: what counts is all else meanwhile
            with server.connect(timeout=240) as connection, server.connect(timeout=60) as other:
                connection.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                                f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
                longest, end = 0.0, time.monotonic() + 1.5
                while time.monotonic() < end:
                    begin = time.monotonic()
                    expect(other.get("/livez").status == 200, "/livez is not 200")
                    longest = max(longest, time.monotonic() - begin)
                    time.sleep(0.005)
            print(f"      {len(data)} bytes: /livez {longest * 1000:.0f} ms")
            expect(longest < LIVEZ_SECONDS / 4, f"/livez took {longest:.2f} s")
            return
        begin = time.monotonic()
        peak, (longest, response) = peak_of(server, lambda: livez_while(server, request))
        spent = time.monotonic() - begin
        codes = code if isinstance(code, tuple) else (code,)
        expect(response.status == status and response.json()["code"] in codes, f"{response!r}")
        print(f"      {len(data)} bytes: {peak / MIB:.1f} MiB, {spent * 1000:.0f} ms, /livez {longest * 1000:.0f} ms")
        expect(peak <= TIMES * len(data) + PLUS * MIB, f"{len(data)} bytes took {peak / MIB:.0f} MiB")
        expect(longest < LIVEZ_SECONDS / 4, f"/livez took {longest:.2f} s")


def large_requests_are_answered():
    """What the limit on values must leave: a label and an embedding for each of 100,000 positions."""
    count = 100000
    body = {"tokens": [f"w{i}" for i in range(count)], "embeddings": {f"w{i}": [i % 7, 0.5] for i in range(count)},
            "return": ["lse"], "mask": {"window": [3, 3]}}
    data = json.dumps(body, separators=(",", ":")).encode()
    with Server() as server, server.connect(timeout=240) as connection:
        begin = time.monotonic()
        response = connection.post(SELF, data)
        expect(response.status == 200, f"{response!r}")
        answer = response.json()
        expect(len(answer["lse"]) == count and answer["tokens"] == body["tokens"], "the answer is another one")
        print(f"      {len(data)} bytes in {time.monotonic() - begin:.1f} s")


claims = Claims()
size = (1 << 20) if FULL else (1 << 19) + 100  # beyond the limit on values
for name, path, make, status, code, plus in KINDS:
    claims.check(f"{name} cost what is allowed", costs, path, make(size), status, code, plus)
if FULL:
    claims.check("64 MiB of numbers cost what is allowed", costs, SELF, inputs(array("1", 64 * MIB - 100)), 422, "wrong_rank",
                 PLUS)
    claims.check("64 MiB of wrong numbers cost what is allowed", costs, SELF,
                 inputs('["a",' + array("1", 64 * MIB - 100)[1:]), 422, "wrong_type", PLUS)
    claims.check("64 MiB of labels cost what is allowed", costs, SELF,
                 '{"tokens":' + array('""', 64 * MIB - 100) + "}", 422, "missing_member", PLUS)
for name, path, body, status, code in BOMBS:
    claims.check(f"{name}: nothing else waits", a_bomb_is_refused, path, body, status, code)
claims.check("100,000 labels with 100,000 embeddings are answered", large_requests_are_answered)
claims.finish()
