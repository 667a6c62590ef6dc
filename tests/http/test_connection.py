#!/usr/bin/env python3
"""Clients that are slow, vanish or are too many: each is dealt with in time, nothing leaks, and the others do not feel it."""

import base64
import contextlib
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "attack"))

from attnd_attack import Kept  # noqa: E402
from attnd_client import (SELF, SMALL, Claims, Closed, Connection, Failure, PATIENCE, Server, as_bytes, expect,
                          is_small_answer, message, problem, wait_until)

BODY = as_bytes(SMALL)
HEAD = b"POST " + SELF.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(BODY)
SHORT = ("--header-timeout-ms", 1000, "--body-timeout-ms", 1000, "--answer-timeout-ms", 1000, "--idle-timeout-ms", 1500)


def large(rows, features=4, returns=("weights",)):
    """A self-attention request with rows × rows weights, small to send."""
    numbers = random.Random(rows)
    data = struct.pack(f"<{rows * features}f", *[numbers.uniform(-1, 1) for _ in range(rows * features)])
    return as_bytes({"inputs": {"shape": [rows, features], "dtype": "float32", "b64": base64.b64encode(data).decode()},
                     "return": list(returns)})


def cut_in_time(server, begin, drip, seconds, pause=0.1):
    """Sends `begin`, then `drip` byte by byte; the server must end it about when its deadline says."""
    with server.connect() as connection:
        started = time.monotonic()
        connection.send(begin)
        connection.socket.settimeout(pause * PATIENCE)
        received = b""
        place = 0
        while True:
            try:
                data = connection.socket.recv(65536)
                if not data:
                    break
                received += data
            except TimeoutError:
                pass
            except ConnectionResetError:
                break
            took = time.monotonic() - started
            expect(took < (seconds + 2) * PATIENCE, f"not cut after {took:.1f} s; the limit is {seconds} s")
            if drip and not received:
                try:
                    connection.send(drip[place % len(drip):place % len(drip) + 1])
                    place += 1
                except (BrokenPipeError, ConnectionResetError):
                    pass
        took = time.monotonic() - started
        expect(took > seconds * 0.7, f"cut after {took:.2f} s already; the limit is {seconds} s")
        if received:
            expect(received.startswith(b"HTTP/1.1 408 "), f"answered {received[:200]!r}")
            expect(b"application/problem+json" in received, f"answered {received[:400]!r}")
    is_small_answer(server.request("POST", SELF, SMALL))


def many_slow(server, base):
    """100 slow heads and bodies at once; the good clients' requests stay fast."""
    slow = []
    for number in range(100):
        connection = server.connect()
        connection.send((HEAD[:40] if number % 2 else HEAD + BODY[:3]))
        slow.append(connection)
    slowest = 0.0
    for _ in range(50):
        started = time.monotonic()
        is_small_answer(server.request("POST", SELF, SMALL))
        slowest = max(slowest, time.monotonic() - started)
    expect(slowest < 0.5 * PATIENCE, f"a good request took {slowest:.2f} s")
    for connection in slow:
        connection.close()
    back_to(server, base)


def back_to(server, base, seconds=8):
    """Open descriptors return to where they began."""
    wait_until(lambda: server.descriptors() <= base, seconds)
    expect(server.descriptors() <= base, f"{server.descriptors()} descriptors open, {base} at the start")


def slow_reader(server, base):
    """A client that takes nothing of a large answer is cut; meanwhile small requests are answered fast."""
    connection = Connection(server.port, receive_buffer=8192)
    connection.send(message("POST", SELF, large(2000)))
    started = time.monotonic()
    slowest = 0.0
    while time.monotonic() - started < 0.8 * PATIENCE:
        before = time.monotonic()
        is_small_answer(server.request("POST", SELF, SMALL))
        slowest = max(slowest, time.monotonic() - before)
    expect(slowest < 0.5 * PATIENCE, f"a small request took {slowest:.2f} s beside the slow reader")
    back_to(server, base + 1)
    wait_until(lambda: server.descriptors() <= base, 6)
    took = time.monotonic() - started
    expect(server.descriptors() <= base, f"the slow reader still has its descriptor after {took:.1f} s")
    connection.socket.settimeout(5 * PATIENCE)
    try:
        connection.read()
    except (Closed, ConnectionResetError):
        return
    finally:
        connection.close()
    raise Failure("the slow reader was given its whole answer")


def steady_reader(server):
    """A client slower than the deadline for the whole answer, but above the minimum rate, gets all of it."""
    with Connection(server.port, receive_buffer=65536) as connection:
        connection.send(message("POST", SELF, large(1000)))
        started = time.monotonic()
        while time.monotonic() - started < 3 * PATIENCE:
            connection.buffer += connection.socket.recv(16384)
            time.sleep(0.05)
        response = connection.read()
        expect(response.status == 200 and response.json()["shape"]["weights"] == [1000, 1000], f"{response!r}")


