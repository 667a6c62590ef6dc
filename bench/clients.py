"""The clients: wrk for throughput, bench/latency.c for times, and the comparison of answers that comes before both."""

import base64
import dataclasses
import json
import os
import subprocess

import numpy
import orjson

import servers

PATH = "/v1/attention/self"
LIMIT_S = 600


@dataclasses.dataclass
class Times:
    """What the latency client printed, one entry a request: milliseconds and bytes."""
    sent_ms: list
    due_ms: list
    first_byte_ms: list
    answer_bytes: int


@dataclasses.dataclass
class Throughput:
    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float  # of the server, for one request


def shown(command):
    return " ".join(str(word).replace(f"{servers.ROOT}/", "") for word in command)


class Clients:
    def __init__(self, build):
        self.latency_program = build / "bench/latency"

    def latency_command(self, port, body, count, **options):
        words = [self.latency_program, "--count", count]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", value]
        return [str(word) for word in (*words, port, PATH, body)]

    def start(self, server, body, count, **options):
        return subprocess.Popen(self.latency_command(server.port, body, count, **options), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, client):
        try:
            text, complaint = client.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            raise RuntimeError(f"no answer within {LIMIT_S} s") from None
        if client.returncode != 0:
            raise RuntimeError(complaint.strip())
        lines = [list(map(int, line.split())) for line in text.splitlines()]
        return Times([line[0] / 1e6 for line in lines], [line[1] / 1e6 for line in lines],
                     [line[2] / 1e6 for line in lines], lines[-1][3] if lines else 0)

    def latency(self, server, body, count, **options):
        return self.finish(self.start(server, body, count, **options))

    def wrk_command(self, port, seconds):
        return ["wrk", "-t2", "-c16", f"-d{seconds}s", "-s", str(servers.BENCH / "post.lua"),
                f"http://127.0.0.1:{port}{PATH}"]

    def wrk(self, server, body, seconds):
        cpu_s = server.cpu_s()
        report = subprocess.run(self.wrk_command(server.port, seconds), env={**os.environ, "BODY": str(body)},
                                text=True, capture_output=True, check=True, timeout=seconds + 60).stdout
        cpu_s = server.cpu_s() - cpu_s
        counted = json.loads(next(line[5:] for line in report.splitlines() if line.startswith("JSON ")))
        if counted["refused"] or counted["failed"] or not counted["requests"]:
            raise RuntimeError(f"{server.name}: not every answer was a 200: {counted}")
        return Throughput(counted["requests"] / counted["us"] * 1e6, counted["p50_us"], counted["p99_us"],
                          cpu_s / counted["requests"] * 1e6)

    def answer(self, server, body, folder):
        """The body of one answer."""
        path = folder / "answer"
        self.latency(server, body, 1, save=path)
        return path.read_bytes()


def tensor(written):
    if isinstance(written, dict):
        numbers = numpy.frombuffer(base64.b64decode(written["b64"]), dtype="<f4").reshape(written["shape"])
        return numbers.astype(numpy.float64)
    return numpy.array(written, dtype=numpy.float64)


def difference(answer, reference):
    """The largest difference of two answers, relative where numbers are above 1; the same results must be there."""
    answer, reference = orjson.loads(answer), orjson.loads(reference)
    worst = 0.0
    for name in ("weights", "output"):
        if (name in answer) != (name in reference):
            raise RuntimeError(f"only one of two answers holds {name}")
        if name in reference:
            found, wanted = tensor(answer[name]), tensor(reference[name])
            if found.shape != wanted.shape:
                raise RuntimeError(f"{name} has the shape {found.shape}, attnd's {wanted.shape}")
            worst = max(worst, float((abs(found - wanted) / numpy.maximum(1, abs(wanted))).max()))
    return worst


def check(name, answer, reference, tolerance=1e-5):
    worst = difference(answer, reference)
    if not worst <= tolerance:
        raise RuntimeError(f"{name} answers differently from attnd: by {worst:.3g}, {tolerance:.3g} is allowed")
    return worst
