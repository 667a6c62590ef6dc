#!/usr/bin/env python3
"""Large requests: streamed or held, in every encoding; selected rows against the naive reference, and memory that
stays flat however large the answer is."""

import json
import threading

import attnd_compare as compare
import attnd_random as requests
import attnd_reference as reference
import attnd_tensors as tensors
from attnd_client import PATIENCE, SELF, SMALL, Claims, Server, expect, is_small_answer, message, problem

ANY = "/v1/attention"
ROOM = 1 if PATIENCE == 1 else 3  # a sanitizer's build needs more memory


def numbers(draw, *shape):
    """Uniform numbers that float32 holds exactly."""
    if len(shape) == 1:
        return [tensors.single(draw.random.uniform(-1, 1)) for _ in range(shape[0])]
    return [numbers(draw, *shape[1:]) for _ in range(shape[0])]


def check_rows(request, answer, rows, mask_row=None):
    """Rows of every result with queries, against the reference on these queries alone. The request has `query` and
    `context`, rank 2; `mask_row(i)` gives the row of the equivalent `attend` mask."""
    plain = dict(request, query=[request["query"][i] for i in rows], context=request["context"])
    for name in ("mask", "encoding", "decimals"):
        plain.pop(name, None)
    if mask_row:
        plain["mask"] = {"attend": [mask_row(i) for i in rows]}
    due = reference.evaluate(plain).results
    for name in request.get("return", ["weights", "output"]):
        got = tensors.read(answer[name])
        has_heads = "num_heads" in request and not (name == "output" or name == "weights" and request.get("average_heads"))
        picked = [[head[i] for i in rows] for head in got] if has_heads else [got[i] for i in rows]
        compare.check_tensor(name, picked, tensors.each(due[name], lambda x: x), answer["dtype"],
                             {"decimals": request.get("decimals")}, 2.0)


def packed(request):
    return {name: tensors.encode(value, "float64" if request.get("dtype") == "float64" else "float32")
            if name in ("query", "context") else value for name, value in request.items()}


