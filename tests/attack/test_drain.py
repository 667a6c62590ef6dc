#!/usr/bin/env python3
"""SIGTERM: requests that were there before it are answered, and the end comes in time, whatever is under way."""

import contextlib
import ctypes
import json
import os
import signal
import time

from attnd_attack import FULL, SELF, SMALL, Kept, held, is_whole

from attnd_client import PATIENCE, Claims, Closed, Server, expect, is_small_answer, message, problem, wait_until

ROUNDS = 60 if FULL else 6
CLIENTS = 24
libc = ctypes.CDLL(None, use_errno=True)
TGKILL = {"x86_64": 234, "aarch64": 131}[os.uname().machine]
SEIZE, INTERRUPT, DETACH, ALL_THREADS = 0x4206, 0x4207, 17, 0x40000000


def threads(server):
    return [int(name) for name in os.listdir(f"/proc/{server.pid}/task")]


def sent_before(connect_first):
    """Requests lie in the sockets of open connections, or in the backlog, when the signal comes. The server stands still
    meanwhile, so that it sees all at once."""
    lost = []
    request = message("POST", SELF, SMALL)
    for _ in range(ROUNDS):
        with Server() as server, contextlib.ExitStack() as stack:
            connections = []
            if connect_first:
                connections = [stack.enter_context(server.connect()) for _ in range(CLIENTS)]
                for connection in connections:
                    is_small_answer(connection.post(SELF, SMALL))
            os.kill(server.pid, signal.SIGSTOP)
            if not connect_first:
                connections = [stack.enter_context(server.connect()) for _ in range(CLIENTS)]
            for connection in connections:
                connection.send(request)
            server.signal()
            os.kill(server.pid, signal.SIGCONT)
            for connection in connections:
                try:
                    is_small_answer(connection.read())
                except AssertionError as failure:
                    lost.append(failure)
            expect(server.wait() == 0, "exit status")
    expect(not lost, lambda: f"{len(lost)} of {ROUNDS * CLIENTS} were lost: {lost[0]}")


def sent_about_then():
    """Requests one behind the other while the signal comes: each is answered, or comes behind an answer that said that
    the connection closes, or behind the signal."""
    lost = []
    for number in range(ROUNDS):
        with Server() as server, contextlib.ExitStack() as stack:
            connections = [stack.enter_context(server.connect()) for _ in range(6)]
            for connection in connections:
                connection.send(message("POST", SELF, SMALL) * 3)
            time.sleep(0.0005 * number)
            server.signal()
            for connection in connections:
                closes = False
                try:
                    for _ in range(3):
                        response = connection.read()
                        is_small_answer(response)
                        closes = response.closes
                        if closes:
                            break
                except Closed as failure:
                    lost.append(failure)
            expect(server.wait() == 0, "exit status")
    expect(not lost, lambda: f"{len(lost)} connections were closed without a word: {lost[0]}")


def under_way():
    """Large answers under way at the signal are completed, beside connections that stay open."""
    with Server() as server, Kept(server), contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect(60)) for _ in range(6)]
        for connection in connections:
            connection.send(message("POST", SELF, held(900)))
        time.sleep(0.1)
        server.signal()
        for connection in connections:
            is_whole(connection.read(), 900, "held")
        expect(server.wait() == 0, "exit status")


def long_steps():
    """Looking for rows without keys, where all rows are alike and where each of many items must be looked at anew, and
    large parts, are left at the deadline."""
    rows, items, side = 150000, 600, 3000
    alike = {"padding": [True] * (rows - 1) + [False]}
    bodies = [json.dumps({"inputs": {"shape": [rows, 1], "data": [1] * rows}, "mask": alike, "return": ["output"]}),
              # 5·10⁹ looks, which take seconds
              f'{{"inputs":{{"shape":[{items},{side},1],"data":[{"0," * (items * side - 1)}0]}},"return":["output"],'
              f'"mask":{{"lengths":[{f"{side}," * (items - 1)}{side}],"attend":{{"shape":[{side},{side}],'
              f'"data":[{"0," * (side * side - 1)}0]}}}}}}',
              held(6000)]
    for body in bodies:
        with Server("--drain-timeout-ms", 200, "--max-answer-bytes", "1TiB") as server, server.connect(60) as connection:
            connection.send(message("POST", SELF, body))
            time.sleep(1)
            started = time.monotonic()
            server.signal()
            code = server.wait(30)
            took = time.monotonic() - started
            # Under a sanitizer one part may take longer than the grace.
            expect(code == 0 or (code == 3 and PATIENCE > 1), lambda: f"exit status {code}: {server.log_text()[-300:]}")
            server.stopped = code == 3
            expect(took < 4 * PATIENCE, f"SIGTERM took {took:.1f} s; the drain has 0.2 s")