def cut_body(server, by_reset):
    """Clients that stop in the middle of a body."""
    base = server.descriptors()
    for number in range(60):
        connection = server.connect()
        data = HEAD + BODY
        connection.send(data[:(number * 7) % (len(data) - 1) + 1])
        connection.reset() if by_reset else connection.close()
        if number % 10 == 0:
            is_small_answer(server.request("POST", SELF, SMALL))
    back_to(server, base)
    is_small_answer(server.request("POST", SELF, SMALL))


def cut_heads(server):
    base = server.descriptors()
    for number in range(60):
        with server.connect() as connection:
            connection.send(HEAD[:number + 1])
    back_to(server, base)
    is_small_answer(server.request("POST", SELF, SMALL))


def cut_body_half_closed(server):
    """FIN glued to an incomplete body: ended by the body's deadline at the latest."""
    with server.connect() as connection:
        connection.send(HEAD + BODY[:5])
        connection.socket.shutdown(1)
        started = time.monotonic()
        rest = connection.read_to_end()
        took = time.monotonic() - started
        expect(took < 3 * PATIENCE, f"ended after {took:.1f} s")
        expect(not rest or rest[9:12] in (b"400", b"408"), f"answered {rest[:200]!r}")
    is_small_answer(server.request("POST", SELF, SMALL))


def vanish_while_streaming(server, by_reset):
    base = server.descriptors()
    body = large(1500)
    for number in range(30):
        connection = server.connect()
        connection.send(message("POST", SELF, body))
        wanted = 1 + number * 20000
        while wanted > 0:
            wanted -= len(connection.socket.recv(65536))
        connection.reset() if by_reset else connection.close()
        if number % 10 == 0:
            is_small_answer(server.request("POST", SELF, SMALL))
    back_to(server, base)
    is_small_answer(server.request("POST", SELF, SMALL))


def vanish_while_computing(server, by_reset):
    base = server.descriptors()
    body = large(1500, returns=["output"])
    for number in range(30):
        connection = server.connect()
        connection.send(message("POST", SELF, body))
        time.sleep(0.001 * (number % 10))
        connection.reset() if by_reset else connection.close()
    back_to(server, base)
    is_small_answer(server.request("POST", SELF, SMALL))


def processor_time(server):
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def work_is_dropped(server):
    """Once the client of a long job is gone, the job stops using the processors."""
    connection = server.connect()
    connection.send(message("POST", SELF, large(8000, 16, ["weights"])))
    time.sleep(0.5)
    connection.reset()

    def quiet():
        before = processor_time(server)
        time.sleep(0.3)
        return processor_time(server) - before <= 3
    expect(wait_until(quiet, 6), "the processors still work for a client that is gone")


def at_connection_limit():
    with Server("--max-connections", 5) as server:
        held = [server.connect() for _ in range(5)]
        for connection in held:
            is_small_answer(connection.post(SELF, SMALL))
        for _ in range(3):
            with server.connect() as extra:
                try:
                    extra.send(message("POST", SELF, SMALL))
                except (BrokenPipeError, ConnectionResetError):
                    pass
                response = extra.read()
                problem(response, 503, "server_full")
                expect((response.field("Retry-After") or "").isdigit(), f"Retry-After: {response.fields}")
                expect(response.closes, "a refused connection stays open")
        for connection in held:
            is_small_answer(connection.post(SELF, SMALL))
        held.pop().close()
        expect(wait_until(lambda: answers(server), 3), "a freed place is not given away")
        for connection in held:
            connection.close()


def answers(server):
    try:
        return server.request("POST", SELF, SMALL).status == 200
    except Failure:
        return False


def at_waiting_limit():
    """One large request that is computed fills the only place; the next large one is refused, small ones are not. Once
    its answer is sent, and waits for its reader, the place is free."""
    with Server("--max-waiting", 1, "--threads", 1) as server:
        working = server.connect(60)
        working.send(message("POST", SELF, large(4000, returns=["weights"]).replace(b"{", b'{"normalize":"sum",', 1)))
        time.sleep(0.1 * PATIENCE)
        body = large(1500)
        with server.connect() as connection:
            response = connection.post(SELF, body)
            problem(response, 503, "server_full")
            expect((response.field("Retry-After") or "").isdigit(), f"Retry-After: {response.fields}")
            started = time.monotonic()
            is_small_answer(server.request("POST", SELF, SMALL))
            expect(time.monotonic() - started < PATIENCE, "a small request waited")
        expect(wait_until(lambda: server.request("POST", SELF, body).status == 200, 20), "a freed place is not given")
        stuck = Connection(server.port, receive_buffer=8192)
        stuck.send(message("POST", SELF, body))
        stuck.socket.recv(1)
        expect(wait_until(lambda: server.request("POST", SELF, body).status == 200, 5), "a slow reader has the place")
        stuck.close()
        working.close()


