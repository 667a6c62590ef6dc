"""The cases over HTTP that look at memory, and at how time and memory grow with the length."""

import contextlib
import dataclasses

import picture
from clients import check, shown
from results import Section, Target, exponent, mebibytes, median, number

MIB = 2**20


def at_rest(bench, server):
    """Resident bytes after a few small requests."""
    server.settle()
    bench.clients.latency(server, bench.bodies.small(), 4)
    return server.memory_bytes("VmRSS")


def memory(bench):
    """Peak resident growth for answers and requests of many megabytes."""
    longest, longest_peer = bench.pick(32768, 16384), bench.pick(16384, 0)
    jobs = [(bench.pick(8192, 4096), 16, None), (longest, 64, ["output"])]
    rows, targets, commands = [], [], []
    for length, features, results in jobs:
        what = f"{length}×{features}, {'output only' if results else 'weights and output'}"
        body = bench.bodies.self_attention(length, features, results)
        commands.append(shown(bench.clients.latency_command("PORT", body, 1)))
        text, numbers = body.stat().st_size, length * features * 4
        # NumPy holds all scores at once: at the longest that is 4 GiB, and as much again while it works on them.
        starters = [bench.servers.attnd] + [lambda: bench.servers.fastapi("numpy", 1)] * (length <= longest_peer)
        for start in starters:
            with start() as server:
                before = at_rest(bench, server)
                result = bench.clients.latency(server, body, 1)
                grown = server.memory_bytes("VmHWM") - before
            beyond = (grown - text - numbers) / MIB
            rows.append((f"{what}: {server.name}", *map(mebibytes, (result.answer_bytes, text, numbers, grown)),
                         f"{beyond:,.1f}", number(result.sent_ms[0] / 1000)))
            if server.name == "attnd":
                targets.append(Target(f"{what}: peak resident growth beyond the request's text and numbers",
                                      "≤ 48 MiB", f"{beyond:,.1f} MiB", beyond <= 48))
    return Section("memory", "Peak memory of large requests and answers",
                   "VmHWM after the one large request, less VmRSS after a few small ones, server started anew; the "
                   "client reads and discards. All sizes in MiB.", commands,
                   [("", ("request", "answer", "request's text", "its numbers", "growth", "beyond text and numbers",
                          "s"), rows)], targets)


@dataclasses.dataclass
class Point:
    """What one server did with one length."""
    length: int
    ms: float
    grown: int
    request_bytes: int
    answer_bytes: int


def scale_points(bench, length, results):
    """One length for all servers, their times in turn: {server: Point}."""
    rounds = bench.pick(5, 3) if length <= 4096 else bench.pick(3, 2)
    count = 5 if length <= 512 else 1
    body = bench.bodies.self_attention(length, 64, results)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(server) for server in (
            bench.servers.attnd(), bench.servers.fastapi("numpy", 1), bench.servers.fastapi("onnxruntime", 1))]
        peers = {peer.name: peer for peer in peers}
        before = {name: at_rest(bench, peer) for name, peer in peers.items()}
        if length <= 1024:
            answer = bench.reference(peers["attnd"], body)
            for name, peer in peers.items():
                check(name, bench.reference(peer, body), answer)
        found = bench.rounds(rounds, list(peers), lambda name: bench.clients.latency(peers[name], body, count))
        return {name: Point(length, median(median(result.sent_ms) for result in found[name]),
                            peer.memory_bytes("VmHWM") - before[name], body.stat().st_size + length * 64 * 4,
                            found[name][0].answer_bytes) for name, peer in peers.items()}


def scale_table(points):
    """points: {server: [Point]}, all of the same lengths."""
    names, longest = list(points), {name: line[-4:] for name, line in points.items()}
    columns = ("L", "answer, MiB", "request's text and numbers, MiB", *(f"{name}, ms" for name in names),
               *(f"{name}, growth, MiB" for name in names))
    rows = [(line[0].length, mebibytes(line[0].answer_bytes), mebibytes(line[0].request_bytes),
             *(number(point.ms) for point in line), *(mebibytes(max(point.grown, 0)) for point in line))
            for line in zip(*points.values())]
    slopes = [exponent([(point.length, point.ms) for point in longest[name]]) for name in names]
    slopes += [exponent([(point.length, point.grown) for point in longest[name]]) for name in names]
    return columns, [*rows, ("exponent", "", "", *(f"{slope:.2f}" for slope in slopes))]


def scale(bench):
    """Time and memory against the length, 64 features."""
    section = Section(
        "scale", "Time and memory against L (self, D = 64)",
        "Medians of rounds in turn, one client; memory is the peak's growth over the server at rest, servers started "
        "anew for each length. Exponents: slope of log figure against log L over the four longest.",
        [shown(bench.clients.latency_command("PORT", bench.bodies.folder / "LENGTHx64.json", 1))])
    clock, peak = [], []
    for mode, results, longest in (("weights and output", None, bench.pick(4096, 2048)),
                                   ("output only", ["output"], bench.pick(16384, 4096))):
        points, length = {}, 64
        while length <= longest:
            for name, point in scale_points(bench, length, results).items():
                points.setdefault(name, []).append(point)
            length *= 2
        section.tables.append((f"**{mode}**", *scale_table(points)))
        for name, line in points.items():
            name += ", output" if results else ", weights"
            clock.append((name, [(point.length, point.ms) for point in line], bool(results)))
            # Below a few pages growth is the allocator's noise.
            peak.append((name, [(point.length, point.grown / MIB) for point in line if point.grown > MIB / 16],
                         bool(results)))
    section.pictures = {
        "time.svg": ("Time against L", picture.lines("Time of one request against L", "L", "ms", clock)),
        "memory.svg": ("Memory against L", picture.lines("Growth of resident memory against L", "L", "MiB",
                                                         [line for line in peak if line[1]]))}
    return section
