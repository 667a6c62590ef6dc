#!/usr/bin/env python3
"""Pages of other origins: what their browsers can send without asking, and names that are pointed to this machine."""

import itertools

from attnd_attack import FULL
from attnd_client import SELF, SMALL, Claims, Server, as_bytes, expect, is_small_answer, problem, wait_until

EVIL = "http://evil.example"


def raw(server, method, target, fields, body=SMALL, version="HTTP/1.1"):
    """One exchange with exactly these header fields; what came of it, and whether it computed."""
    text = as_bytes(body) if method == "POST" else b""
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in fields)]
    if method == "POST":
        lines.append(f"Content-Length: {len(text)}")
    with server.connect() as connection:
        connection.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + text)
        return connection.read(method)


def post(server, *fields, host=None):
    return raw(server, "POST", SELF, [("Host", host or f"127.0.0.1:{server.port}"), *fields])


# What fetch() and forms may send to another origin without a preflight, and what only looks like JSON.
SIMPLE = ("text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
          "Application/X-WWW-Form-URLEncoded; charset=utf-8")
CROOKED = ("", " ", "\t", ";", ";text/plain", " ; application/json", ",", "application/json,text/plain",
           "text/plain, application/json", "text/plain; application/json", "application/json text/plain", "*/*",
           "application/*", "json", "application/a,text/plain+json", '"application/json"')
JSON = ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json;a=b")
ORIGINS = (EVIL, "null", "https://evil.example", "http://127.0.0.1", "")


def pages_without_a_type(server):
    for origin in ORIGINS:
        members = problem(post(server, ("Origin", origin)), 415, "unsupported_media_type")
        expect("application/json" in members["detail"] and members["expected"] == "application/json", f"{members}")
        expect("fetch(" in members["detail"], f"the page's author is not told what to do: {members}")


def pages_with_another_type(server):
    for origin, kind in itertools.product(ORIGINS if FULL else ORIGINS[:2], SIMPLE + CROOKED):
        response = post(server, ("Origin", origin), ("Content-Type", kind))
        expect(response.status == 415, f"{origin} {kind!r}: {response!r}")


def pages_with_json(server):
    """A browser sends this to another origin only after a preflight that allows it, to its own at once."""
    for kind in JSON:
        is_small_answer(post(server, ("Origin", f"http://127.0.0.1:{server.port}"), ("Content-Type", kind)))


def programs(server):
    """Without an Origin the type may be left out, and curl's is taken; what says something else is not."""
    is_small_answer(post(server))
    for kind in ("", " ", "application/x-www-form-urlencoded", *JSON):
        is_small_answer(post(server, ("Content-Type", kind)))
    for kind in (*CROOKED[3:], "text/plain"):
        response = post(server, ("Content-Type", kind))
        expect(response.status == 415, f"{kind!r}: {response!r}")


