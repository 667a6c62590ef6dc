#!/usr/bin/env python3
"""HTTP/1.1 on a bare socket: where requests begin and end, whatever a client writes, and that no byte of one request
is ever answered as another. The probes follow h1spec and the request-smuggling tables of RFC 9112, section 11.2."""

import re
import time

from attnd_client import (SELF, SMALL, Claims, Closed, Failure, PATIENCE, Server, as_bytes, chunked,
                          excerpt, expect, is_small_answer, message, problem)

BODY = as_bytes(SMALL)
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
HOST = b"Host: 127.0.0.1\r\n"
SMUGGLED = b"GET /problems/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKS = chunked([BODY])
TE = b"Transfer-Encoding: chunked\r\n"


def post(*lines, body=BODY, host=HOST, version=b"HTTP/1.1"):
    return b"POST " + SELF.encode() + b" " + version + b"\r\n" + host + b"".join(lines) + b"\r\n" + body


def get(target=b"/livez", *lines, host=HOST, version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + host + b"".join(lines) + b"\r\n"


# (claim, bytes, statuses allowed; () also allows a close without an answer). None of these may leave the connection
# open, and what follows them must never be answered.
REFUSED = [
    ("CL and TE", post(LENGTH, TE, body=CHUNKS), (400,)),
    ("TE and CL", post(TE, LENGTH, body=CHUNKS), (400,)),
    ("CL 0 and TE, body in chunks", post(b"Content-Length: 0\r\n", TE, body=CHUNKS), (400,)),
    ("two equal CL", post(LENGTH, LENGTH), (400,)),
    ("two different CL", post(LENGTH, b"Content-Length: 3\r\n"), (400,)),
    ("two CL, the first too short", post(b"Content-Length: 3\r\n", LENGTH), (400,)),
    ("a blank before the colon of CL", post(b"Content-Length : %d\r\n" % len(BODY)), (400,)),
    ("a tab before the colon of CL", post(b"Content-Length\t: %d\r\n" % len(BODY)), (400,)),
    ("a blank before the colon of TE", post(b"Transfer-Encoding : chunked\r\n", body=CHUNKS), (400,)),
    ("a blank before the colon of any field", get(b"/livez", b"X : y\r\n"), (400,)),
    ("CL folded to the next line", post(b"Content-Length:\r\n %d\r\n" % len(BODY)), (400,)),
    ("TE folded to the next line", post(b"Transfer-Encoding:\r\n chunked\r\n", body=CHUNKS), (400, 501)),
    ("TE xchunked", post(b"Transfer-Encoding: xchunked\r\n", body=CHUNKS), (400, 501)),
    ("TE gzip, chunked", post(b"Transfer-Encoding: gzip, chunked\r\n", body=CHUNKS), (400, 501)),
    ("TE identity", post(b"Transfer-Encoding: identity\r\n"), (400, 501)),
    ("TE chunked, identity", post(b"Transfer-Encoding: chunked, identity\r\n", body=CHUNKS), (400, 501)),
    ("TE chunked twice", post(TE, TE, body=CHUNKS), (400, 501)),
    ("TE chunked and TE identity", post(TE, b"Transfer-Encoding: identity\r\n", body=CHUNKS), (400, 501)),
    ("TE with a vertical tab", post(b"Transfer-Encoding: \x0bchunked\r\n", body=CHUNKS), (400, 501)),
    ("TE in quotes", post(b'Transfer-Encoding: "chunked"\r\n', body=CHUNKS), (400, 501)),
    ("TE with a parameter", post(b"Transfer-Encoding: chunked;q=1\r\n", body=CHUNKS), (400, 501)),
    ("an empty TE", post(b"Transfer-Encoding:\r\n", body=CHUNKS), (400, 501)),
    ("TE in HTTP/1.0", post(TE, body=CHUNKS, version=b"HTTP/1.0"), (400,)),
    ("Content-Lengthy", post(b"Content-Lengthy: %d\r\n" % len(BODY)), (400, 411)),
    ("Transfer-Encodings", post(b"Transfer-Encodings: chunked\r\n", body=CHUNKS), (400, 411)),
    ("CL +n", post(b"Content-Length: +%d\r\n" % len(BODY)), (400, 413)),
    ("CL -1", post(b"Content-Length: -1\r\n"), (400, 413)),
    ("CL in hexadecimal", post(b"Content-Length: 0x18\r\n"), (400, 413)),
    ("CL of a word", post(b"Content-Length: abc\r\n"), (400, 413)),
    ("an empty CL", post(b"Content-Length:\r\n"), (400, 413)),
    ("a CL list", post(b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY))), (400, 413)),
    ("CL with an inner blank", post(b"Content-Length: 2 4\r\n"), (400, 413)),
    ("CL 2^63", post(b"Content-Length: 9223372036854775808\r\n"), (400, 413)),
    ("CL 2^64 - 1", post(b"Content-Length: 18446744073709551615\r\n"), (400, 413)),
    ("CL 2^64", post(b"Content-Length: 18446744073709551616\r\n"), (400, 413)),
    ("CL 2^64 + n", post(b"Content-Length: %d\r\n" % (2 ** 64 + len(BODY))), (400, 413)),
    ("no Host", get(host=b""), (400,)),
    ("two Host", get(host=HOST + HOST), (400,)),
    ("two different Host", get(host=HOST + b"Host: other\r\n"), (400,)),
    ("a folded Host", get(host=b"Host:\r\n 127.0.0.1\r\n"), (400,)),
    ("a Host that is no host", get(host=b"Host: a b\r\n"), (400,)),
    ("a Host with a path", get(host=b"Host: a/b\r\n"), (400,)),
    ("a Host with userinfo", get(host=b"Host: a@b\r\n"), (400,)),
    ("HTTP/1.2", get(version=b"HTTP/1.2"), (400, 505)),
    ("HTTP/2.0", get(version=b"HTTP/2.0"), (400, 505)),
    ("HTTP/0.9", get(version=b"HTTP/0.9"), (400, 505)),
    ("http/1.1 in lower case", get(version=b"http/1.1"), (400, 505)),
    ("HTTP/1.10", get(version=b"HTTP/1.10"), (400, 505)),
    ("no version", b"GET /livez\r\n" + HOST + b"\r\n", (400, 505, ())),
    ("an unknown method", get(method=b"FETCH"), (501,)),
    ("a method in lower case", get(method=b"get"), (501,)),
    ("a method with a control byte", get(method=b"GE\x01T"), (400, 501, ())),
    ("a method with a bracket", get(method=b"GE[T"), (400, 501, ())),
    ("CONNECT", get(b"127.0.0.1:80", method=b"CONNECT"), (400, 404, 405, 501)),
    ("a bare CR in a value", get(b"/livez", b"X: a\rb\r\n"), (400,)),
    ("a bare CR before a smuggled length", post(b"X: a\rContent-Length: %d\r\n" % len(BODY)), (400, 411)),
    ("a control byte in a value", get(b"/livez", b"X: a\x01b\r\n"), (400,)),
    ("DEL in a value", get(b"/livez", b"X: a\x7fb\r\n"), (400,)),
    ("a blank in a field name", get(b"/livez", b"X Y: a\r\n"), (400,)),
    ("a field name in brackets", get(b"/livez", b"X[1]: a\r\n"), (400,)),
    ("a field without a colon", get(b"/livez", b"X\r\n"), (400,)),
    ("a blank in the target", get(b"/li vez"), (400, 404, 505, ())),
    ("%00 in the path", get(b"/livez%00x"), (400, 404)),
    ("%2 cut in the path", get(b"/livez%2"), (400, 404)),
    ("a path of 300 KB", get(b"/" + b"a" * 300000), (400, 404, 414, ())),
    ("a field of 300 KB", get(b"/livez", b"X: " + b"a" * 300000 + b"\r\n"), (400, 413, 431, ())),
    ("3,000 fields", get(b"/livez", *[b"X%d: a\r\n" % i for i in range(3000)]), (400, 413, 431, ())),
    ("a chunk size that is no number", post(TE, body=b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"), (400, ())),
    ("a chunk size of 2^64", post(TE, body=b"10000000000000000\r\n" + BODY + b"\r\n0\r\n\r\n"), (400, 413, ())),
    ("a negative chunk size", post(TE, body=b"-18\r\n" + BODY + b"\r\n0\r\n\r\n"), (400, ())),
    ("a chunk longer than its size", post(TE, body=b"2\r\n" + BODY + b"\r\n0\r\n\r\n"), (400, ())),
    ("no CR LF behind a chunk", post(TE, body=b"%x\r\n" % len(BODY) + BODY + b"XX0\r\n\r\n"), (400, ())),
    ("an unknown expectation", post(LENGTH, b"Expect: 200-maybe\r\n"), (417,)),
    ("TLS spoken to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n", (400, ())),
]

# Refused too, but not before libmicrohttpd 1.0: 0.9.75 hides them from the service (SECURITY.md).
REFUSED_SINCE_1 = [
    ("a head whose lines end in LF", get(b"/livez", b"X: y\r\n").replace(b"\r\n", b"\n"), (400,)),
    ("a line of a head that ends in LF", get(b"/livez", b"X: y\n"), (400,)),
    ("CL cut by a NUL", post(b"Content-Length: %d\0009\r\n" % len(BODY)), (400,)),
    ("a value with a NUL", get(b"/livez", b"X: a\0b\r\n"), (400,)),
    ("a field with an empty name", get(b"/livez", b"X: y\r\n", b": z\r\n"), (400,)),
    ("a line that begins with a NUL", get(b"/livez", b"X: y\r\n", b"\0: z\r\n"), (400,)),
]

# What a careful server takes, each answered rightly and the connection kept.
TAKEN = [
    ("chunks", post(TE, body=CHUNKS)),
    ("one chunk a byte", post(TE, body=chunked([BODY[i:i + 1] for i in range(len(BODY))]))),
    ("chunk sizes in capitals with zeros in front", post(TE, body=b"000%X\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n")),
    ("Chunked in capitals", post(b"Transfer-Encoding: Chunked\r\n", body=CHUNKS)),
    ("field names in capitals", post(b"CONTENT-LENGTH: %d\r\n" % len(BODY))),
    ("no blank behind the colon", post(b"Content-Length:%d\r\n" % len(BODY))),
    ("a tab behind the colon", post(b"Content-Length:\t%d\r\n" % len(BODY))),
    ("an empty value", post(LENGTH, b"X-Empty:\r\n")),
    ("bytes above 127 in a value", post(LENGTH, b"X: caf\xc3\xa9 \xff\r\n")),
    ("a Host with a port", post(LENGTH, host=b"Host: localhost:8080\r\n")),
    ("a Host of IPv6", post(LENGTH, host=b"Host: [::1]:8080\r\n")),
    ("a query string", post(LENGTH).replace(b"/self ", b"/self?a=b&c=%20 ")),
    ("the absolute form", post(LENGTH).replace(b"/v1", b"http://127.0.0.1/v1", 1)),
    ("an escaped path", post(LENGTH).replace(b"/self ", b"/%73elf ")),
    ("an empty line in front", b"\r\n" + post(LENGTH)),
    ("zeros in front of CL", post(b"Content-Length: 000%d\r\n" % len(BODY))),
    ("Expect: 100-continue with the body at once", post(LENGTH, b"Expect: 100-continue\r\n")),
]


def responses_of(server, data, seconds=4):
    """Everything that comes back until the server closes; (statuses, closed, raw)."""
    with server.connect(timeout=seconds) as connection:
        try:
            connection.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent; what was answered is still to be read
        raw = b""
        closed = False
        deadline = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < deadline:
            try:
                data = connection.socket.recv(65536)
            except ConnectionResetError:
                closed = True
                break
            except TimeoutError:
                break
            if not data:
                closed = True
                break
            raw += data
    return raw, closed


def refused(server, data, statuses):
    raw, closed = responses_of(server, data + SMUGGLED)
    expect(b"smuggled" not in raw, f"the bytes behind the request were answered: {excerpt(raw)!r}")
    expect(closed, f"the connection stayed open after {excerpt(raw)!r}")
    if not raw:
        expect(() in statuses, "closed without an answer")
        return
    status = int(raw[9:12])
    expect(status in statuses, f"status {status}, not {statuses}: {excerpt(raw, 600)}")
    # 0.9.75 writes the head of its own answer to a malformed length twice, but answers no second request.
    answers = len(re.findall(rb"HTTP/1\.1 [1-5][0-9][0-9] ", raw))
    expect(answers == 1 or b"Content-Length:" in data and server.library() < (1,),
           f"answered {answers} times: {excerpt(raw, 900)}")
    is_small_answer(server.request("POST", SELF, SMALL))


def taken(server, data):
    with server.connect() as connection:
        connection.send(data)
        response = is_small_answer(connection.read())
        if not response.closes:
            is_small_answer(connection.post(SELF, SMALL))


def split_everywhere(server, data):
    """The same request in two pieces, cut at every offset."""
    with server.connect() as connection:
        for cut in range(1, len(data)):
            connection.send(data[:cut])
            if cut % 16 == 0:
                time.sleep(0.002)  # let the first piece be seen alone
            connection.send(data[cut:])
            try:
                response = connection.read()
                is_small_answer(response)
            except Failure as error:
                raise Failure(f"cut at {cut}, {data[:cut]!r}: {error}") from None
            if response.closes:
                connection.close()
                connection.__init__(server.port)


def byte_by_byte(server, data):
    with server.connect() as connection:
        for place in range(len(data)):
            connection.send(data[place:place + 1])
            time.sleep(0.0005)
        is_small_answer(connection.read())


def pipelined(server, count):
    """One segment of `count` requests; the answers tell which request each belongs to."""
    with server.connect(timeout=60) as connection:
        data = b"".join(message("POST", SELF, {"inputs": [[1]], "tokens": [f"number {i}"]}) for i in range(count))
        connection.send(data)
        for i in range(count):
            response = connection.read()
            expect(response.status == 200 and response.json()["tokens"] == [f"number {i}"], f"answer {i}: {response!r}")


def pipelined_mixed(server):
    """Good, wrong, large and GET in one segment: every answer in its place."""
    large = {"inputs": [[0.01 * i, 1] for i in range(600)]}
    with server.connect(timeout=60) as connection:
        connection.send(b"".join([message("POST", SELF, large), message("POST", SELF, SMALL), message("POST", SELF, b"{"),
                                  message("GET", "/livez"), message("POST", SELF, {"inputs": 1}),
                                  message("HEAD", "/livez"), message("POST", SELF, large), message("POST", SELF, SMALL)]))
        first = connection.read()
        expect(first.status == 200 and first.json()["shape"]["weights"] == [600, 600], f"{first!r}")
        is_small_answer(connection.read())
        problem(connection.read(), 400, "invalid_json")
        expect(connection.read("GET").status == 200, "livez")
        problem(connection.read(), 422)
        expect(connection.read("HEAD").body == b"", "HEAD")
        expect(connection.read().body == first.body, "the large answer once more")
        is_small_answer(connection.read())


def keep_alive(server):
    with server.connect() as connection:
        for round_number in range(50):
            is_small_answer(connection.post(SELF, SMALL))
            problem(connection.post(SELF, b"{"), 400, "invalid_json")
            problem(connection.post(SELF, {"inputs": "x"}), 422, "wrong_type")
            expect(connection.get("/livez").status == 200, "livez")


def connection_close(server):
    with server.connect() as connection:
        connection.send(message("POST", SELF, SMALL, [("Connection", "close")]))
        response = is_small_answer(connection.read())
        expect(response.closes and connection.is_closed(), "the connection stays open")
    with server.connect() as connection:
        connection.send(post(LENGTH, version=b"HTTP/1.0"))
        is_small_answer(connection.read())
        expect(connection.is_closed(), "HTTP/1.0 stays open")


def continue_first(server):
    """The 100 comes before the body is sent, and not for a body that is refused."""
    with server.connect() as connection:
        connection.send(post(LENGTH, b"Expect: 100-continue\r\n", body=b""))
        expect(connection.read_any().status == 100, "no 100")
        connection.send(BODY)
        is_small_answer(connection.read())
    with Server("--max-body-bytes", 100) as small, small.connect() as connection:
        connection.send(post(b"Content-Length: 101\r\n", b"Expect: 100-continue\r\n", body=b""))
        problem(connection.read_any(), 413, "body_too_large")
    with server.connect() as connection:
        connection.send(post(LENGTH, b"Expect: 100-continue\r\n", body=b"").replace(b"/self", b"/nothing"))
        problem(connection.read_any(), 404, "not_found")


def head(server):
    with server.connect() as connection:
        for path in ("/livez", "/readyz", "/", "/v1/attention", "/problems/overflow"):
            full = connection.get(path)
            response = connection.request("HEAD", path)
            expect(response.status == full.status == 200 and response.body == b"", f"{path}: {response!r}")
            expect(response.field("Content-Length") == str(len(full.body)), f"{path}: {response.fields}")
            expect(response.field("Content-Type") == full.field("Content-Type"), f"{path}: {response.fields}")
        is_small_answer(connection.post(SELF, SMALL))


def options(server):
    for path, names in ((SELF, {"POST", "OPTIONS"}), ("/livez", {"GET", "HEAD", "OPTIONS"}),
                        ("/v1/attention", {"GET", "HEAD", "POST", "OPTIONS"})):
        response = server.request("OPTIONS", path)
        expect(response.status in (200, 204), f"{path}: {response!r}")
        allow = {name.strip() for name in (response.field("Allow") or "").split(",")}
        expect(allow == names, f"{path}: Allow: {allow}")
        expect(response.field("Access-Control-Allow-Origin") is None, "CORS is not configured")
    expect(server.request("OPTIONS", "*").status in (200, 204), "OPTIONS *")


def early_413(server):
    """By its length: refused at once, read to the end although the client goes on sending."""
    data = b'{"inputs": "' + b"x" * 3_000_000 + b'"}'
    for _ in range(10):
        with server.connect() as connection:
            try:
                connection.send(message("POST", SELF, data))
            except (BrokenPipeError, ConnectionResetError):
                pass
            members = problem(connection.read(), 413, "body_too_large")
            expect("1000000" in members["detail"] + members.get("expected", "") or "1,000,000" in members["detail"]
                   or "976" in members["detail"], f"{members}")


def late_413(server, counts):
    """In chunks: found out under way, still answered to a client that sends all before it reads."""
    piece = b"x" * 50_000
    for count in counts:
        with server.connect() as connection:
            connection.send(post(TE, body=b""))
            try:
                for _ in range(count):
                    connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                connection.send(b"0\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            problem(connection.read(), 413, "body_too_large")


def half_closed(server):
    """A client that closes its sending side after the request still gets the answer."""
    for body, path in ((SMALL, SELF), ({"inputs": [[0.01 * i, 1] for i in range(400)]}, SELF)):
        with server.connect() as connection:
            connection.send(message("POST", path, body))
            connection.socket.shutdown(1)
            try:
                response = connection.read()
            except Closed as error:
                raise Failure(f"no answer after a half-close: {error}") from None
            expect(response.status == 200 and response.json()["dtype"] == "float32", f"{response!r}")


def standard_fields(server):
    """What every answer carries."""
    for response in (server.request("POST", SELF, SMALL), server.request("POST", SELF, b"{"),
                     server.request("GET", "/nothing"), server.request("GET", "/livez")):
        expect(response.field("Date"), f"no Date: {response.fields}")
        expect(response.field("X-Content-Type-Options") == "nosniff", f"{response.fields}")
        expect(response.field("Content-Length") == str(len(response.body)), f"{response.fields}")


def problems_are_json(server):
    """Refusals of the head are problems too, where it is the service that refuses: from 1.0 on the library refuses some
    of them itself, in HTML."""
    cases = [(get(method=b"FETCH"), 501), (post(body=b""), 411), (get(host=HOST + HOST), 400),
             (get(b"/livez", b"X: a\x01b\r\n"), 400)]
    if server.library() < (1,):
        cases += [(post(LENGTH, TE, body=CHUNKS), 400), (get(host=b""), 400),
                  (post(b"Transfer-Encoding: xchunked\r\n", body=CHUNKS), 501)]
    for data, status in cases:
        with server.connect() as connection:
            connection.send(data)
            members = problem(connection.read(), status)
            page = server.request("GET", "/problems/" + members["code"])
            expect(page.status == 200, f"/problems/{members['code']}: {page!r}")


def main():
    claims = Claims()
    with Server() as server:
        for claim, data, statuses in REFUSED:
            claims.check(f"refused, and nothing behind it answered: {claim}", refused, server, data, statuses)
        for claim, data, statuses in REFUSED_SINCE_1 if server.library() >= (1,) else []:
            claims.check(f"refused since 1.0, and nothing behind it answered: {claim}", refused, server, data, statuses)
        for claim, data in TAKEN:
            claims.check(f"taken: {claim}", taken, server, data)
        claims.check("refusals of the head are problems with pages", problems_are_json, server)
        claims.check("a request cut in two at every offset", split_everywhere, server, message("POST", SELF, SMALL))
        claims.check("a request in chunks cut in two at every offset", split_everywhere, server,
                     post(TE, body=chunked([BODY[:5], BODY[5:]])))
        claims.check("a request byte by byte", byte_by_byte, server, message("POST", SELF, SMALL))
        claims.check("100 pipelined requests in one segment, answered in order", pipelined, server, 100)
        claims.check("2,000 pipelined requests, answered in order", pipelined, server, 2000)
        claims.check("pipelined good, wrong, large and GET requests, each in its place", pipelined_mixed, server)
        claims.check("the connection stays usable after 400 and 422", keep_alive, server)
        claims.check("Connection: close and HTTP/1.0 close", connection_close, server)
        claims.check("100-continue before the body, none before a refusal", continue_first, server)
        claims.check("HEAD: GET's fields without its body", head, server)
        claims.check("OPTIONS: Allow, and no CORS unless configured", options, server)
        claims.check("a half-closed client still gets its answer", half_closed, server)
        claims.check("Date, nosniff and Content-Length on every answer", standard_fields, server)
        claims.check("the server stops cleanly", server.stop)
    with Server("--max-body-bytes", 1000000) as server:
        claims.check("413 by length is readable by a client that sends on", early_413, server)
        claims.check("413 in chunks is readable by a client that sends on", late_413, server, (21, 30))
        claims.check("413 in chunks, far over the limit, is readable too", late_413, server, (60, 400))
        claims.check("and the server goes on", lambda: is_small_answer(server.request("POST", SELF, SMALL)))
    claims.finish()


if __name__ == "__main__":
    main()
