"""The cases over HTTP. Each starts its servers, compares their answers with attnd's, takes its rounds in turn (A B C,
C B A, A B C, …) and hands back a section of the report."""

import contextlib
import dataclasses
import pathlib

import picture
from bodies import Bodies
from clients import Clients, check, shown
from results import (Section, Target, at_least, at_most, exponent, mebibytes, median, number, percentile, ratios,
                     spread, times)
from servers import Servers

NUMPY, ONNXRUNTIME = "FastAPI + NumPy", "FastAPI + onnxruntime"


@dataclasses.dataclass
class Bench:
    """What all cases share."""
    folder: pathlib.Path  # of the build; requests and logs lie in it
    quick: bool

    def __post_init__(self):
        self.servers = Servers(self.folder)
        self.clients = Clients(self.folder)
        self.bodies = Bodies(self.folder / "requests")

    def pick(self, full, quick):
        return quick if self.quick else full

    def rounds(self, count, names, measure):
        """measure(name) for each name, `count` times, every other time backwards: {name: [one result a round]}."""
        found = {name: [] for name in names}
        for i in range(count):
            for name in names if i % 2 == 0 else reversed(names):
                found[name].append(measure(name))
        return found

    def reference(self, server, body):
        return self.clients.answer(server, body, self.bodies.folder)

    def saved(self, name, answer):
        path = self.bodies.folder / name
        path.write_bytes(answer)
        return path


def small(bench):
    """Requests per second of a small request."""
    rounds, seconds = bench.pick(9, 3), bench.pick(2, 1)
    body = bench.bodies.small()
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.servers.attnd())
        answer = bench.reference(ours, body)
        peers = [ours, bench.servers.attnd("--log-level", "warn", name="attnd, no request log"),
                 bench.servers.bare(bench.saved("6x3.answer", answer)), bench.servers.fastapi("numpy"),
                 bench.servers.fastapi("onnxruntime"), bench.servers.jansson()]
        peers = {peer.name: stack.enter_context(peer).settle() for peer in peers}
        for name, peer in peers.items():
            check(name, bench.reference(peer, body), answer)
            bench.clients.wrk(peer, body, 1)
        found = bench.rounds(rounds, list(peers), lambda name: bench.clients.wrk(peers[name], body, seconds))
    speed = {name: [result.per_second for result in results] for name, results in found.items()}
    rows = [(name, number(median(speed[name])), spread(speed[name]),
             number(median(result.p50_us for result in results) / 1000),
             number(median(result.p99_us for result in results) / 1000),
             number(median(result.cpu_us for result in results)),
             "" if name == "attnd" else times(ratios(speed["attnd"], speed[name]))) for name, results in found.items()]
    bare = ratios(speed["attnd"], speed["bare libmicrohttpd"])
    return Section(
        "small", "A small request: 6×3 self, 16 keep-alive connections",
        f"Medians of {rounds} rounds of {seconds} s for each server in turn; the client shares the two cores with the server. "
        "attnd runs as installed, with one log line an exchange into a file, which no peer writes; a second one runs without.",
        [f"BODY={shown([body])} {shown(bench.clients.wrk_command('PORT', seconds))}"],
        [("", ("server", "requests/s", "range", "p50, ms", "p99, ms", "server's CPU, µs a request", "attnd's requests/s over it"), rows)],
        [at_least("6×3 self: requests/s over bare libmicrohttpd's", bare, 0.8),
         at_least("6×3 self: requests/s over FastAPI + NumPy + orjson's", ratios(speed["attnd"], speed[NUMPY]), 8)],
        {"requests.svg": ("Requests per second of a small request", picture.bars(
            "6×3 self, 16 connections: requests per second",
            [(name, median(values), f"{median(values):,.0f}") for name, values in speed.items()]))})