def no_starving(server):
    """Small requests beside four clients with large ones: all right, none waits long."""
    body = large(1200)
    stop = threading.Event()
    failures = []

    def heavy():
        try:
            with server.connect(timeout=60) as connection:
                while not stop.is_set():
                    expect(connection.post(SELF, body).status == 200, "a large answer")
        except (Failure, OSError) as error:
            failures.append(error)
    threads = [threading.Thread(target=heavy) for _ in range(4)]
    for thread in threads:
        thread.start()
    took = []
    with server.connect() as connection:
        for _ in range(100):
            started = time.monotonic()
            is_small_answer(connection.post(SELF, SMALL))
            took.append(time.monotonic() - started)
    stop.set()
    for thread in threads:
        thread.join()
    expect(not failures, f"{failures[:1]}")
    took.sort()
    expect(took[89] < 0.5 * PATIENCE, f"one small request in ten took over {took[89]:.3f} s")


def vanishing(claims, server, beside):
    server.request("POST", SELF, large(1000))
    time.sleep(0.2)
    for claim, function, *by_reset in (
            ("bodies cut off by FIN are noticed long before their deadline", cut_body, False),
            ("heads cut off by FIN are noticed long before their deadline", cut_heads),
            ("a body cut off by a half-close is ended", cut_body_half_closed),
            ("vanished while streaming (FIN): nothing leaks", vanish_while_streaming, False),
            ("vanished while streaming (RST): nothing leaks", vanish_while_streaming, True),
            ("vanished while computing (FIN): nothing leaks", vanish_while_computing, False),
            ("vanished while computing (RST): nothing leaks", vanish_while_computing, True),
            ("the work of a vanished client is dropped", work_is_dropped),
            ("small requests do not wait behind large ones", no_starving)):
        claims.check(claim + beside, function, server, *by_reset)
    claims.check("the server stops cleanly after them" + beside, server.stop)


def main():
    claims = Claims()
    with Server(*SHORT) as server:
        is_small_answer(server.request("POST", SELF, SMALL))
        server.request("POST", SELF, large(1000))  # whatever is opened once is open now
        time.sleep(0.2)
        base = server.descriptors()
        claims.check("a head that drips is cut at the head's deadline", cut_in_time, server, HEAD[:45], b"X", 1.0)
        claims.check("a head that stops is cut at the head's deadline", cut_in_time, server, HEAD[:45], b"", 1.0)
        claims.check("a body that drips is cut at the body's deadline", cut_in_time, server, HEAD, b" ", 1.0)
        claims.check("a body that stops is cut at the body's deadline", cut_in_time, server, HEAD + BODY[:4], b"", 1.0)
        claims.check("a body in chunks that drips is cut", cut_in_time, server,
                     HEAD.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked") + b"1000\r\n",
                     b" ", 1.0)
        claims.check("a silent connection is closed after the idle time", cut_in_time, server, b"", b"", 1.0)
        claims.check("an idle connection is closed after the idle time", cut_idle, server)
        claims.check("100 slow clients do not slow the others", many_slow, server, base)
        claims.check("a reader that takes nothing is cut, small requests stay fast", slow_reader, server, base)
        claims.check("a slow but steady reader gets everything", steady_reader, server)
        claims.check("a body cut off by FIN: nothing leaks, the next is right", cut_body, server, False)
        claims.check("a body cut off by RST: nothing leaks, the next is right", cut_body, server, True)
        claims.check("a body cut off by a half-close is ended", cut_body_half_closed, server)
        claims.check("the server stops cleanly", server.stop)
    with Server(*SHORT[:-1], 60000) as server, Kept(server):
        chunked = HEAD.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked") + b"1000\r\n"
        server.request("POST", SELF, large(1000))
        time.sleep(0.2)
        base = server.descriptors()
        for claim, begin, drip in (("a head that drips", HEAD[:45], b"X"), ("a head that stops", HEAD[:30], b""),
                                   ("a body that drips", HEAD, b" "), ("a body that stops", HEAD + BODY[:4], b""),
                                   ("a body in chunks that drips", chunked, b" ")):
            claims.check(f"{claim} is cut beside kept connections", cut_in_time, server, begin, drip, 1.0)
        claims.check("a reader that takes nothing is cut beside kept connections", slow_reader, server, base)
        claims.check("a steady reader gets everything beside kept connections", steady_reader, server)
    for beside in ("", " beside kept connections"):
        with Server() as server, Kept(server) if beside else contextlib.nullcontext():
            vanishing(claims, server, beside)
    claims.check("at --max-connections: 503 with Retry-After, the others go on", at_connection_limit)
    claims.check("at --max-waiting: 503 with Retry-After for large ones only", at_waiting_limit)
    claims.finish()


def cut_idle(server):
    with server.connect() as connection:
        is_small_answer(connection.post(SELF, SMALL))
        started = time.monotonic()
        expect(connection.is_closed(5), "not closed within 5 s")
        took = time.monotonic() - started
        expect(took > 1.0, f"closed after {took:.2f} s already, idle time is 1.5 s")


if __name__ == "__main__":
    main()
