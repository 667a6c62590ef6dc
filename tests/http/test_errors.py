#!/usr/bin/env python3
"""Wrong requests: each gets its problem, which names the place and the two things that disagree, and the connection
stays good for the next request."""

import json
import sys

from attnd_client import SELF, SMALL, Claims, Server, chunked, expect, is_small_answer, problem
from attnd_wrong import MASKED, MULTI, TABLES, TWO


def one_wrong(connection, wrong, seen):
    response = connection.post(wrong.path, wrong.body)
    statuses = wrong.status if isinstance(wrong.status, tuple) else (wrong.status,)
    expect(response.status in statuses, lambda: f"status {response.status}, not {wrong.status}: {response!r}")
    members = problem(response, response.status)
    seen.add(members["code"])
    expect(members["code"] in wrong.codes, lambda: f"code {members['code']}, not {wrong.codes}: {members}")
    expect(members.get("pointer") in wrong.pointers,
           lambda: f"pointer {members.get('pointer')!r}, not {wrong.pointers}: {members}")
    said = members["detail"].replace(", ", ",").replace("e+", "e")
    for name in wrong.named:
        expect(name in said or name in members["detail"],
               lambda: f"the detail does not name {name!r}: {members}")
    expect(len(members["detail"]) >= 20, lambda: f"the detail says too little: {members}")
    if members["code"] == "shape_mismatch":
        expect(members.get("expected") and members.get("received"),
               lambda: f"no expected and received: {members}")
        expect(members["expected"] != members["received"], lambda: f"expected what was received: {members}")
    for name, due in zip(("line", "column", "offset"), getattr(wrong, "position", ())):
        if members["code"] in ("invalid_json", "invalid_utf8"):
            expect(isinstance(members.get(name), int), lambda: f"no {name}: {members}")
        if due is not None:
            expect(members.get(name) == due, lambda: f"{name} {members.get(name)}, not {due}: {members}")
    expect(not response.closes, "the connection is closed after it")
    return is_small_answer(connection.post(SELF, SMALL))


def problem_pages(server, codes):
    for code in sorted(codes):
        response = server.request("GET", f"/problems/{code}")
        expect(response.status == 200, lambda: f"/problems/{code}: {response!r}")
        expect(response.field("Content-Type").startswith("text/") and code.encode() in response.body,
               lambda: f"/problems/{code}: {response!r}")
    problem(server.request("GET", "/problems/none_such"), 404, "not_found")


def absent(connection):
    """null counts as absent, for every member that is known."""
    body = {"inputs": TWO, "query": None, "key": None, "value": None, "context": None, "tokens": None,
            "embeddings": None, "num_heads": None, "scale": None, "mask": None, "softcap": None, "projections": None,
            "rotary": None, "past_key": None, "return": None, "dtype": None, "decimals": None, "encoding": None,
            "normalize": None, "fully_masked": None, "average_heads": None, "add_norm": None, "gate": None, "seed": None}
    is_small_answer(connection.post(SELF, body))
    answer = connection.post(SELF, {"inputs": TWO, "mask": {"causal": True, "window": None, "bias": None}}).json()
    expect(answer["weights"][0] == [1, 0], f"{answer}")


def large_in_float64(connection):
    response = connection.post(SELF, b'{"inputs":[[1e39]],"dtype":"float64","scale":1e-80}')
    expect(response.status == 200 and response.json()["output"] == [[1e39]], f"{response!r}")
    # The remedy that the overflow problem names works.
    body = {"inputs": [[1e30]], "scale": 1e30, "normalize": "none"}
    problem(connection.post(SELF, body), 422, "overflow")
    response = connection.post(SELF, dict(body, dtype="float64"))
    expect(response.status == 200 and abs(response.json()["weights"][0][0] / 1e90 - 1) < 1e-12, f"{response!r}")


def message_alone_mends(connection):
    """What `expected` says is what is then accepted."""
    members = problem(connection.post(MASKED, {"inputs": TWO, "mask": [[1, 1, 1]]}), 422, "shape_mismatch", "/mask")
    expect("[2,2]" in (members["expected"] + members["detail"]).replace(" ", ""), f"{members}")
    expect("[1,3]" in (members["received"] + members["detail"]).replace(" ", ""), f"{members}")


def media_types(server):
    body = json.dumps(SMALL)
    form = "application/x-www-form-urlencoded"
    for kind in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/foo+json",
                 "application/vnd.api+json;v=1", None, "", form):
        is_small_answer(server.request("POST", SELF, body, content_type=kind))
    for kind, fields in (("text/plain", ()), ("application/xml", ()), ("multipart/form-data; boundary=x", ()),
                         ("application/jsonx", ()), ("json", ()), (form, (("Origin", "http://evil.example"),))):
        response = server.request("POST", SELF, body, fields=fields, content_type=kind)
        members = problem(response, 415, "unsupported_media_type")
        expect("Content-Type: application/json" in members["detail"], f"{kind}: {members}")
    for coding in ("gzip", "deflate", "br", "nonsense"):
        members = problem(server.request("POST", SELF, body, fields=[("Content-Encoding", coding)]), 415)
        expect(coding in members["detail"] and members["received"] == coding and members["expected"] == "identity",
               f"{members}")
    response = server.request("POST", SELF, body, fields=[("Content-Encoding", "gzip")])
    expect(response.field("Accept-Encoding") == "identity", f"{response.fields}")


def not_found(server):
    for method, path in (("GET", "/nothing"), ("POST", "/v1/attention/selfish"), ("GET", "/v1"), ("POST", "/v1/attention/"),
                         ("GET", "/v1/attention/self/x"), ("GET", "//"), ("DELETE", "/nothing")):
        members = problem(server.request(method, path, SMALL if method == "POST" else None), 404, "not_found")
        expect(path in members["detail"], f"{members}")


