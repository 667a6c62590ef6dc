"""Random requests sent one after the other; the first that is answered wrongly is shrunk and reported with its seed."""

import json

import attnd_compare as compare
import attnd_random as requests
import attnd_reference as reference
from attnd_client import Failure, excerpt
from attnd_shrink import curl, shrink


def run(connection, seed, name, count, held):
    for number in range(count):
        one(connection, f"{seed}/{name}/{number}", held)


def one(connection, seed, held):
    """One request; the names of its members."""
    route, request, answer = requests.make(seed, **held)
    response = connection.post(route, request)
    try:
        compare.check_answer(request, response, answer)
    except Failure as error:
        kind = kind_of(response)
        small = shrink(request, lambda candidate: fails(connection, route, candidate, kind))
        again = connection.post(route, small)
        raise Failure(f"{error}\n      seed {seed}\n      {curl(route, small)}\n      {complaint(route, small, again)}\n"
                      f"      got {excerpt(again.body, 1500)}") from None
    return [name for name, value in request.items() if value is not None]


def checked(connection, route, request, factor=1.0):
    """The answer to a request, after it was compared with the reference."""
    response = connection.post(route, request)
    try:
        compare.check_answer(request, response, reference.evaluate(request, route.endswith("masked")), factor)
    except Failure as error:
        raise Failure(f"{error}\n      POST {route} {excerpt(json.dumps(request, ensure_ascii=False), 1500)}\n      got "
                      f"{excerpt(response.body, 1500)}") from None
    return response.json()


def kind_of(response):
    """What a smaller request must have in common: the status, and of a problem its code and pointer."""
    if response.status == 200:
        return 200, None, None
    try:
        members = json.loads(response.body)
    except ValueError:
        members = {}
    return response.status, members.get("code"), members.get("pointer")


def fails(connection, route, request, kind):
    """Whether this request, right as far as the reference can tell, is still answered wrongly in this way."""
    response = connection.post(route, request)
    return kind_of(response) == kind and complaint(route, request, response) is not None


def complaint(route, request, response):
    try:
        answer = reference.evaluate(request, route.endswith("masked"))
    except (ArithmeticError, AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        return None
    if answer.condition > 20:
        return None
    try:
        compare.check_answer(request, response, answer)
    except (Failure, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return str(error)
    return None
