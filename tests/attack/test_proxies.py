#!/usr/bin/env python3
"""Behind a real nginx and a real HAProxy that keep their connections to the server: clients that leave, half-close and
stall leave nothing behind, the others are answered, and the end is quick."""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from attnd_attack import FULL, SELF, SMALL, back_to, held, is_whole, streamed

from attnd_client import Claims, Closed, Connection, Server, expect, free_port, is_small_answer, message, wait_until

COUNT = 480 if FULL else 120
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_max_body_size 0; proxy_request_buffering off; proxy_buffering {buffering};
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream attnd {{ server 127.0.0.1:{server}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://attnd; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost; }}
    }}
}}
"""
HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend attnd
backend attnd
    http-reuse always
    server attnd 127.0.0.1:{server} pool-max-conn 16
"""


class Proxy:
    def __init__(self, program, text, server, **values):
        self.folder = tempfile.TemporaryDirectory(prefix="attnd-proxy-")
        self.port = free_port()
        file = pathlib.Path(self.folder.name) / "configuration"
        file.write_text(text.format(folder=self.folder.name, port=self.port, server=server.port, **values))
        command = {"nginx": ["-p", self.folder.name, "-c", str(file)], "haproxy": ["-f", str(file)]}[program]
        self.process = subprocess.Popen([shutil.which(program), *command], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        if not wait_until(self.listens, 10):
            self.process.kill()
            expect(False, lambda: f"{program} does not listen: {self.process.stderr.read().decode()}")

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def connect(self, timeout=30):
        return Connection(self.port, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        self.folder.cleanup()


def leave(proxy, number):
    """In a body, in the work, and mostly in the answer, after a few bytes or by a time limit as curl -m has it."""
    request = message("POST", SELF, streamed() if number % 4 else held(700))
    connection = proxy.connect()
    kind = number % 7
    if kind == 0:
        connection.send(request[:len(request) // 2])
    else:
        connection.send(request)
        until = time.monotonic() + 0.002 * (number % 12)
        if kind > 1:
            connection.socket.recv(1)
        while kind > 3 and time.monotonic() < until and connection.socket.recv(4096):
            pass
    connection.reset() if number % 3 else connection.close()


def leaving(proxy):
    """Some leave; meanwhile the others are answered, over the proxy's own connections."""
    failures = []

    def others():
        try:
            with proxy.connect() as connection:
                while not ending.is_set():
                    is_small_answer(connection.post(SELF, SMALL))
                    is_whole(connection.post(SELF, streamed(500)), 500, "streamed")
        except (AssertionError, OSError) as failure:
            failures.append(failure)
    ending = threading.Event()
    threads = [threading.Thread(target=others) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(COUNT):
        leave(proxy, number)
    ending.set()
    for thread in threads:
        thread.join()
    expect(not failures, lambda: f"{len(failures)} of 4 others failed: {failures[0]}")


def half_closing(proxy):
    """HAProxy passes the answer on to a client that has closed its sending side (nginx takes it for gone)."""
    for number in range(COUNT // 8):
        make, rows, framing = ((held, 500, "held"), (streamed, 700, "streamed"))[number % 2]
        with proxy.connect() as connection:
            connection.send(message("POST", SELF, make(rows)))
            connection.socket.shutdown(socket.SHUT_WR)
            is_whole(connection.read(), rows, framing)


def stalling(proxy):
    """Bodies that stop: the server's own deadline ends them."""
    request = message("POST", SELF, held(3000))
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(proxy.connect()) for _ in range(8)]
        for connection in connections:
            connection.send(request[:20000])
        for connection in connections:
            with contextlib.suppress(Closed):
                response = connection.read()
                expect(response.status in (400, 408, 502), lambda: f"answered {response!r}")


def ends_at_once(server):
    started = time.monotonic()
    server.stop()
    expect(time.monotonic() - started < 10, f"SIGTERM took {time.monotonic() - started:.1f} s")


def main():
    missing = [program for program in ("nginx", "haproxy") if not shutil.which(program)]
    if missing:
        print(f"skipped: {' and '.join(missing)} not found")
        sys.exit(77)
    claims = Claims()
    for label, program, text, values in (("nginx", "nginx", NGINX, {"buffering": "on"}),
                                         ("nginx without buffers", "nginx", NGINX, {"buffering": "off"}),
                                         ("HAProxy", "haproxy", HAPROXY, {})):
        with Server("--body-timeout-ms", 2000) as server:
            server.request("POST", SELF, streamed())
            time.sleep(0.2)
            base = server.descriptors()
            with Proxy(program, text, server, **values) as proxy:
                claims.check(f"{label}: some leave, the others are answered", leaving, proxy)
                if program == "haproxy":
                    claims.check(f"{label}: half-closed clients get their answers", half_closing, proxy)
                claims.check(f"{label}: bodies that stop are ended", stalling, proxy)
                claims.check(f"{label}: nothing but its kept connections stays", back_to, server, base + 16 + 16)
            claims.check(f"{label}: nothing stays behind it", back_to, server, base)
            claims.check(f"{label}: the server stops at once", ends_at_once, server)
    claims.finish()


if __name__ == "__main__":
    main()
