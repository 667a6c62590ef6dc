#!/usr/bin/env python3
"""The process: settings, health, log lines, and how it ends."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time

from attnd_client import (SELF, SMALL, Claims, Closed, Connection, Failure, PATIENCE, Server, binary, excerpt, expect,
                          free_port, is_small_answer, message, wait_until)
from test_connection import large


def run_once(*flags, env=None, seconds=20):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTND_") and name != "PORT"}
    return subprocess.run([binary(), *map(str, flags)], env=environment | (env or {}), capture_output=True, text=True,
                          timeout=seconds * PATIENCE, stdin=subprocess.DEVNULL, check=False)


def bad_flags():
    for flags, words in ((("--prot", "80"), ("--prot",)), (("--port", "80a"), ("--port", "80a", "65535")),
                         (("--port", "65536"), ("65536", "65535")), (("--port", "-1"), ("--port", "-1")),
                         (("--port",), ("--port",)), (("--threads", "many"), ("--threads", "many")),
                         (("--log-format", "xml"), ("xml", "logfmt", "json")), (("--max-depth", "2"), ("2", "4")),
                         (("surplus",), ("surplus",)), (("--port=",), ("--port",)),
                         (("--max-body-bytes", "1XB"), ("1XB",)),
                         (("--max-body-bytes", "99999999999999999999"), ("99999999999999999999",))):
        ended = run_once(*flags)
        expect(ended.returncode == 2, f"{flags}: exit {ended.returncode}, {ended.stderr}")
        expect(len(ended.stderr.strip().splitlines()) == 1, f"{flags}: not one line: {ended.stderr}")
        for word in words:
            expect(word in ended.stderr, f"{flags}: {word} is not named: {ended.stderr}")
        expect(ended.stdout == "", f"{flags}: stdout {ended.stdout}")


def bad_environment():
    for env, words in (({"ATTND_PORT": "x"}, ("ATTND_PORT", "x")), ({"PORT": "x"}, ("PORT", "x")),
                       ({"ATTND_THREADS": "-2"}, ("ATTND_THREADS", "-2"))):
        ended = run_once(env=env)
        expect(ended.returncode == 2, f"{env}: exit {ended.returncode}, {ended.stderr}")
        for word in words:
            expect(word in ended.stderr, f"{env}: {word} is not named: {ended.stderr}")


def first_line(server):
    """It names what is loaded: a report of a fault needs no more."""
    line = next(line for line in server.log_lines() if "listening on" in line)
    for library in (r"version=\d+\.\d+\.\d+", r"libmicrohttpd=\d+\.\d+\.\d+", r"jansson=\d+\.\d+",
                    r'blas="OpenBLAS \d+\.\d+\.\d+ [^"]+"'):
        expect(re.search(f" {library}", line), f"no {library}: {line}")


def port_in_use(server):
    ended = run_once("--port", server.port)
    expect(ended.returncode not in (0, None) and ended.returncode > 0, f"exit {ended.returncode}")
    expect(str(server.port) in ended.stderr, f"the port is not named: {ended.stderr}")
    expect(len(ended.stderr.strip().splitlines()) <= 2, f"more than a line: {ended.stderr}")


def bad_host():
    ended = run_once("--port", 0, "--host", "999.1.1.1")
    expect(ended.returncode > 0 and "999.1.1.1" in ended.stderr, f"exit {ended.returncode}: {ended.stderr}")


def ports_from_environment():
    for env in ("ATTND_PORT", "PORT"):
        port = free_port()
        with Server(env={env: str(port)}, port_flag=False) as server:
            expect(server.port == port, f"{env}={port}, listening on {server.port}")
            is_small_answer(server.request("POST", SELF, SMALL))
    port = free_port()
    with Server(env={"ATTND_PORT": str(port), "PORT": "1"}, port_flag=False) as server:
        expect(server.port == port, "ATTND_PORT wins over PORT")
    with Server("--port", port, env={"ATTND_PORT": "1"}, port_flag=False) as server:
        expect(server.port == port, "the flag wins over ATTND_PORT")


def port_of_kubernetes():
    """A Service named attnd puts its address into ATTND_PORT of every pod beside it."""
    port = free_port()
    pod = {"ATTND_PORT": "tcp://10.96.0.5:8080", "ATTND_SERVICE_HOST": "10.96.0.5", "ATTND_SERVICE_PORT": "8080",
           "ATTND_PORT_8080_TCP": "tcp://10.96.0.5:8080", "ATTND_PORT_8080_TCP_PORT": "8080"}
    with Server(env=pod | {"PORT": str(port)}, port_flag=False) as server:
        expect(server.port == port, f"listening on {server.port}")
        warnings = [line for line in server.log_lines() if "level=warn" in line]
        expect(len(warnings) == 1 and "tcp://10.96.0.5:8080" in warnings[0] and "Kubernetes" in warnings[0],
               f"{warnings}")


def unknown_names():
    with Server(env={"ATTND_PROT": "9", "ATTND_THREAD": "1"}) as server:
        warnings = [line for line in server.log_lines() if "level=warn" in line]
        expect(len(warnings) == 2 and "ATTND_PROT" in "".join(warnings) and "ATTND_THREAD" in "".join(warnings),
               f"{warnings}")


def bad_origins():
    for value, words in (("https://a/", "'https://a'"), ("a.example", "'http://a.example'"),
                         ("HTTP://A.example:80", "'http://a.example'"), ("*,http://a", "alone"), (" ", "no origin"),
                         ("https://*.example.org", "http://localhost:*"), ("http://a\r\nX-A: b", "scheme://host")):
        for ended in (run_once("--cors-origin", value), run_once(env={"ATTND_CORS_ORIGIN": value})):
            expect(ended.returncode == 2, f"{value!r}: exit {ended.returncode}, {ended.stderr}")
            expect(words in ended.stderr and len(ended.stderr.strip().splitlines()) == 1, f"{value!r}: {ended.stderr!r}")


def little_memory():
    """OpenBLAS would ask for memory for ever: a limit that is too low is told instead. 0.3.29 (Debian 13) asks for some
    before main() is reached: under what it takes, no program that is linked with it ever begins."""
    with Server() as server:
        version = re.search(r"OpenBLAS (\d+)\.(\d+)\.(\d+)", server.log_text()).groups()
    early = tuple(map(int, version)) > (0, 3, 21)
    for which, name in ((resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d")):
        for mib in (200, 300, 400) if early else (60, 100, 200, 300, 400):
            ended = subprocess.run([binary(), "--port", "0"], capture_output=True, text=True, timeout=20 * PATIENCE,
                                   stdin=subprocess.DEVNULL, check=False,
                                   preexec_fn=lambda: resource.setrlimit(which, (mib << 20, mib << 20)))
            expect(ended.returncode == 1, f"{name} of {mib} MiB: exit {ended.returncode}, {ended.stderr}")
            expect(name in ended.stderr and f"{mib} MiB" in ended.stderr, f"{mib} MiB: {ended.stderr}")


def enough_memory():
    """What the sentence asks for is enough: products of many requests at once are answered, and it ends."""
    body = {"inputs": [[0.5] * 64] * 400, "projections": {"init": "torch.nn.Linear", "features": 64}, "seed": 1,
            "return": ["output"]}
    ended = subprocess.run([binary(), "--port", "0", "--threads", "2"], capture_output=True, text=True, check=False,
                           timeout=20 * PATIENCE, stdin=subprocess.DEVNULL,
                           preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20)))
    kib = int(re.search("ulimit -v to ([0-9]+)", ended.stderr).group(1))
    with limited(resource.RLIMIT_AS, kib << 10), Server("--threads", 2) as server:
        statuses = []
        clients = [threading.Thread(target=lambda: statuses.append(server.request("POST", SELF, body).status))
                   for _ in range(12)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        expect(len(statuses) == 12 and set(statuses) <= {200, 503} and 200 in statuses, f"{statuses}")


@contextlib.contextmanager
def limited(which, size):
    """This process's children inherit the limit."""
    before = resource.getrlimit(which)
    resource.setrlimit(which, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


def closed_streams():
    """Descriptors 0 to 2 that are closed are /dev/null, so no socket of the server gets a log line."""
    for closed in ((0, 1, 2), (2,), (0, 2), (1,)):
        port = free_port()
        process = subprocess.Popen([binary(), "--port", str(port)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=lambda: [os.close(number) for number in closed])
        try:
            with wait_until(lambda: connection_to(port), 10) as connection:
                is_small_answer(connection.post(SELF, SMALL))
            for number in closed:
                expect(os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null", f"{closed}: {number}")
            process.terminate()
            expect(process.wait(20 * PATIENCE) == 0, f"exit {process.returncode}")
        finally:
            process.kill()
            process.wait()


def connection_to(port):
    try:
        return Connection(port)
    except OSError:
        return None


def signals_of_threads(server):
    """Every thread has the ending signals blocked but the one that waits for them, and there is none of OpenBLAS's."""
    ending = sum(1 << number - 1 for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    open_to_them = []
    for thread in os.listdir(f"/proc/{server.pid}/task"):
        with open(f"/proc/{server.pid}/task/{thread}/status", encoding="ascii") as status:
            blocked = int(re.search("SigBlk:\t([0-9a-f]+)", status.read()).group(1), 16)
        if blocked & ending != ending:
            open_to_them.append(int(thread))
    expect(open_to_them in ([], [server.pid]), f"{open_to_them} of {server.pid}")
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        allowed = re.search("Cpus_allowed_list:\t(.*)", status.read()).group(1)
    with open("/proc/self/status", encoding="ascii") as status:
        expect(re.search("Cpus_allowed_list:\t(.*)", status.read()).group(1) == allowed, f"processors {allowed}")


def brackets():
    if not os.path.exists("/proc/net/if_inet6"):
        return
    ended = run_once("--healthcheck", "--host", "[::1]", "--port", free_port())
    expect(ended.returncode == 1 and "refused" in ended.stderr and "[" not in ended.stderr, f"{ended}")


def help_lists_settings():
    ended = run_once("--help")
    expect(ended.returncode == 0 and ended.stderr == "", f"exit {ended.returncode}: {ended.stderr}")
    flags = set(re.findall(r"--[a-z][a-z-]+", ended.stdout))
    for flag in ("--host", "--port", "--threads", "--cors-origin", "--max-body-bytes", "--max-depth", "--max-elements",
                 "--max-work", "--max-answer-bytes", "--max-connections", "--max-waiting", "--log-format",
                 "--healthcheck", "--version", "--help"):
        expect(flag in flags, f"{flag} is not in --help")
    for flag in flags - {"--healthcheck", "--version", "--help", "--setting"}:
        name = "ATTND_" + flag[2:].replace("-", "_").upper()
        expect(name in ended.stdout, f"{name} is not in --help")


def version():
    ended = run_once("--version")
    expect(ended.returncode == 0 and re.search(r"[0-9]+\.[0-9]+\.[0-9]+", ended.stdout), f"{ended}")


def healthcheck(server):
    ended = run_once("--healthcheck", "--port", server.port)
    expect(ended.returncode == 0, f"exit {ended.returncode}: {ended.stderr}")
    ended = run_once("--healthcheck", env={"ATTND_PORT": str(server.port)})
    expect(ended.returncode == 0, f"by environment: exit {ended.returncode}: {ended.stderr}")
    ended = run_once("--healthcheck", "--port", free_port())
    expect(ended.returncode == 1 and ended.stderr.strip(), f"nobody there: exit {ended.returncode}: {ended.stderr}")


def healthcheck_of_silence():
    """Something listens and never answers: the check ends by itself."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ended = run_once("--healthcheck", "--port", silent.getsockname()[1], seconds=15)
        expect(ended.returncode == 1, f"exit {ended.returncode}: {ended.stderr}")


def health_routes(server):
    for path in ("/livez", "/readyz"):
        response = server.request("GET", path)
        expect(response.status == 200 and response.body, f"{path}: {response!r}")


def exchanges(server):
    """A known number of exchanges of every kind; returns how many."""
    count = 0
    with server.connect() as connection:
        for body in (SMALL, b"{", {"inputs": 1}, {"inputs": [[0.123456789, 1]], "tokens": ["SECRETWORD"]}):
            connection.post(SELF, body)
            count += 1
        connection.post(SELF, large(600))
        connection.get("/livez")  # well, so it is not logged
        connection.request("HEAD", "/")
        connection.get("/nothing?secret=SECRETWORD")
        connection.request("PUT", SELF, SMALL)
        count += 4
    server.request("GET", "/caf%C3%A9%0a%22x")
    count += 1
    with server.connect() as connection:
        connection.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
        connection.read()
        count += 1
    return count


def log_lines(log_format):
    with Server("--log-format", log_format) as server:
        count = exchanges(server)
        wait_until(lambda: len(request_lines(server, log_format)) >= count, 3)
        server.stop()
        lines = request_lines(server, log_format)
        text = server.log_text()
        expect(len(lines) == count, f"{len(lines)} lines for {count} exchanges:\n{text}")
        for secret in ("SECRETWORD", "0.123456789", "[["):
            expect(secret not in text, f"{secret} is in the log: {excerpt(text, 3000)}")
        if log_format == "json":
            for line in server.log_lines():
                expect(isinstance(json.loads(line), dict), f"not an object: {line}")
            statuses = sorted(json.loads(line)["status"] for line in lines)
        else:
            pair = r'[a-z_]+=(?:"(?:[^"\\\x00-\x1f]|\\.)*"|[^\s"=]*)'
            for line in server.log_lines():
                expect(re.fullmatch(rf"{pair}(?: {pair})*", line), f"not logfmt: {line}")
            statuses = sorted(int(re.search(r" status=([0-9]+)", line).group(1)) for line in lines)
        expect(statuses == sorted([200, 400, 422, 200, 200, 200, 404, statuses_of_odd_path(statuses), 405, 400]),
               f"statuses {statuses}")


def statuses_of_odd_path(statuses):
    """A path with an escaped line feed is refused as 400 or not found: either is right."""
    return 400 if statuses.count(400) == 3 else 404


def request_lines(server, log_format):
    mark = '"status":' if log_format == "json" else " status="
    return [line for line in server.log_lines() if mark in line]


def log_reader_gone():
    """A log that nobody reads any more does not stop the service."""
    read_end, write_end = os.pipe()
    process = subprocess.Popen([binary(), "--port", "0"], stderr=write_end, stdout=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]})
    os.close(write_end)
    try:
        text = b""
        while b"listening on" not in text or not text.endswith(b"\n"):
            text += os.read(read_end, 4096)
        port = int(re.search(rb"127\.0\.0\.1:([0-9]+)", text).group(1))
        with Connection(port) as connection:
            for _ in range(1000):  # fills the pipe
                is_small_answer(connection.post(SELF, SMALL))
            os.close(read_end)
            read_end = None
            for _ in range(100):
                is_small_answer(connection.post(SELF, SMALL))
        process.terminate()
        expect(process.wait(20 * PATIENCE) == 0, f"exit {process.returncode}")
    finally:
        if read_end is not None:
            os.close(read_end)
        process.kill()
        process.wait()


def idle_stop():
    """Idle connections do not hold up the end."""
    with Server() as server:
        held = [server.connect() for _ in range(5)]
        for connection in held[:3]:
            is_small_answer(connection.post(SELF, SMALL))
        started = time.monotonic()
        server.stop()
        expect(time.monotonic() - started < 3 * PATIENCE, f"took {time.monotonic() - started:.1f} s")
        for connection in held:
            connection.close()


def drain(rounds):
    """SIGTERM while large answers are under way: every one of them complete, exit 0."""
    body = large(1200)
    with Server() as server:
        right = server.request("POST", SELF, body).body
    for round_number in range(rounds):
        with Server() as server:
            results = []

            def client():
                try:
                    with server.connect(timeout=60) as connection:
                        connection.send(message("POST", SELF, body))
                        first = connection.socket.recv(1000)
                        connection.buffer = first
                        under_way.release()
                        time.sleep(0.2)
                        results.append(connection.read().body == right)
                except (Failure, OSError) as error:
                    results.append(error)
                    under_way.release()
            under_way = threading.Semaphore(0)
            clients = [threading.Thread(target=client) for _ in range(6)]
            for thread in clients:
                thread.start()
            for _ in clients:
                expect(under_way.acquire(timeout=30 * PATIENCE), "no answer began")
            server.signal()
            for thread in clients:
                thread.join(60 * PATIENCE)
            code = server.wait()
            expect(results == [True] * len(clients), f"round {round_number}: {results}")
            expect(code == 0, f"round {round_number}: exit {code}")


def drain_of_computation():
    """SIGTERM while nothing of the answer has been sent yet: it is still answered, with Connection: close."""
    with Server() as server, server.connect(timeout=60) as connection:
        connection.send(message("POST", SELF, large(3000, 64, ["output"])))
        time.sleep(0.05)
        server.signal()
        response = connection.read()
        expect(response.status in (200, 503), f"{response!r}")
        if response.status == 200:
            expect(response.json()["shape"]["output"] == [3000, 64], "the answer")
        expect(server.wait() == 0, "exit code")


def drain_delay():
    """For the length of the delay /readyz says 503 and all else goes on; then nobody is let in."""
    with Server("--drain-delay-ms", 1500) as server, server.connect() as connection:
        expect(connection.get("/readyz").status == 200, "ready before")
        server.signal()
        expect(wait_until(lambda: server.request("GET", "/readyz").status == 503, 1), "readyz is not 503")
        expect(server.request("GET", "/livez").status == 200, "livez while draining")
        is_small_answer(server.request("POST", SELF, SMALL))
        expect(run_once("--healthcheck", "--port", server.port).returncode == 1, "healthcheck while draining")
        expect(server.wait(10) == 0, "exit code")
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
        except OSError:
            return
        raise Failure("the port still takes connections")


def drain_deadline():
    """A client that never reads cannot hold up the end beyond the drain's deadline."""
    with Server("--drain-timeout-ms", 700) as server:
        stuck = Connection(server.port, receive_buffer=8192)
        stuck.send(message("POST", SELF, large(2000)))
        time.sleep(0.3 * PATIENCE)
        started = time.monotonic()
        server.signal()
        code = server.wait(10)
        took = time.monotonic() - started
        expect(code == 0, f"exit {code}")
        expect(0.4 < took < 3 * PATIENCE, f"took {took:.1f} s")
        stuck.close()


def second_signal():
    """A second SIGTERM ends the drain at once."""
    with Server("--drain-timeout-ms", 60000) as server:
        stuck = Connection(server.port, receive_buffer=8192)
        stuck.send(message("POST", SELF, large(2000)))
        time.sleep(0.3 * PATIENCE)
        server.signal()
        time.sleep(0.3 * PATIENCE)
        expect(server.is_running(), "ended although an answer is under way")
        started = time.monotonic()
        server.signal()
        server.wait(10)
        server.stopped = True  # with a code that tells of a second signal
        expect(time.monotonic() - started < 3 * PATIENCE, f"took {time.monotonic() - started:.1f} s")
        stuck.close()


def interrupt():
    for number in (signal.SIGINT, signal.SIGHUP):
        with Server() as server:
            is_small_answer(server.request("POST", SELF, SMALL))
            server.signal(number)
            expect(server.wait() == 0, f"exit code after {number!r}")


def signals_that_do_nothing():
    with Server() as server:
        for number in (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
            server.process.send_signal(number)
            time.sleep(0.1)
            expect(server.is_running(), f"{number!r} ended the server")
            is_small_answer(server.request("POST", SELF, SMALL))


def early_signal():
    """SIGTERM at any moment of the start: ends with 0, or by the signal before the handlers are there; never hangs."""
    for pause in (0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1):
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen([binary(), "--port", "0"], stderr=log, stdout=log, stdin=subprocess.DEVNULL)
            time.sleep(pause)
            process.terminate()
            try:
                code = process.wait(10 * PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise Failure(f"hangs after SIGTERM {pause} s into its start") from None
            expect(code in (0, -signal.SIGTERM), f"exit {code} after {pause} s")


def few_descriptors():
    """With few descriptors the server lowers its own limit or refuses with 503; it goes on when they are freed."""
    with Server() as server:
        open_now = server.descriptors()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_now + 4, open_now + 4))
        held = []
        for _ in range(30):
            try:
                held.append(server.connect(timeout=1))
            except OSError:
                break
        time.sleep(0.5)
        before = processor(server)
        time.sleep(1)
        expect(processor(server) - before < 30, "busy loop at the end of descriptors")
        for connection in held:
            connection.close()
        expect(wait_until(lambda: answers(server), 6), "no answer after descriptors were freed")


def processor(server):
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def answers(server):
    try:
        return server.request("POST", SELF, SMALL).status == 200
    except (Failure, Closed, OSError):
        return False


def main():
    claims = Claims()
    claims.check("a bad flag is one line that names it, exit 2", bad_flags)
    claims.check("a bad environment value is named, exit 2", bad_environment)
    claims.check("a host that is none is named", bad_host)
    claims.check("ATTND_PORT and PORT, and which wins", ports_from_environment)
    claims.check("Kubernetes's ATTND_PORT=tcp://... is passed over, with a warning", port_of_kubernetes)
    claims.check("an ATTND_ name that is none is told", unknown_names)
    claims.check("an origin that never matches is refused with what would", bad_origins)
    if not os.environ.get("ATTND_SANITIZE"):
        claims.check("too low a limit on address space or data is told", little_memory)
        claims.check("and the one it asks for is enough", enough_memory)
    claims.check("descriptors 0 to 2 are never a socket", closed_streams)
    claims.check("--host takes [::1]", brackets)
    claims.check("--help lists every setting with its environment name", help_lists_settings)
    claims.check("--version", version)
    with Server() as server:
        claims.check("the first line names the libraries' versions", first_line, server)
        claims.check("a port in use is one line that names it", port_in_use, server)
        claims.check("no thread takes signals but the one that waits", signals_of_threads, server)
        claims.check("/livez and /readyz", health_routes, server)
        claims.check("--healthcheck: 0 when ready, 1 when nobody is there", healthcheck, server)
    claims.check("--healthcheck of something silent ends by itself", healthcheck_of_silence)
    claims.check("logfmt: one line an exchange, no tensors, no tokens", log_lines, "logfmt")
    claims.check("json: one line an exchange, each valid JSON, no tensors, no tokens", log_lines, "json")
    claims.check("a log that nobody reads does not stop the service", log_reader_gone)
    claims.check("idle connections do not hold up the end", idle_stop)
    claims.check("SIGTERM: every answer under way is completed, exit 0 (5 rounds of 6)", drain, 5)
    claims.check("SIGTERM while computing: answered, exit 0", drain_of_computation)
    claims.check("SIGTERM with --drain-delay-ms: /readyz 503, all else goes on, then closed", drain_delay)
    claims.check("the drain has a deadline", drain_deadline)
    claims.check("a second SIGTERM ends at once", second_signal)
    claims.check("SIGINT and SIGHUP drain too", interrupt)
    claims.check("SIGPIPE, SIGUSR1, SIGUSR2 and SIGWINCH do not end the server", signals_that_do_nothing)
    claims.check("SIGTERM during the start", early_signal)
    claims.check("out of descriptors: no busy loop, and it recovers", few_descriptors)
    claims.finish()


if __name__ == "__main__":
    main()
