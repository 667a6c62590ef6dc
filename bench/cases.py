"""The cases over HTTP that take times. Each starts its servers, compares their answers with attnd's, takes its rounds in
turn (A B C, C B A, A B C, …) and hands back a section of the report."""

import contextlib

import picture
from bench import NUMPY, ONNXRUNTIME
from clients import check, shown
from results import Section, Target, at_least, at_most, median, number, percentile, ratios, spread, times


def small(bench):
    """Requests per second of a small request."""
    rounds, seconds = bench.pick(9, 3), bench.pick(2, 1)
    body = bench.bodies.small()
    with contextlib.ExitStack() as stack:
        peers = {}

        def add(server):
            peers[server.name] = stack.enter_context(server).settle()
        add(bench.servers.attnd())
        answer = bench.reference(peers["attnd"], body)
        add(bench.servers.attnd("--log-level", "warn", name="attnd, no request log"))
        add(bench.servers.bare(bench.saved("6x3.answer", answer)))
        add(bench.servers.fastapi("numpy"))
        add(bench.servers.fastapi("onnxruntime"))
        add(bench.servers.jansson())
        for name, peer in peers.items():
            check(name, bench.reference(peer, body), answer)
            bench.clients.wrk(peer, body, 1)
        found = bench.rounds(rounds, list(peers), lambda name: bench.clients.wrk(peers[name], body, seconds))

    speed = {name: [result.per_second for result in results] for name, results in found.items()}
    over = {name: ratios(speed["attnd"], values) for name, values in speed.items()}
    rows = [(name, number(median(speed[name])), spread(speed[name]),
             number(median(result.p50_us for result in results) / 1000),
             number(median(result.p99_us for result in results) / 1000),
             number(median(result.cpu_us for result in results)),
             "" if name == "attnd" else times(over[name])) for name, results in found.items()]
    return Section(
        "small", "A small request: 6×3 self, 16 keep-alive connections",
        f"Medians of {rounds} rounds of {seconds} s for each server in turn; the client shares the cores with the "
        "server. attnd runs as installed, with one log line an exchange into a file, which no peer writes; a second one "
        "does not.",
        [f"BODY={shown([body])} {shown(bench.clients.wrk_command('PORT', seconds))}"],
        [("", ("server", "requests/s", "range", "p50, ms", "p99, ms", "server's CPU, µs a request",
               "attnd's requests/s over it"), rows)],
        [at_least("6×3 self: requests/s over bare libmicrohttpd's", over["bare libmicrohttpd"], 0.8),
         at_least("6×3 self: requests/s over FastAPI + NumPy + orjson's", over[NUMPY], 8)],
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
        attnd = stack.enter_context(bench.servers.attnd())
        answer = bench.reference(attnd, forms["JSON"])
        peers = [attnd, bench.servers.fastapi("numpy"), bench.servers.fastapi("onnxruntime"), bench.servers.jansson(),
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
             number(median(median(result.first_byte_ms) for result in results)),
             number(results[0].answer_bytes / 1e6), times(ratios(time[name], theirs)))
            for name, results in found.items()]
    return Section(
        "large", "512×64 self, weights and output: latency of one client",
        f"Medians of {rounds} rounds of {count} requests (plain jansson: 2) after one to warm up, for each in turn.",
        [shown(bench.clients.latency_command("PORT", body, count, warmup=1)) for body in forms.values()],
        [("", ("server: form of the numbers", "ms", "range", "first byte, ms", "answer, MB", f"over {NUMPY}: JSON"),
          rows)],
        [at_most("512×64, JSON: time over FastAPI + NumPy + orjson's", ratios(ours, theirs), 4),
         at_most("512×64, JSON: time over plain jansson's", ratios(ours, time["plain jansson: JSON"]), 25),
         at_most("512×64, decimals 4: time over FastAPI's JSON", ratios(time["attnd: decimals 4"], theirs), 8),
         at_most("512×64, b64: time over FastAPI's JSON", ratios(time["attnd: b64"], theirs), 15)],
        {"latency.svg": ("Latency of 512×64 with weights", picture.bars(
            "512×64 self, weights and output, one client: milliseconds",
            [(name, median(values), number(median(values))) for name, values in time.items()]))})


