#!/usr/bin/env python3
"""10,000 random combinations of all options against the naive implementation, none off. Only in ./test --full.

Several processes draw, compute and compare, each over a connection of its own to one server. A failing request is shrunk
and printed with its seed; ATTND_SEED repeats a run, ATTND_COUNT scales how many are drawn.
"""

import collections
import multiprocessing
import os
import random

import attnd_trial as trial
from attnd_client import Claims, Connection, Failure, Server, expect

COMBINATIONS = 10_000
# Every option that can be left out must be in at least this share of the requests.
SHARE = 0.01
FAILURES = 3
MEMBERS = ("num_heads", "num_kv_heads", "projections", "scale", "softcap", "mask", "alibi", "sinks", "normalize", "rotary",
           "past_key", "past_value", "add_zero_attn", "attention_axes", "gate", "fully_masked", "average_heads", "add_norm",
           "return", "dtype", "decimals", "encoding", "seed", "tokens", "query_tokens", "key_tokens", "embeddings",
           "pad_token", "inputs", "query", "key", "value", "context")


def work(port, seed, numbers, results):
    """Requests of these numbers; puts how often each member occurred, and what failed."""
    seen, failures = collections.Counter(), []
    try:
        with Connection(port) as connection:
            for number in numbers:
                seen.update(trial.one(connection, f"{seed}/all/{number}", {}))
    except (Failure, OSError, ValueError) as error:
        failures.append(f"{type(error).__name__}: {error}")
    results.put((seen, failures))


def all_options(server, seed, count):
    processes = max(2, min(8, os.cpu_count() or 2))
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(server.port, seed, range(start, count, processes), results))
               for start in range(processes)]
    for worker in workers:
        worker.start()
    seen, failures = collections.Counter(), []
    for _ in workers:
        members, failed = results.get()
        seen.update(members)
        failures += failed
    for worker in workers:
        worker.join()
    expect(not failures, lambda: "\n      ".join(failures[:FAILURES]))
    rare = {name: seen[name] for name in MEMBERS if seen[name] < SHARE * count}
    expect(not rare, f"of {count} requests too few had {rare}")


def main():
    seed = os.environ.get("ATTND_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    count = int(COMBINATIONS * float(os.environ.get("ATTND_COUNT", "1")))
    print(f"seed {seed}")
    claims = Claims()
    with Server() as server:
        claims.check(f"{count} random combinations of all options", all_options, server, seed, count)
        claims.check("the server stops cleanly", server.stop)
    claims.finish()


if __name__ == "__main__":
    main()