def large(bench):
    """Latency of one client, weights and output of 512×64, as text, shorter text and base64."""
    rounds, count = bench.pick(11, 3), bench.pick(9, 5)
    forms = {"JSON": bench.bodies.self_attention(512, 64),
             "decimals 4": bench.bodies.self_attention(512, 64, decimals=4),
             "b64": bench.bodies.self_attention(512, 64, encoding="b64")}
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(bench.servers.attnd())
        answer = bench.reference(ours, forms["JSON"])
        peers = [ours, bench.servers.fastapi("numpy"), bench.servers.fastapi("onnxruntime"), bench.servers.jansson(),
                 bench.servers.bare(bench.saved("512x64.answer", answer))]
        peers = {peer.name: stack.enter_context(peer).settle() for peer in peers}
        runs = {f"{name}: {form}": (peer, body) for name, peer in peers.items() for form, body in forms.items()
                if form == "JSON" or name in ("attnd", NUMPY, ONNXRUNTIME)}
        for name, (peer, body) in runs.items():
            check(name, bench.reference(peer, body), answer, 5.1e-5 if "decimals" in name else 1e-5)

        def measure(name):
            peer, body = runs[name]
            return bench.clients.latency(peer, body, 2 if "jansson" in name else count, warmup=1)
        found = bench.rounds(rounds, list(runs), measure)
    time = {name: [median(result.sent_ms) for result in results] for name, results in found.items()}
    ours, theirs = time["attnd: JSON"], time[f"{NUMPY}: JSON"]
    rows = [(name, number(median(time[name])), spread(time[name]),
             number(median(median(result.first_byte_ms) for result in results)), number(results[0].answer_bytes / 1e6),
             times(ratios(time[name], theirs))) for name, results in found.items()]
    return Section(
        "large", "512×64 self, weights and output: latency of one client",
        f"Medians of {rounds} rounds of {count} requests (plain jansson: 2) after one to warm up, for each in turn.",
        [shown(bench.clients.latency_command("PORT", body, count, warmup=1)) for body in forms.values()],
        [("", ("server: form of the numbers", "ms", "range", "first byte, ms", "answer, MB", f"over {NUMPY}: JSON"), rows)],
        [at_most("512×64, JSON: time over FastAPI + NumPy + orjson's", ratios(ours, theirs), 4),
         at_most("512×64, JSON: time over plain jansson's", ratios(ours, time["plain jansson: JSON"]), 25),
         at_most("512×64, decimals 4: time over FastAPI's JSON", ratios(time["attnd: decimals 4"], theirs), 8),
         at_most("512×64, b64: time over FastAPI's JSON", ratios(time["attnd: b64"], theirs), 15)],
        {"latency.svg": ("Latency of 512×64 with weights", picture.bars(
            "512×64 self, weights and output, one client: milliseconds",
            [(name, median(values), number(median(values))) for name, values in time.items()]))})


def growth(bench, server, body, features, length, count=1):
    """Peak of resident memory over that of the server at rest after a small request, and the times it took."""
    bench.clients.latency(server, bench.bodies.small(), 4)
    before = server.memory_bytes("VmRSS")
    result = bench.clients.latency(server, body, count)
    grown = server.memory_bytes("VmHWM") - before
    return result, grown, body.stat().st_size, length * features * 4


def memory(bench):
    """Peak resident growth for answers and requests of many megabytes."""
    jobs = [("8192×16, weights and output", 8192, 16, None), ("32768×64, output only", 32768, 64, ["output"])]
    if bench.quick:
        jobs = [("4096×16, weights and output", 4096, 16, None), ("16384×64, output only", 16384, 64, ["output"])]
    starters = [bench.servers.attnd]
    if not bench.quick:
        starters.append(lambda: bench.servers.fastapi("numpy", workers=1))
    rows, targets, commands = [], [], []
    for what, length, features, results in jobs:
        body = bench.bodies.self_attention(length, features, results)
        commands.append(shown(bench.clients.latency_command("PORT", body, 1)))
        for start in starters:
            if start is not bench.servers.attnd and length > 16384:
                continue  # NumPy would hold 4 GiB of scores, twice.
            with start() as server:
                result, grown, text, numbers = growth(bench, server.settle(), body, features, length)
            beyond = grown - text - numbers
            rows.append((f"{what}: {server.name}", mebibytes(result.answer_bytes), mebibytes(text), mebibytes(numbers),
                         mebibytes(grown), mebibytes(beyond) if beyond > 0 else f"−{mebibytes(-beyond)}",
                         number(result.sent_ms[0] / 1000)))
            if server.name == "attnd":
                targets.append(Target(f"{what}: peak resident growth beyond the request's text and numbers", "≤ 48 MiB",
                                      f"{beyond / 2**20:.1f} MiB", beyond <= 48 * 2**20))
    return Section("memory", "Peak memory of large requests and answers",
                   "VmHWM after the one large request, less VmRSS after a small one, server started anew; the client reads "
                   "and discards. All sizes in MiB.", commands,
                   [("", ("request", "answer", "request's text", "its numbers", "growth", "beyond text and numbers", "s"), rows)],
                   targets)