def fair_server(bench, server, rounds, light, heavy):
    """Times of the light request alone and beside two clients that loop the heavy one, and the heavy one's own."""
    alone, loaded, heavy_ms = [], [], []
    for call in (light, heavy):
        bench.clients.latency(server, call["body"], 2)
    for _ in range(rounds):
        alone.append(bench.clients.latency(server, **light))
        loops = [bench.clients.start(server, **heavy) for _ in range(2)]
        loaded.append(bench.clients.latency(server, **light))
        heavy_ms += [time for loop in loops for time in bench.clients.finish(loop).sent_ms]
    return alone, loaded, heavy_ms


def fair(bench):
    """A small request's tail while two clients loop over large ones."""
    rounds, seconds = bench.pick(5, 2), bench.pick(4, 2)
    light = {"body": bench.bodies.small(), "count": seconds * 500, "warmup": 20, "interval_us": 2000, "seconds": seconds}
    heavy = {"body": bench.bodies.self_attention(2048, 64), "count": 100000, "warmup": 1, "seconds": seconds + 1}
    rows, targets = [], []
    for start in (bench.servers.attnd, lambda: bench.servers.fastapi("numpy")):
        with start() as server:
            alone, loaded, heavy_ms = fair_server(bench, server.settle(), rounds, light, heavy)
        p50, p99 = ([[percentile(result.sent_ms, share) for result in results] for results in (alone, loaded)]
                    for share in (0.5, 0.99))
        due = [[percentile(result.due_ms, 0.99) for result in results] for results in (alone, loaded)]
        grown = ratios(p99[1], p99[0])
        for i, when in enumerate(("alone", "beside two heavy clients")):
            rows.append((f"{server.name}: {when}", number(median(p50[i])), number(median(p99[i])), spread(p99[i]),
                         number(median(due[i])), times(grown) if i else "", number(median(heavy_ms)) if i else ""))
        if server.name == "attnd":
            targets.append(Target("a small request's p99 while two clients loop 2048×64 with weights",
                                  "≤ 3× its p99 alone, or ≤ 5 ms",
                                  f"{number(median(p99[1]))} ms, {number(median(grown))}×",
                                  median(grown) <= 3 or median(p99[1]) <= 5))
    return Section(
        "fair", "A small request beside large ones",
        f"6×3 every 2 ms on one connection for {seconds} s, alone and while two clients loop 2048×64 with weights; "
        f"medians of {rounds} rounds of the two in turn. Times count from the sending; \"from due\" counts from the moment "
        "the request was due, so that it holds the wait behind a late one and the client's own wait for a core.",
        [shown(bench.clients.latency_command("PORT", **light)),
         shown(bench.clients.latency_command("PORT", **heavy)) + "   (twice)"],
        [("", ("server", "p50, ms", "p99, ms", "range", "p99 from due, ms", "p99 over alone", "a heavy answer, ms"),
          rows)],
        targets)


def start(bench):
    """From the process's start until /readyz answers 200."""
    rows, targets = [], []
    for launch, count in ((bench.servers.attnd, 20),
                          (lambda: bench.servers.fastapi("numpy", workers=1), bench.pick(5, 2))):
        ready_ms = []
        for _ in range(count):
            with launch() as server:
                ready_ms.append(server.ready_s * 1000)
        rows.append((server.name, count, number(median(ready_ms)), spread(ready_ms)))
        if server.name == "attnd":
            targets.append(Target("start to ready, median of 20", "≤ 50 ms", f"{number(median(ready_ms))} ms",
                                  median(ready_ms) <= 50))
    return Section("start", "Start to ready",
                   "From before the process is made until GET /readyz answers 200, asked every millisecond (the peer's "
                   "every 20).", [bench.servers.shown["attnd"]],
                   [("", ("server", "starts", "ms", "range"), rows)], targets)
