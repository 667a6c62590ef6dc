"""Checks an answer of the service against what the reference says, member by member."""

import json
import math
import re

import attnd_tensors as tensors
from attnd_client import excerpt, expect

ORDER = ("dtype", "shape", "tokens", "query_tokens", "key_tokens", "fully_masked", "query", "key", "value", "scores",
         "capped", "masked", "weights", "lse", "heads", "present_key", "present_value", "projections", "output")
# What a result may be off by: a share of its row's scale, and for the dtypes that are only answered in, a share of the
# number itself, half a unit of its last place, and half the smallest step that there is.
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 2e-5, "bfloat16": 2e-5}
ROUNDING = {"float16": (2.0 ** -11 * 1.01, 2.0 ** -25 * 1.01), "bfloat16": (2.0 ** -8 * 1.01, 0.0)}


def check_answer(request, response, answer, factor=1.0):
    """`answer`: the reference's. Numbers may differ by the dtype's tolerance times the row's scale times `factor`."""
    expect(response.status == 200, lambda: f"status {response.status}: {excerpt(response.body, 700)}")
    expect(response.field("Content-Type") == "application/json", f"Content-Type {response.field('Content-Type')}")
    members = response.json()
    dtype = request.get("dtype") or "float32"
    wanted = request.get("return") or ["weights", "output"]
    due = [name for name in ORDER if name in ("dtype", "shape") or name in wanted
           or (name.endswith("tokens") and request.get(name) is not None)
           or (name == "fully_masked" and answer.fully_masked)]
    expect(list(members) == due, f"members {list(members)}, not {due}")
    expect(members["dtype"] == dtype, f"dtype {members['dtype']}")
    results = [name for name in due if name in wanted]
    expect(list(members["shape"]) == results, f"shape has {list(members['shape'])}, not {results}")
    if answer.fully_masked:
        expect(members["fully_masked"] == answer.fully_masked[:100],
               f"fully_masked {members['fully_masked']}, not {answer.fully_masked[:100]}")
    for name in results:
        if name == "projections":
            check_projections(members, answer.drawn, request)
            continue
        right = answer.results[name]
        expect(members["shape"][name] == tensors.shape_of(right),
               f"shape of {name} {members['shape'][name]}, not {tensors.shape_of(right)}")
        check_tensor(name, members[name], right, dtype, request, factor)
    if request.get("encoding") != "b64":
        check_texts(response.body, [name for name in results if name != "projections"], dtype, request.get("decimals"))


def check_projections(members, drawn, request):
    """What projections.init drew: the parameters of nn.Linear in torch's layout, in float32 bit for bit."""
    got = members["projections"]
    expect(list(got) == [*drawn, "layout"] and got["layout"] == "out_in", f"projections has {list(got)}")
    for name, (weight, bias) in drawn.items():
        parts = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        expect(list(got[name]) == list(parts), f"projections.{name} has {list(got[name])}, not {list(parts)}")
        for part, right in parts.items():
            shape = members["shape"]["projections"][name][part]
            expect(shape == tensors.shape_of(right), f"shape of projections.{name}.{part} {shape}")
            check_drawn(f"projections.{name}.{part}", tensors.read(got[name][part]), right, request)


def check_drawn(name, got, right, request):
    dtype = request.get("dtype") or "float32"
    expect(tensors.shape_of(got) == tensors.shape_of(right), f"{name} is nested as {tensors.shape_of(got)}")
    slack = 0.5000001 * 10.0 ** -request["decimals"] if request.get("decimals") is not None else None
    for a, b in zip(tensors.flatten(got), tensors.flatten(right)):
        due = tensors.rounded(b, dtype)
        expect(tensors.rounded(a, dtype) == due if slack is None else
               abs(a - due) <= slack + 2.0 ** -52 * abs(due), f"{name} holds {a}, not {due}")


def check_tensor(name, value, right, dtype, request, factor):
    if request.get("encoding") == "b64":
        expect(isinstance(value, dict) and value.get("dtype") == dtype and list(value) == ["shape", "dtype", "b64"],
               f"{name} is no b64 tensor of {dtype}: {excerpt(value)}")
        expect(value["shape"] == tensors.shape_of(right), f"{name}: shape {value['shape']} in its b64 tensor")
        got = tensors.read(value)
    else:
        got = tensors.each(value, lambda x: -math.inf if x is None and name in ("masked", "lse") else x)
    expect(tensors.shape_of(got) == tensors.shape_of(right), f"{name} is nested as {tensors.shape_of(got)}")
    tolerance = TOLERANCE[dtype] * factor
    slack = 0.5000001 * 10.0 ** -request["decimals"] if request.get("decimals") is not None else 0.0
    share, step = ROUNDING.get(dtype, (0.0, 0.0))
    width = tensors.shape_of(right)[-1] if tensors.shape_of(right) else 1
    got_flat, right_flat = tensors.flatten(got), tensors.flatten(right)
    expect(len(got_flat) == len(right_flat), f"{name} holds {len(got_flat)} numbers, not {len(right_flat)}")
    for start in range(0, len(right_flat), width):
        row = right_flat[start:start + width]
        scale = max([1.0] + [abs(x) for x in row if math.isfinite(x)])
        for place in range(start, start + width):
            a, b = got_flat[place], right_flat[place]
            if b == -math.inf or a == -math.inf:
                expect(a == b, f"{name}[{place}] is {a}, not {b}")
                continue
            expect(isinstance(a, (int, float)) and not isinstance(a, bool), f"{name}[{place}] is {a!r}")
            if dtype in ROUNDING and request.get("decimals") is None:
                a = tensors.rounded(a, dtype)  # the shortest text names it, and may lie beside it
            allowed = tolerance * scale + slack + abs(b) * share + step
            expect(abs(a - b) <= allowed,
                   lambda: f"{name}[{place}] (flat) is {a}, not {b}: off by {abs(a - b):.3g}, allowed {allowed:.3g}")


def check_texts(body, results, dtype, decimals):
    """The text of every number: exactly `decimals` decimals, or the fewest digits that read back to the same bits."""
    texts = json.loads(body, parse_float=Text, parse_int=Text)
    for name in results:
        for text in tensors.flatten(texts[name]):
            if text is None:
                continue
            if decimals is not None:
                pattern = r"-?(0|[1-9][0-9]*)" + (rf"\.[0-9]{{{decimals}}}" if decimals else "")
                expect(re.fullmatch(pattern, text), f"{name} holds {text}, which has not {decimals} decimals")
            else:
                check_shortest(name, text, dtype)


class Text(str):
    """A number's text as it was sent."""


def digits(text):
    """Significant digits of a number's text."""
    mantissa = re.split("[eE]", text.lstrip("-"))[0].replace(".", "").lstrip("0")
    return len(mantissa.rstrip("0")) or 1


def check_shortest(name, text, dtype):
    number = float(text)
    if dtype == "float64":
        least = digits(repr(number))
    else:
        number = tensors.rounded(number, dtype)
        expect(math.isfinite(number), f"{name} holds {text}")
        least = next(n for n in range(1, 10) if tensors.rounded(float(f"{number:.{n - 1}e}"), dtype) == number)
    expect(digits(text) <= least, f"{name} holds {text}, though {least} digits would do")
