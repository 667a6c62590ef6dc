"""The servers under measurement: started on a free port of 127.0.0.1, asked until ready, watched through /proc, ended
by their process ids."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
TICKS = os.sysconf("SC_CLK_TCK")
READY_LIMIT_S = 60

# Settings of OpenBLAS and OpenMP would decide what is measured; every server runs without them.
DROPPED = sorted(name for name in os.environ if name.startswith(("OPENBLAS_", "GOTO_", "OMP_", "MKL_", "ATTND_")) and
                 name != "ATTND_BENCH_BUILD" or name == "PORT")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in DROPPED}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_ready(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


class Server:
    """A running server; `name` is what the tables call it."""

    def __init__(self, name, command, log, environment=None, poll_s=0.001):
        self.name = name
        self.port = free_port()
        self.command = [str(self.port if word == "PORT" else word) for word in command]
        with open(log, "ab") as stream:
            begin = time.monotonic()
            # A process group, not a session: Linux shares out processors by session (autogroup), so that a client and a
            # server in two of them would get halves of the machine, whatever each needs, and wait for their turn.
            self.process = subprocess.Popen(self.command, cwd=BENCH, env={**ENVIRONMENT, **(environment or {})},
                                            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                                            process_group=0)
        while not is_ready(self.port):
            if self.process.poll() is not None or time.monotonic() - begin > READY_LIMIT_S:
                self.stop()
                raise RuntimeError(f"{name} did not get ready: {' '.join(self.command)}; its log is {log}")
            time.sleep(poll_s)
        self.ready_s = time.monotonic() - begin

    def pids(self):
        """The server's process and all below it."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in os.listdir(f"/proc/{pid}/task"):
                    found += map(int, pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        return found

    def cpu_s(self):
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory_bytes(self, field):
        """VmRSS or VmHWM (the peak), summed over the server's processes."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith(field + ":"):
                        total += int(line.split()[1]) * 1024
        return total

    def settle(self):
        """Waits until the server is at rest: worker processes go on importing after the first one is ready."""
        limit, before = time.monotonic() + READY_LIMIT_S, -1.0
        while (now := self.cpu_s()) != before and time.monotonic() < limit:
            before = now
            time.sleep(0.3)
        return self

    def stop(self):
        pids = self.pids()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids[1:]:
            with contextlib.suppress(OSError):
                if os.getpgid(pid) == self.process.pid:
                    os.kill(pid, 9)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()


class Servers:
    """How each server is started; `shown` are the command lines for the report."""

    def __init__(self, build, threads=2):
        self.build = pathlib.Path(build).resolve()
        self.threads = threads
        self.log = self.build / "servers.log"
        self.log.write_bytes(b"")
        self.shown = {}

    def start(self, name, command, environment=None, variant="", **options):
        shown = [f"{key}={value}" for key, value in (environment or {}).items()]
        shown += [str(word).replace(f"{ROOT}/", "").replace(f"{BENCH}/", "bench/") for word in command]
        self.shown[f"{name}, {variant}" if variant else name] = " ".join(shown)
        return Server(name, command, self.log, environment, **options)

    def attnd(self, *flags, name="attnd"):
        command = [self.build / "attnd", "--port", "PORT", "--io-threads", self.threads, *flags]
        return self.start(name, command)

    def bare(self, answer):
        return self.start("bare libmicrohttpd", [self.build / "bench/bare_mhd", "PORT", self.threads, answer])

    def jansson(self):
        return self.start("plain jansson", [self.build / "bench/plain_jansson", "PORT", self.threads])

    def fastapi(self, compute, workers=2):
        name = {"numpy": "FastAPI + NumPy", "onnxruntime": "FastAPI + onnxruntime"}[compute]
        command = [pathlib.Path(sys.executable).parent / "uvicorn", "fastapi_peer:application", "--host", "127.0.0.1",
                   "--port", "PORT", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level",
                   "warning"]
        if workers > 1:
            command += ["--workers", workers]
        return self.start(name, command, {"PEER_COMPUTE": compute}, f"processes: {workers}", poll_s=0.02)
