#!/usr/bin/env python3
"""One budget for the memory of all requests: when bodies and answers of many have taken it, large requests get 503 with
Retry-After, small ones and the probes go on, resident memory stays near the budget, and afterwards it goes back."""

import threading
import time

from attnd_attack import FULL, Kept
from attnd_client import PATIENCE, SELF, SMALL, Claims, Server, expect, is_small_answer, message, problem, wait_until

MIB = 1 << 20
BUDGET = 128 * MIB
SANITIZED = PATIENCE > 1  # then freed memory is kept aside, to find who still uses it
ROOM = (400 if SANITIZED else 48) * 1024  # KiB beside the budget: the program, OpenBLAS, connections, malloc's own


def head(length):
    return (f"POST {SELF} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def goes_on(server):
    """Small requests and probes on new connections."""
    for _ in range(20):
        with server.connect() as connection:
            expect(connection.get("/livez").status == 200, "/livez is not 200")
            expect(connection.get("/readyz").status == 200, "/readyz is not 200")
            is_small_answer(connection.post(SELF, SMALL))


def bodies_that_arrive(server, count, size):
    """Many bodies come at once and stop before their end."""
    before = server.status("VmRSS")
    opened = [server.connect() for _ in range(count)]
    try:
        senders = []
        for connection in opened:
            def send(connection=connection):
                try:
                    connection.send(head(size) + b'{"inputs":[[' + b"1," * ((size - 200) // 2))
                except OSError:
                    pass
            senders.append(threading.Thread(target=send))
            senders[-1].start()
        for sender in senders:
            sender.join()
        time.sleep(0.5)
        grown = server.status("VmRSS") - before
        expect(grown * 1024 < BUDGET + ROOM * 1024, f"{grown} KiB of bodies are held, the budget is {BUDGET >> 10}")
        expect(grown * 1024 > BUDGET // 4, f"only {grown} KiB are held: the bodies did not arrive")
        goes_on(server)
        refused = server.request("POST", SELF, b'{"inputs":[[' + b"1," * (40 * MIB // 2) + b"1]]}")
        expect(problem(refused, 503, "server_full") and int(refused.field("Retry-After")) > 0, f"{refused!r}")
    finally:
        for connection in opened:
            connection.close()


def answers_that_are_held(server, count):
    """Answers that must be whole before they are sent; nobody reads them."""
    body = {"query": [[1.0]] * 1500, "context": [[1.0]] * 1500, "normalize": "sum", "return": ["weights"]}
    opened = [server.connect() for _ in range(count)]
    statuses = []
    try:
        for connection in opened:
            connection.send(message("POST", "/v1/attention", body))
        goes_on(server)
        for connection in opened:
            response = connection.read()
            statuses.append(response.status)
            if response.status != 200:
                expect(problem(response, 503, "server_full") and int(response.field("Retry-After")) > 0,
                       f"{response!r}")
    finally:
        for connection in opened:
            connection.close()
    expect(200 in statuses, f"none got its answer: {statuses}")
    peak = server.status("VmHWM")
    expect(peak * 1024 < BUDGET + 2 * ROOM * 1024, f"the peak is {peak} KiB, the budget {BUDGET >> 10}")


def goes_back(server, idle):
    """Within some seconds of the burst resident memory is near what it was."""
    returned = SANITIZED or wait_until(lambda: server.status("VmRSS") < idle + 24 * 1024, 10, 0.2)
    expect(returned, lambda: f"{server.status('VmRSS')} KiB are resident, {idle} before")


def more_than_all(server):
    """What could never be had is refused for good: nobody shall try it again."""
    with server.connect() as connection:
        connection.send(head(120 * MIB) + b'{"inputs":[[')
        refused = connection.read()
    problem(refused, 413, "memory_limit")


def over_its_own_limit():
    """A request over --max-request-memory, by a list of tokens and by numbers, is a 413 that names the limit."""
    with Server("--max-request-memory", "1MiB") as server, Kept(server):
        for body in ({"tokens": ["a"] * 9000, "embeddings": {"a": [1] * 60}}, {"inputs": [[0.5] * 50] * 3000}):
            refused = server.request("POST", "/v1/attention", body)
            detail = problem(refused, 413, "memory_limit")["detail"]
            expect("1048576 bytes" in detail, detail)
            expect(refused.field("Retry-After") is None, "there is no use in sending it again")


claims = Claims()
with Server("--max-memory", BUDGET, "--max-body-bytes", "1GiB", "--max-waiting", 200) as server, Kept(server) as kept:
    idle = server.status("VmRSS")
    for turn in range(3 if FULL else 1):
        claims.check(f"bodies that arrive stay within the budget, turn {turn}", bodies_that_arrive, server, 40, 8 * MIB)
        claims.check("their memory goes back", goes_back, server, idle)
        claims.check("answers that are held stay within it", answers_that_are_held, server, 60 if FULL else 24)
        claims.check("their memory goes back", goes_back, server, idle)
        claims.check("the kept connections are as they were", kept.ask)
    claims.check("a body larger than all memory", more_than_all, server)
claims.check("a request over its own limit", over_its_own_limit)
claims.finish()