def fair(bench):
    """A small request's tail while two clients loop over large ones."""
    rounds, seconds = bench.pick(5, 2), bench.pick(4, 2)
    small_body, heavy = bench.bodies.small(), bench.bodies.self_attention(2048, 64)
    options = {"interval_us": 2000, "seconds": seconds}
    count = int(seconds * 500)
    rows, targets = [], []
    for start in (bench.servers.attnd, lambda: bench.servers.fastapi("numpy")):
        alone, loaded, heavy_ms = [], [], []
        with start() as server:
            server.settle()
            for body in (small_body, heavy):
                bench.clients.latency(server, body, 2)
            for _ in range(rounds):
                alone.append(bench.clients.latency(server, small_body, count, warmup=20, **options))
                loops = [bench.clients.start(server, heavy, 100000, warmup=1, seconds=seconds + 1) for _ in range(2)]
                loaded.append(bench.clients.latency(server, small_body, count, warmup=20, **options))
                heavy_ms += [time for loop in loops for time in bench.clients.finish(loop).sent_ms]

        def tail(results, times_of, share):
            return [percentile(times_of(result), share) for result in results]
        p99 = [tail(results, lambda result: result.sent_ms, 0.99) for results in (alone, loaded)]
        due = [tail(results, lambda result: result.due_ms, 0.99) for results in (alone, loaded)]
        grown = ratios(p99[1], p99[0])
        rows += [(f"{server.name}: {when}", number(median(tail(results, lambda result: result.sent_ms, 0.5))),
                  number(median(p99[i])), spread(p99[i]), number(median(due[i])),
                  times(grown) if i else "", number(median(heavy_ms)) if i else "")
                 for i, (when, results) in enumerate((("alone", alone), ("beside two heavy clients", loaded)))]
        if server.name == "attnd":
            targets.append(Target("a small request's p99 while two clients loop 2048×64 with weights",
                                  "≤ 3× its p99 alone, or ≤ 5 ms", f"{number(median(p99[1]))} ms, {number(median(grown))}×",
                                  median(grown) <= 3 or median(p99[1]) <= 5))
    return Section(
        "fair", "A small request beside large ones",
        f"6×3 every 2 ms on one connection for {seconds} s, alone and while two clients loop 2048×64 with weights; medians of "
        f"{rounds} rounds of the two in turn. Times count from the sending; \"from due\" counts from the moment the request "
        "was due, so that it holds the wait behind a late one and the client's own wait for a core.",
        [shown(bench.clients.latency_command("PORT", small_body, count, warmup=20, **options)),
         shown(bench.clients.latency_command("PORT", heavy, 100000, warmup=1, seconds=seconds + 1)) + "   (twice)"],
        [("", ("server", "p50, ms", "p99, ms", "range", "p99 from due, ms", "p99 over alone", "a heavy answer, ms"), rows)],
        targets)