def worker(server):
    """The one thread that has been made less urgent."""
    for thread in threads(server):
        with open(f"/proc/{server.pid}/task/{thread}/stat", encoding="ascii") as file:
            if file.read().rsplit(")", 1)[1].split()[16] == "10":
                return thread
    return None


@contextlib.contextmanager
def standing(thread):
    """A thread that is held by a debugger. It must be let go, or waited for, before its process can end."""
    expect(libc.ptrace(SEIZE, thread, 0, 0) == 0, lambda: f"ptrace: {os.strerror(ctypes.get_errno())}")
    libc.ptrace(INTERRUPT, thread, 0, 0)
    os.waitpid(thread, ALL_THREADS)
    ended = []

    def has_ended():
        if not ended:
            with contextlib.suppress(ChildProcessError):
                ended.extend([thread] if os.waitpid(thread, ALL_THREADS | os.WNOHANG)[0] == thread else [])
        return bool(ended)
    try:
        yield has_ended
    finally:
        if not has_ended():
            libc.ptrace(DETACH, thread, 0, 0)


def stuck_step():
    """A step that never ends, as its thread stands still: the client is told, and the process ends with 3."""
    with Server("--drain-timeout-ms", 300, "--threads", 1) as server, server.connect(20) as connection:
        connection.send(message("POST", SELF, held(5000)))
        time.sleep(0.1)
        thread = worker(server)
        expect(thread, "there is no worker")
        with standing(thread) as has_ended:
            started = time.monotonic()
            server.signal()
            problem(connection.read(), 503, "draining")
            expect(wait_until(has_ended, 20), "it does not end")
            code = server.wait()
            took = time.monotonic() - started
        expect(code == 3, lambda: f"exit status {code}, not 3: {server.log_text()[-300:]}")
        expect("does not stop" in server.log_text(), "the log says nothing")
        expect(took < 6 * PATIENCE, f"the end took {took:.1f} s")
        server.stopped = True


def takes_signals(server, thread):
    with open(f"/proc/{server.pid}/task/{thread}/status", encoding="ascii") as status:
        blocked = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk:"))
    return not blocked & 1 << (signal.SIGTERM - 1)


def any_thread():
    """The signal ends the server in order whichever thread it is delivered to: OpenBLAS has some that do not block it."""
    with Server() as first:
        places = [place for place, thread in enumerate(sorted(threads(first))) if takes_signals(first, thread)]
    for place in places:
        with Server() as server:
            thread = sorted(threads(server))[place]
            expect(takes_signals(server, thread), "the threads come in another order")
            server._leave()
            libc.syscall(TGKILL, server.pid, thread, signal.SIGTERM)
            code = server.wait()
            expect(code == 0, f"exit status {code} when thread {place} was told")


def main():
    claims = Claims()
    claims.check("requests in the backlog at the signal are answered", sent_before, False)
    claims.check("requests in open connections at the signal are answered", sent_before, True)
    claims.check("requests about the time of the signal are answered or told to come again", sent_about_then)
    claims.check("answers under way are completed", under_way)
    claims.check("long steps end at the deadline", long_steps)
    if os.nice(0) < 10:
        claims.check("a step that never ends: 503, exit status 3", stuck_step)
    else:
        print("skipped: a step that never ends: under nice all threads are as little urgent as the worker that it looks for")
    claims.check("every thread hands the signal on", any_thread)
    claims.finish()


if __name__ == "__main__":
    main()
