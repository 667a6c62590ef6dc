"""Attention once more, naively: plain loops over Python floats, one line of the contract after the other.

evaluate() takes a request as it is sent and returns what a right answer holds. It computes in double precision whatever
the dtype; numbers are first rounded to float32 unless the request computes in float64, as the service does on reading
them. It is kept simple enough to check by eye and is not meant to be fast.
"""

import math
from dataclasses import dataclass, field

import attnd_reference_axes as axes
import attnd_tensors as tensors
from attnd_reference_sides import Sides, dot, project

STAGES = ("query", "key", "value", "scores", "capped", "masked", "weights", "lse", "heads", "present_key",
          "present_value", "output")
MINUS_INFINITY = -math.inf


@dataclass
class Answer:
    """`results`: stage → nested lists. `condition`: how much rounding is amplified in the worst row, 1 = not at all."""
    results: dict = field(default_factory=dict)
    fully_masked: list = field(default_factory=list)
    unexplained: bool = False  # a fully masked row that query_padding does not account for
    condition: float = 1.0
    drawn: dict = None  # name → (weight [out][in], bias or None) of projections.init


def evaluate(request, masked_route=False):
    request = {name: value for name, value in request.items() if value is not None}
    if "attention_axes" in request:
        plain, unfold = axes.fold(request)
        answer = evaluate(plain, masked_route)
        answer.results = unfold(answer.results)
        return answer
    tensor = reader(request)
    sides = Sides(request, tensor, masked_route)
    answer = Answer(drawn=sides.drawn)
    stages = attend(request, tensor, sides, answer)
    results = {"query": sides.query, "key": sides.new_keys, "value": sides.new_values, **stages}
    if request.get("normalize", "softmax") != "softmax":
        del results["lse"]
    results = {name: with_axes(array, sides.rank, sides.has_heads, name not in ("key", "value"))
               for name, array in results.items()}
    results["present_key"], results["present_value"] = sides.present_keys, sides.present_values
    if request.get("average_heads"):
        results["weights"] = averaged(stages["weights"], sides.rank)
    results["output"] = output_of(request, tensor, sides, stages["heads"], answer)
    answer.results = {name: results[name] for name in STAGES if name in results}
    return answer


def reader(request):
    """What turns a tensor as it is written into nested lists of the numbers computed with."""
    round_number = float if request.get("dtype") == "float64" else tensors.single
    return lambda value: tensors.each(tensors.read(value), lambda x: x if x is None else round_number(float(x)))


def attend(request, tensor, sides, answer):
    """The stages from scores to heads, each [B,H,L,·]."""
    batch, heads, length = len(sides.query), sides.heads, sides.length
    q, k, v, rules = sides.query, sides.all_keys, sides.all_values, sides.mask
    keys, value_size = sides.keys + sides.extra, len(v[0][0][0])
    scale = tensor(request["scale"]) if "scale" in request else 1 / math.sqrt(len(q[0][0][0]))
    cap = request.get("softcap")
    sinks = tensor(request["sinks"]) if "sinks" in request else [None] * heads
    stages = {name: [[[None] * length for _ in range(heads)] for _ in range(batch)]
              for name in ("scores", "capped", "masked", "weights", "lse", "heads")}
    for b in range(batch):
        for h in range(heads):
            g = h // (heads // sides.kv_heads)
            for i in range(length):
                row = [scale * dot(q[b][h][i], k[b][g][j]) for j in range(keys)]
                capped = [cap * math.tanh(s / cap) for s in row] if cap else row
                allowed = [rules.allows(b, h, i, j) for j in range(sides.keys)]
                allowed += [not rules.is_padded_query(b, i)] * sides.extra
                masked = [MINUS_INFINITY if not allowed[j] else
                          rules.change(capped[j], b, h, i, j) if j < sides.keys else capped[j] for j in range(keys)]
                if any(allowed):
                    # What cancels within a score is rounded as the larger products that it is the sum of.
                    sizes = [max(abs(s), abs(scale) * math.hypot(*q[b][h][i]) * math.hypot(*k[b][g][j]))
                             for j, s in enumerate(masked)]
                    weights, lse, condition = normalized(masked, sizes, allowed, request.get("normalize", "softmax"),
                                                         sinks[h])
                    answer.condition = max(answer.condition, condition)
                else:
                    answer.fully_masked.append((b * heads + h) * length + i)
                    answer.unexplained |= not rules.is_padded_query(b, i)
                    weights = [1 / keys if request.get("fully_masked") == "uniform" else 0.0] * keys
                    lse = MINUS_INFINITY if sinks[h] is None else sinks[h]
                output = [math.fsum(weights[j] * v[b][g][j][d] for j in range(keys) if weights[j] != 0)
                          for d in range(value_size)]
                for name, part in zip(stages, (row, capped, masked, weights, lse, output)):
                    stages[name][b][h][i] = part
    return stages