def fields_given_twice(server):
    json_type, evil = ("Content-Type", "application/json"), ("Origin", EVIL)
    for fields in ((json_type, ("Content-Type", "text/plain")), (("content-type", "text/plain"), json_type),
                   (json_type, json_type), (("Content-Type", ""), json_type), (json_type, evil, ("Origin", "http://a")),
                   (json_type, evil, evil)):
        members = problem(post(server, *fields), 400, "bad_request")
        expect("more than one" in members["detail"], f"{fields}: {members}")
    for accept in (("text/plain", "application/json"), ("application/json", "text/plain"), ("", "*/*")):
        is_small_answer(post(server, json_type, *(("Accept", value) for value in accept)))
    response = post(server, ("X-Request-Id", "first"), ("X-Request-Id", "second"))
    expect(is_small_answer(response).field("X-Request-Id") == "first", f"{response.fields}")
    problem(post(server, json_type, ("Accept", "text/plain"), ("Accept", "text/html")), 406, "not_acceptable")
    problem(post(server, json_type, ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")), 415)


OWN = ("localhost", "localhost:{port}", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.1:{port}", "127.9.8.7:80",
       "[::1]", "[::1]:{port}", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]:1")
FOREIGN = ("rebind.evil.example:{port}", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
           "evil.localhost", "127.1", "2130706433", "0x7f.1", "0.0.0.0:{port}", "192.168.0.1", "[::]", "[fd00::1]",
           "xn--localhost", "127.0.0.1evil", "localhost..")


def own_hosts(server):
    for host in OWN:
        is_small_answer(post(server, ("Content-Type", "application/json"), host=host.format(port=server.port)))


def foreign_hosts(server):
    """DNS rebinding: to the browser the page is of our origin, so it may send and read anything."""
    for host in FOREIGN:
        host = host.format(port=server.port)
        fields = [("Host", host), ("Origin", f"http://{host}"), ("Content-Type", "application/json")]
        for method, target in (("POST", SELF), ("GET", "/"), ("GET", "/v1/attention"), ("GET", "/livez"),
                               ("OPTIONS", SELF)):
            members = problem(raw(server, method, target, fields), 421, "misdirected_request")
            expect(host in members["detail"] and "--allowed-hosts" in members["detail"], f"{host}: {members}")


def absolute_targets(server):
    """The authority of a target stands for the Host field."""
    own = ("Host", f"localhost:{server.port}")
    for authority in ("localhost", "127.0.0.1:1", "[::1]"):
        is_small_answer(raw(server, "POST", f"http://{authority}{SELF}", [own]))
    for authority in ("evil.example", "rebind.evil.example:8080", "127.0.0.1.evil.example"):
        problem(raw(server, "POST", f"http://{authority}{SELF}", [own]), 421, "misdirected_request")
        problem(raw(server, "POST", f"HTTPS://{authority}{SELF}", [own]), 421, "misdirected_request")
    for authority in ("evil@127.0.0.1", "127.0.0.1@evil", "[::1", "a:b"):
        problem(raw(server, "POST", f"http://{authority}{SELF}", [own]), 400, "bad_request")


def old_clients(server):
    """HTTP/1.0 has no Host field; where it sends one, that counts."""
    is_small_answer(raw(server, "POST", SELF, [], version="HTTP/1.0"))
    problem(raw(server, "POST", SELF, [("Host", "evil.example")], version="HTTP/1.0"), 421)


def preflights(server):
    asks = ("Access-Control-Request-Method", "POST")
    host = ("Host", f"127.0.0.1:{server.port}")
    for origin in (EVIL, "null", "http://localhost:5500", "http://127.0.0.1:5500", "http://evil\xe9\"x"):
        response = raw(server, "OPTIONS", SELF, [host, ("Origin", origin), asks])
        members = problem(response, 403, "origin_refused")
        expect("--cors-origin" in members["detail"], f"{members}")
        expect(response.field("Access-Control-Allow-Origin") is None, f"{response.fields}")
    response = raw(server, "OPTIONS", SELF, [host])
    expect(response.status == 204 and response.field("Allow") == "POST, OPTIONS", f"{response!r}")
    for origin in ("http://127.0.0.1:5500", '"http://evil\\u00e9\\"x"'):
        line = f" method=OPTIONS path={SELF} status=403 code=origin_refused origin={origin} cors=refused "
        expect(wait_until(lambda: line in server.log_text(), 3), f"no {line} in the log: {server.log_text()[-1000:]}")


def own_page_is_no_refusal(server):
    is_small_answer(post(server, ("Origin", f"http://127.0.0.1:{server.port}"), ("Content-Type", "application/json"),
                         ("X-Request-Id", "own-page")))
    lines = wait_until(lambda: [line for line in server.log_lines() if "id=own-page" in line], 3)
    expect(lines and "cors=refused" not in lines[0], f"{lines}")


def first_line(server):
    expect(" cors=none " in server.log_lines()[0], server.log_lines()[0])


def listed_hosts():
    with Server("--allowed-hosts", "a.example,b.example") as server:
        for host in ("a.example", "B.EXAMPLE:1", "localhost", f"127.0.0.1:{server.port}"):
            is_small_answer(post(server, host=host))
        for host in ("c.example", "x.a.example", "a.example.evil", "192.168.0.1"):
            problem(post(server, host=host), 421, "misdirected_request")
    with Server("--allowed-hosts", "*") as server:
        is_small_answer(post(server, host="evil.example"))


def listener_of_all():
    """Where others can connect, names are the operator's: a probe by the pod's address, a proxy's Host."""
    with Server("--host", "0.0.0.0", quiet=True) as server:
        for host in ("10.0.0.7:8080", "attnd.example", "localhost"):
            is_small_answer(post(server, host=host))
    with Server("--host", "0.0.0.0", "--allowed-hosts", "attnd.example", quiet=True) as server:
        for host in ("10.0.0.7:8080", "attnd.example:1", "[fd00::7]", "localhost"):
            is_small_answer(post(server, host=host))
        problem(post(server, host="evil.example"), 421, "misdirected_request")


def any_port_of_this_machine():
    with Server("--cors-origin", "http://localhost:*,http://127.0.0.1:*") as server:
        for origin in ("http://localhost:5500", "http://127.0.0.1:3000", "http://localhost"):
            response = post(server, ("Origin", origin), ("Content-Type", "application/json"))
            expect(is_small_answer(response).field("Access-Control-Allow-Origin") == origin, f"{response.fields}")
        for origin in ("http://localhost.evil.example", "http://localhost:1.evil.example", "https://localhost:1",
                       "http://localhost:", "http://localhost:*", "null"):
            response = post(server, ("Origin", origin), ("Content-Type", "application/json"))
            expect(response.field("Access-Control-Allow-Origin") is None, f"{origin}: {response.fields}")
        expect("cors=" in next(line for line in server.log_lines() if "listening" in line), "not in the first line")


def main():
    claims = Claims()
    with Server() as server:
        claims.check("a page that sends no type does not compute", pages_without_a_type, server)
        claims.check("nor one that sends a type it may send unasked, or a crooked one", pages_with_another_type, server)
        claims.check("a page that sends JSON's type does", pages_with_json, server)
        claims.check("programs may leave the type out", programs, server)
        claims.check("fields given twice are refused or joined", fields_given_twice, server)
        claims.check("names and addresses of this machine are taken as Host", own_hosts, server)
        claims.check("no other Host is: DNS rebinding", foreign_hosts, server)
        claims.check("the authority of a target counts as Host", absolute_targets, server)
        claims.check("HTTP/1.0 needs no Host", old_clients, server)
        claims.check("a preflight that is refused says so, and so does the log", preflights, server)
        claims.check("a call of the server's own page is not logged as refused", own_page_is_no_refusal, server)
        claims.check("the first line says that no page may call", first_line, server)
    claims.check("--allowed-hosts adds names", listed_hosts)
    claims.check("a listener for others takes every Host, or the listed and addresses", listener_of_all)
    claims.check("http://localhost:* is any port of it and nothing else", any_port_of_this_machine)
    claims.finish()


if __name__ == "__main__":
    main()