def start(bench):
    """From the process's start until /readyz answers 200."""
    rows, targets = [], []
    for launch, count in ((bench.servers.attnd, bench.pick(20, 20)),
                          (lambda: bench.servers.fastapi("numpy", workers=1), bench.pick(5, 2))):
        ready_ms = []
        for _ in range(count):
            with launch() as server:
                ready_ms.append(server.ready_s * 1000)
        rows.append((server.name, count, number(median(ready_ms)), spread(ready_ms)))
        if server.name == "attnd":
            targets.append(Target("start to ready, median of 20", "≤ 50 ms", f"{number(median(ready_ms))} ms",
                                  median(ready_ms) <= 50))
    return Section("start", "Start to ready", "From before fork() until GET /readyz answers 200, asked every millisecond "
                   "(the peer's every 20).", [bench.servers.shown["attnd"]],
                   [("", ("server", "starts", "ms", "range"), rows)], targets)


def scale_point(bench, length, results, tables):
    """One length for all servers: their times in turn, and each one's growth of memory."""
    rounds = bench.pick(5, 3) if length <= 4096 else bench.pick(3, 2)
    body = bench.bodies.self_attention(length, 64, results)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(server) for server in (
            bench.servers.attnd(), bench.servers.fastapi("numpy", workers=1),
            bench.servers.fastapi("onnxruntime", workers=1))]
        peers = {peer.name: peer.settle() for peer in peers}
        before = {}
        for name, peer in peers.items():
            bench.clients.latency(peer, bench.bodies.small(), 4)
            before[name] = peer.memory_bytes("VmRSS")
        if length <= 1024:
            answer = bench.reference(peers["attnd"], body)
            for name, peer in peers.items():
                check(name, bench.reference(peer, body), answer)
        count = 5 if length <= 512 else 1
        found = bench.rounds(rounds, list(peers), lambda name: bench.clients.latency(peers[name], body, count))
        for name, peer in peers.items():
            time = median(median(result.sent_ms) for result in found[name])
            tables.setdefault(name, []).append((length, time, peer.memory_bytes("VmHWM") - before[name],
                                                body.stat().st_size + length * 64 * 4, found[name][0].answer_bytes))


def scale(bench):
    """Time and memory against the length, 64 features."""
    modes = {"weights and output": (None, bench.pick(4096, 2048)), "output only": (["output"], bench.pick(16384, 4096))}
    section = Section("scale", "Time and memory against L (self, D = 64)",
                      "Medians of rounds in turn, one client; memory is the peak's growth over the server at rest after small "
                      "requests, server started anew for each length. Exponents: slope of log figure against log L over the four longest.",
                      [shown(bench.clients.latency_command("PORT", bench.bodies.folder / "LENGTHx64.json", 1))])
    clock, peak = [], []
    for mode, (results, longest) in modes.items():
        tables = {}
        length = 64
        while length <= longest:
            scale_point(bench, length, results, tables)
            length *= 2
        names = list(tables)
        rows = [(points[0][0], mebibytes(points[0][4]), mebibytes(points[0][3]),
                 *(number(point[1]) for point in points), *(mebibytes(point[2]) if point[2] else "0" for point in points))
                for points in zip(*tables.values())]
        slopes = [number(exponent([(point[0], point[column]) for point in tables[name][-4:]]))
                  if all(point[column] > 0 for point in tables[name][-4:]) else "–" for column in (1, 2) for name in names]
        section.tables.append((f"**{mode}**", ("L", "answer, MiB", "request's text and numbers, MiB",
                                               *(f"{name}, ms" for name in names), *(f"{name}, growth, MiB" for name in names)),
                               [*rows, ("exponent", "", "", *slopes)]))
        dashed = mode == "output only"
        clock += [(f"{name}, {'output' if dashed else 'weights'}", [(point[0], point[1]) for point in points], dashed)
                  for name, points in tables.items()]
        peak += [(f"{name}, {'output' if dashed else 'weights'}",
                  [(point[0], point[2] / 2**20) for point in points if point[2] > 2**16], dashed)
                 for name, points in tables.items()]
    section.pictures = {
        "time.svg": ("Time against L", picture.lines("Time of one request against L", "L", "ms", clock)),
        "memory.svg": ("Memory against L", picture.lines("Growth of resident memory against L", "L", "MiB",
                                                         [line for line in peak if line[1]]))}
    return section


CASES = {"small": small, "large": large, "memory": memory, "fair": fair, "start": start, "scale": scale}