def a_large_one(server, request, mask_row=None, streamed=None):
    length = len(request["query"])
    with server.connect(timeout=60) as connection:
        response = connection.post(ANY, packed(request))
        expect(response.status == 200, f"{response!r}")
        if streamed is not None:
            expect(response.chunked == streamed, f"{'not ' if streamed else ''}streamed: {response.fields}")
        answer = response.json()
        expect(list(answer)[:2] == ["dtype", "shape"], f"{list(answer)}")
        for name in request.get("return", ["weights", "output"]):
            shape = answer[name]["shape"] if isinstance(answer[name], dict) else tensors.shape_of(answer[name])
            expect(shape == answer["shape"][name], f"{name}: {shape}, announced {answer['shape'][name]}")
        check_rows(request, answer, [0, 1, length // 3, length // 2, length - 2, length - 1], mask_row)
        is_small_answer(connection.post(SELF, SMALL))
    return answer


def pair(seed, length, keys, features):
    draw = requests.Draw(seed)
    return {"query": numbers(draw, length, features), "context": numbers(draw, keys, features)}


def cancelling(length):
    """Numbers whose bound overflows though no score does: large where the other side is zero."""
    draw = requests.Draw("cancelling")
    query = [[1e25, 0.0] + numbers(draw, 6) for _ in range(length)]
    context = [[0.0, 1e25] + numbers(draw, 6) for _ in range(length)]
    return {"query": query, "context": context, "return": ["scores", "weights"]}


def held(server):
    """The bound says that it could overflow, so it is computed whole before the first byte is sent: right here."""
    a_large_one(server, cancelling(600))


def held_and_refused(server):
    """The same, and the very last row does overflow: a 422, never a 200 that breaks off."""
    request = cancelling(600)
    request["query"][599][1] = 1e25
    response = server.request("POST", ANY, packed(request))
    members = problem(response, 422, "overflow")
    expect("float64" in members["detail"], f"{members}")
    answer = server.request("POST", ANY, dict(packed(request), dtype="float64"))
    expect(answer.status == 200, f"{answer!r}")


def sum_large(server):
    request = pair("sum", 500, 700, 8)
    for name in ("query", "context"):
        request[name] = tensors.each(request[name], lambda x: tensors.single(abs(x) + 0.1))
    a_large_one(server, dict(request, normalize="sum", **{"return": ["weights"]}))


def heads(server):
    request = dict(pair("heads", 300, 400, 64), num_heads=8)
    answer = a_large_one(server, dict(request, **{"return": ["weights", "heads", "output"]}))
    mean = a_large_one(server, dict(request, average_heads=True))
    for i in (0, 299):
        for j in (0, 399):
            average = sum(answer["weights"][h][i][j] for h in range(8)) / 8
            expect(abs(average - mean["weights"][i][j]) < 1e-7, f"average at {i},{j}")


def projected(server):
    draw = requests.Draw("projected")
    request = pair("projected rows", 300, 500, 48)
    request |= {"num_heads": 4, "return": ["query", "weights", "output"],
                "projections": {name: {"weight": draw.weight(48, 48), "bias": draw.array(48)}
                                for name in ("query", "key", "value", "output")}, "add_norm": True}
    a_large_one(server, request)


def is_flat(server, rows, features=16, at_once=1, growth_mib=64):
    """The server's peak memory beyond its memory before, while answers of rows × rows weights go out."""
    draw = requests.Draw(f"flat {rows}")
    body = {"inputs": tensors.encode(numbers(draw, rows, features), "float32"), "return": ["weights"]}
    for _ in range(2):
        server.request("POST", SELF, dict(body, **{"return": ["output"]}))
    with open(f"/proc/{server.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak starts anew from here
    before = server.status("VmHWM")
    results = []

    def one():
        with server.connect(timeout=120) as connection:
            response = connection.post(SELF, body)
            results.append((response.status, response.chunked, len(response.body), response.body.count(b",")))
    threads = [threading.Thread(target=one) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grown = (server.status("VmHWM") - before) / 1024
    expect(len(results) == at_once, f"{len(results)} of {at_once} answers")
    commas = rows * rows - 1 + 3  # between the numbers; dtype, shape and weights; the shape's own
    for status, is_chunked, size, count in results:
        expect(status == 200 and is_chunked, f"status {status}, chunked {is_chunked}")
        expect(abs(count - commas) <= 2, f"{count} commas, not about {commas}")
    expect(grown < growth_mib * ROOM, f"{grown:.1f} MiB more at its peak for {results[0][2] / 2 ** 20:.0f} MiB of text")
    print(f"      {at_once} × {results[0][2] / 2 ** 20:.0f} MiB of text, {grown:.1f} MiB of memory")


def declared_shapes_cost_nothing(server):
    before = server.status("VmHWM")
    for _ in range(20):
        problem(server.request("POST", SELF, {"inputs": {"shape": [16000, 16000], "data": [1, 2, 3]}}), 422)
        problem(server.request("POST", SELF, {"inputs": {"shape": [16000, 16000], "dtype": "float64", "b64": "AAAA"}}),
                422)
    grown = (server.status("VmHWM") - before) / 1024
    expect(grown < 16, f"{grown:.1f} MiB for shapes without data")


def many_small_values():
    """A body full of empty brackets costs some hundred bytes a value. A server for each: what one exchange gives back may
    still be there when the next one begins."""
    for body in (b'{"tokens":[' + b"[]," * 700_000 + b'[]]}', b'{"inputs":[' + b"{}," * 700_000 + b'{}]}',
                 b'{"embeddings":{' + b",".join(b'"%d":[1]' % i for i in range(200_000)) + b'},"tokens":["1"]}'):
        with Server() as server:
            before = server.status("VmHWM")
            response = server.request("POST", SELF, body)
            expect(response.status in (200, 400, 413, 422), f"{response!r}")
            grown = (server.status("VmHWM") - before) / 1024
            expect(grown < 250 * ROOM, f"{grown:.1f} MiB for a body of {len(body) / 2 ** 20:.1f} MiB")
            print(f"      {len(body) / 2 ** 20:.1f} MiB of small values, {grown:.0f} MiB of memory")
            is_small_answer(server.request("POST", SELF, SMALL))


def big_json_body(server):
    """A tensor of a million numbers as nested text, read back bit for bit."""
    draw = requests.Draw("big body")
    rows = numbers(draw, 1000, 1000)
    body = json.dumps({"query": rows[0], "context": rows, "scale": 0, "return": ["key"], "encoding": "b64"})
    with server.connect(timeout=120) as connection:
        connection.send(message("POST", "/v1/attention/cross", body))
        response = connection.read()
    expect(response.status == 200, f"{response!r}")
    expect(tensors.read(response.json()["key"]) == rows, "the rows came back changed")


def main():
    claims = Claims()
    with Server() as server:
        request = pair("weights", 1024, 1024, 64)
        claims.check("1024 × 1024 weights over 64 features, streamed", a_large_one, server, request, None, True)
        claims.check("the same in float64", a_large_one, server, dict(request, dtype="float64"))
        claims.check("the same as b64", a_large_one, server, dict(request, encoding="b64"))
        claims.check("the same with 5 decimals", a_large_one, server, dict(request, decimals=5))
        claims.check("the same under a causal mask", a_large_one, server, dict(request, mask="causal"),
                     lambda i: [j <= i for j in range(1024)])
        claims.check("the same in a window", a_large_one, server, dict(request, mask={"window": [40, 3]}),
                     lambda i: [i - 40 <= j <= i + 3 for j in range(1024)])
        claims.check("several results at once", a_large_one, server,
                     dict(pair("stages", 400, 500, 32), **{"return": ["query", "scores", "masked", "weights", "output"]}))
        claims.check("output alone, 2000 queries on 3000 keys", a_large_one, server,
                     dict(pair("output", 2000, 3000, 16), **{"return": ["output"]}))
        claims.check("one long row: 3 queries on 60,000 keys", a_large_one, server, pair("long", 3, 60000, 4))
        claims.check("8 heads, apart and averaged", heads, server)
        claims.check("normalize sum", sum_large, server)
        claims.check("projections, biases and add_norm", projected, server)
        claims.check("an answer that could overflow is held, and right", held, server)
        claims.check("an answer whose last row overflows is a 422", held_and_refused, server)
        claims.check("a body of a million numbers is read bit for bit", big_json_body, server)
        claims.check("the server stops cleanly", server.stop)
    with Server() as server:
        is_small_answer(server.request("POST", SELF, SMALL))
        claims.check("a shape without its data takes no memory", declared_shapes_cost_nothing, server)
        claims.check("memory is flat: 2048 × 2048 weights", is_flat, server, 2048)
        claims.check("memory is flat: 4096 × 4096 weights", is_flat, server, 4096)
        claims.check("memory is flat: four of 2048 × 2048 at once", is_flat, server, 2048, 16, 4, 128)
        claims.check("bodies of empty brackets cost little", many_small_values)
        claims.check("the server stops cleanly after them", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