def wrong_method(server):
    for method, path, allowed in (("GET", SELF, "POST"), ("PUT", SELF, "POST"), ("DELETE", MASKED, "POST"),
                                  ("PATCH", MULTI, "POST"), ("POST", "/livez", "GET"), ("POST", "/readyz", "GET"),
                                  ("DELETE", "/v1/attention", "GET"), ("POST", "/", "GET"), ("HEAD", SELF, "POST")):
        response = server.request(method, path, SMALL if method in ("PUT", "POST", "PATCH") else None)
        expect(response.status == 405, f"{method} {path}: {response!r}")
        if method != "HEAD":
            members = problem(response, 405, "method_not_allowed")
            expect(method in members["detail"] and allowed in members["detail"], f"{members}")
        allow = [name.strip() for name in (response.field("Allow") or "").split(",")]
        expect(allowed in allow and method not in allow, f"{method} {path}: Allow: {allow}")
        if "GET" in allow:
            expect("HEAD" in allow, f"GET without HEAD: {allow}")


def accept(server):
    body = json.dumps(SMALL)
    for value in ("application/json", "*/*", "application/*", "text/html, application/json;q=0.5",
                  "text/html, */*;q=0.1", "application/json; q=1.0", "APPLICATION/JSON"):
        is_small_answer(server.request("POST", SELF, body, fields=[("Accept", value)]))
    for value in ("text/csv", "text/html", "image/*", "application/json;q=0", "application/jsonl"):
        members = problem(server.request("POST", SELF, body, fields=[("Accept", value)]), 406, "not_acceptable")
        expect("application/json" in members["detail"] + members.get("expected", ""), f"{value}: {members}")


def limit(flag, value, body, code, named=None):
    """The limit refuses, by name and number; a smaller request is then answered."""
    with Server(flag, value) as server, server.connect() as connection:
        members = problem(connection.post(SELF, body), 413, code)
        said = members["detail"] + members.get("expected", "")
        expect(str(named or value) in said, f"the problem does not name the limit {named or value}: {members}")
        is_small_answer(server.request("POST", SELF, SMALL))


def body_limit():
    """With a length: refused at its head. In chunks: refused when it is over. One byte less is taken."""
    body = json.dumps({"inputs": TWO, "tokens": ["a" * 900, "b"]}).encode()
    flag, size = "--max-body-bytes", len(body)
    limit(flag, size - 1, body, "body_too_large")
    with Server(flag, size - 1) as server, server.connect() as connection:
        connection.send(b"POST /v1/attention/self HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + chunked([body[:100], body[100:]]))
        members = problem(connection.read(), 413, "body_too_large")
        expect(str(size - 1) in members["detail"] + members.get("expected", ""), f"{members}")
    with Server(flag, size) as server:
        expect(server.request("POST", SELF, body).status == 200, "a body of exactly the limit")


def depth_limit():
    """An object of three arrays is 4 deep."""
    with Server("--max-depth", 4) as server, server.connect() as connection:
        expect(connection.post(SELF, {"inputs": [TWO]}).status == 200, "depth 4 under a limit of 4")
        members = problem(connection.post(SELF, {"inputs": [[TWO]]}), 400, "nested_too_deep")
        expect("4" in members["detail"], f"{members}")
        is_small_answer(connection.post(SELF, SMALL))


def limits_in_place(claims):
    claims.check("413: body, by length and by chunks, one byte over", body_limit)
    claims.check("400: nesting depth, one over", depth_limit)
    many = {"inputs": [[1, 2, 3]] * 4}
    claims.check("413: elements in a tensor", limit, "--max-elements", 11, many, "too_many_elements")
    claims.check("413: elements in a b64 tensor", limit, "--max-elements", 11,
                 {"inputs": {"shape": [4, 3], "dtype": "float64", "b64": "AAAA" * 32}}, "too_many_elements")
    # 4 queries by 4 keys by 3 + 3 features: 96 multiplications; and by 3 more for scores.
    claims.check("413: work", limit, "--max-work", 95, many, "too_much_work")
    claims.check("413: work of a result that is computed by itself", limit, "--max-work", 143,
                 {**many, "return": ["scores", "output"]}, "too_much_work")
    claims.check("413: answer", limit, "--max-answer-bytes", 2048, {"inputs": [[1]] * 100}, "answer_too_large")
    claims.check("413: memory of a request", limit, "--max-request-memory", 131072,
                 {"inputs": [[0.5] * 40] * 1000, "return": ["output"]}, "memory_limit")


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    claims = Claims()
    seen = set()
    with Server() as server, server.connect() as connection:
        for table, rows in TABLES.items():
            for wrong in rows:
                if only in f"{table}: {wrong.claim}":
                    if claims.check(f"{table}: {wrong.claim}", one_wrong, connection, wrong, seen) is None:
                        connection.close()
                        connection.__init__(server.port)
        if not only:
            claims.check("null counts as absent", absent, connection)
            claims.check("what float32 cannot hold float64 can", large_in_float64, connection)
            claims.check("a shape problem shows both shapes", message_alone_mends, connection)
            claims.check("media types: JSON, none, curl's form without Origin; 415 else", media_types, server)
            claims.check("404 names the path", not_found, server)
            claims.check("405 with Allow", wrong_method, server)
            claims.check("406 lists what there is", accept, server)
            claims.check("/problems/<code> explains each code seen", problem_pages, server, seen)
            claims.check("the server stops cleanly", server.stop)
    if not only:
        limits_in_place(claims)
    claims.finish()


if __name__ == "__main__":
    main()