def normalized(row, sizes, allowed, how, sink):
    """The weights of one row, its log-sum-exp, and by how much cancellation amplifies rounding."""
    if how == "none":
        return [s if ok else 0.0 for s, ok in zip(row, allowed)], None, 1.0
    if how == "sum":
        total = math.fsum(s for s, ok in zip(row, allowed) if ok)
        size = math.fsum(size for size, ok in zip(sizes, allowed) if ok)
        if total == 0:
            return [0.0] * len(row), None, 1.0 if size == 0 else math.inf
        return [s / total if ok else 0.0 for s, ok in zip(row, allowed)], None, size / abs(total)
    joining = [s for s, ok in zip(row, allowed) if ok] + ([sink] if sink is not None else [])
    largest = max(joining)
    total = math.fsum(math.exp(s - largest) for s in joining)
    weights = [math.exp(s - largest) / total if ok else 0.0 for s, ok in zip(row, allowed)]
    return weights, largest + math.log(total), 1.0


def averaged(weights, rank):
    """The mean over the heads, [B,L,S] and with the axes of the query's rank."""
    mean = [[[math.fsum(column) / len(item) for column in zip(*rows)] for rows in zip(*item)] for item in weights]
    return mean if rank >= 3 else mean[0] if rank == 2 else mean[0][0]


def output_of(request, tensor, sides, heads, answer):
    """Merged heads → gate → output projection → add_norm."""
    if sides.rank == 4:
        return heads
    output = [[[x for head in item for x in head[i]] for i in range(sides.length)] for item in heads]
    gate = request.get("gate")
    if gate:
        bias = tensor(gate["bias"]) if gate.get("bias") is not None else None
        gates = project(sides.source, (tensor(gate["weight"]), bias))
        output = [[[x / (1 + math.exp(-g)) for x, g in zip(*rows)] for rows in zip(*items)]
                  for items in zip(output, gates)]
    output = project(output, sides.maps.get("output"))
    norm = request.get("add_norm")
    if norm:
        output = [[layer_norm(x, y, norm if norm is not True else {}, tensor, answer)
                   for x, y in zip(rows, others)] for rows, others in zip(sides.source, output)]
    return output if sides.rank == 3 else output[0] if sides.rank == 2 else output[0][0]


def layer_norm(x, y, norm, tensor, answer):
    sums = [a + b for a, b in zip(x, y)]
    mean = math.fsum(sums) / len(sums)
    variance = math.fsum((s - mean) ** 2 for s in sums) / len(sums)
    deviation = math.sqrt(variance + norm.get("epsilon", 1e-5))
    answer.condition = max(answer.condition, (max(map(abs, sums)) + 1) / deviation)
    weight = tensor(norm["weight"]) if norm.get("weight") is not None else [1.0] * len(sums)
    bias = tensor(norm["bias"]) if norm.get("bias") is not None else [0.0] * len(sums)
    return [(s - mean) / deviation * w + b for s, w, b in zip(sums, weight, bias)]


def with_axes(array, rank, has_heads, of_queries):
    """[B,H,rows,·] with the axes that the query's rank and num_heads give the answer."""
    if not has_heads:
        array = [item[0] for item in array]
    if rank >= 3:
        return array
    array = array[0]
    if rank == 2 or not of_queries:
        return array
    return [head[0] for head in array] if has_heads else array[0]


def merge(request):
    """POST /v1/attention/merge: results of the same queries over disjoint ranges of keys, joined by their lse."""
    tensor = reader(request)
    outputs = [tensor(part["output"]) for part in request["parts"]]
    logs = [tensor(part["lse"]) for part in request["parts"]]
    shape = tensors.shape_of(logs[0])
    flat_logs = [tensors.flatten(log) for log in logs]
    width = tensors.shape_of(outputs[0])[-1]
    flat_outputs = [tensors.flatten(output) for output in outputs]
    rows, sums = [], []
    for place in range(len(flat_logs[0])):
        here = [log[place] for log in flat_logs]
        present = [p for p, log in enumerate(here) if log is not None and log != MINUS_INFINITY]
        largest = max((here[p] for p in present), default=MINUS_INFINITY)
        weights = {p: math.exp(here[p] - largest) for p in present}
        total = math.fsum(weights.values())
        rows += [math.fsum(weights[p] * flat_outputs[p][place * width + d] for p in present) / total if present else 0.0
                 for d in range(width)]
        sums.append(largest + math.log(total) if present else MINUS_INFINITY)
    return Answer({"lse": tensors.nest(sums, shape), "output": tensors.nest(rows, shape + [width])})
