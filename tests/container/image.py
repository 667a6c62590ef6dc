"""The image: what is in it, how it runs confined, what the engine does with its HEALTHCHECK and its limits, and
`docker stop` under load."""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from engine import Failure, expect, inspect, logs, pid, published, run, status, tree, wait_until
from attnd_client import SELF, SMALL, Closed, Connection, as_bytes, is_small_answer, message

LARGEST = 80 << 20
CONFINED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
LICENCES = ("attnd", "libc6", "libjansson", "libmicrohttpd", "libopenblas")
# Positions of 8 numbers: 4 million weights, an answer of tens of MB that is streamed.
WIDE = as_bytes({"inputs": [[(i * 7 + j) % 11 / 11 for j in range(8)] for i in range(2048)], "decimals": 4})


def start(name, *options):
    """A container of attnd with a port of its own on loopback; returns the port once it answers."""
    run("docker", "run", "-d", "--name", name, "-p", "127.0.0.1::8080", *options)
    expect(wait_until(lambda: answers(published(name)), 30, 0.1), lambda: f"no answer: {logs(name)[-1500:]}")
    return published(name)


def answers(port):
    try:
        with Connection(port, 5) as connection:
            return connection.post(SELF, SMALL).status == 200
    except (OSError, Failure):
        return False


def remove(name):
    run("docker", "rm", "-f", "-v", name)


def is_small(image):
    size = int(inspect(image, "{{.Size}}"))
    print(f"      the image has {size / 1e6:.1f} MB")
    expect(size < LARGEST, f"{size} bytes, {LARGEST} are allowed")


def is_configured(image):
    config = json.loads(inspect(image, "{{json .Config}}"))
    due = {"User": "65532:65532", "StopSignal": "SIGTERM", "Entrypoint": ["/usr/local/bin/attnd"],
           "ExposedPorts": {"8080/tcp": {}}}
    expect({name: config[name] for name in due} == due, f"{config}")
    expect(config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/attnd", "--healthcheck"], f"{config['Healthcheck']}")


def holds_only_the_program(image):
    # The engine itself puts /dev, /etc/hosts and the like into a container.
    files = [item for item in tree(image) if not item.name.startswith(("dev", "proc", "sys", ".dockerenv"))]
    regular = [item for item in files if item.isfile()]
    expect(any(item.name == "usr/local/bin/attnd" and item.mode & 0o111 for item in regular), "attnd is not in it")
    foul = [item.name for item in regular if item.name.endswith("sh") or item.mode & 0o6002 or item.uid != 0]
    foul += [item.name for item in files if item.isdir() and (item.mode & 0o2 or item.uid != 0)]
    expect(not foul, f"a shell, or files that another than root may change: {foul}")
    for program in ("/bin/sh", "/bin/bash", "/usr/bin/dpkg"):
        refused = run("docker", "run", "--rm", "--entrypoint", program, image, check=False)
        expect(refused.returncode == 127, f"{program}: {refused}")


def carries_licences(image):
    names = [item.name for item in tree(image)]
    owners = {name.split("/")[-2] for name in names if name.startswith("usr/share/doc/") and name.endswith("/copyright")}
    missing = [name for name in LICENCES if not any(owner.startswith(name) for owner in owners)]
    expect(not missing, f"no licence of {missing} among {sorted(owners)}")
    libraries = [name for name in names if ".so" in name]
    print(f"      {len(libraries)} libraries, licences of {', '.join(sorted(owners))}")


def is_confined(name):
    due = {"Uid": "65532", "Gid": "65532", "Seccomp": "2", "NoNewPrivs": "1", "CapPrm": "0" * 16, "CapEff": "0" * 16,
           "CapBnd": "0" * 16}
    found = {field: status(name, field) for field in due}
    expect(found == due, f"{found}")
    mounts = pathlib.Path(f"/proc/{pid(name)}/mountinfo").read_text().splitlines()
    root = [line.split()[5] for line in mounts if line.split()[4] == "/"]
    expect(root and all("ro" in options.split(",") for options in root), f"its root is mounted {root}")
    expect(status(name, "NSpid") and pathlib.Path(f"/proc/{pid(name)}/status").read_text().split("NSpid:")[1]
           .split("\n")[0].split()[-1] == "1", "it is not process 1")


def seccomp_acts(base):
    """The engine's default profile refuses to switch address randomisation off; without it anyone may."""
    call = ["--rm", "--cap-drop", "ALL", "--user", "65532", "--entrypoint", "setarch"]
    denied = run("docker", "run", *call, base, "--addr-no-randomize", "true", check=False)
    expect(denied.returncode != 0 and "not permitted" in denied.stderr, f"{denied}")
    run("docker", "run", "--security-opt", "seccomp=unconfined", *call, base, "--addr-no-randomize", "true")


def health_acts(image):
    start("health", *CONFINED, "--health-interval", "1s", "--health-timeout", "2s", "--health-retries", "2", image)
    state = lambda: inspect("health", "{{.State.Health.Status}}")  # noqa: E731
    expect(wait_until(lambda: state() == "healthy", 60, 0.2), lambda: f"{state()} at the start")
    process = pid("health")
    os.kill(process, signal.SIGSTOP)
    expect(wait_until(lambda: state() == "unhealthy", 90, 0.2), lambda: f"{state()} while the program is stopped")
    os.kill(process, signal.SIGCONT)
    expect(wait_until(lambda: state() == "healthy", 60, 0.2), lambda: f"{state()} after it went on")
    remove("health")


def memory_limit_acts(base, image):
    """64 MB end a program that takes 300; attnd within 256 MB refuses what does not fit, and lives."""
    hog = ["docker", "run", "--name", "hog", "--memory", "64m", "--memory-swap", "64m", base, "perl", "-e",
           "my $x = 'a' x (300 << 20); print length $x"]
    killed = run(*hog, check=False)
    expect(killed.returncode == 137 and inspect("hog", "{{.State.OOMKilled}}") == "true", f"{killed}")
    remove("hog")
    port = start("small", *CONFINED, "--memory", "256m", "--memory-swap", "256m", image)
    statuses = []
    # 2 million numbers: 8 MB of text, 16 MB of tensors for each of several stages.
    heavy = as_bytes({"query": [[1] * 1000], "key": [[0.5] * 1000] * 1000, "value": [[0.5] * 1000] * 1000, "dtype": "float64",
                      "return": ["output"]})

    def ask():
        try:
            with Connection(port, 120) as connection:
                statuses.append(connection.post("/v1/attention", heavy).status)
        except (OSError, Failure) as error:
            statuses.append(str(error)[:120])

    together(ask, 48)
    counts = {one: statuses.count(one) for one in statuses}
    print(f"      48 requests of 2 million numbers at once within 256 MB: {counts}")
    expect(set(counts) <= {200, 413, 503} and counts.get(200), f"{counts}: {logs('small')[-800:]}")
    with Connection(port) as connection:
        is_small_answer(connection.post(SELF, SMALL))
    expect(inspect("small", "{{.State.Running}} {{.State.OOMKilled}} {{.RestartCount}}") == "true false 0", "it was killed")
    remove("small")


def together(function, count):
    """Calls a function in so many threads at once; what one of them raises is raised."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(function) for _ in range(count)]:
            future.result()


def process_limit_acts(base, image):
    forks = "my $n = 0; while ($n < 64) { my $p = fork; last unless defined $p; if (!$p) { sleep 20; exit } $n++ } print $n"
    made = int(run("docker", "run", "--rm", "--init", "--pids-limit", "16", base, "perl", "-e", forks))
    expect(4 < made < 16, f"{made} processes within a limit of 16")
    start("few", *CONFINED, "--pids-limit", "32", "-e", "ATTND_THREADS=2", image)
    expect(int(status("few", "Threads")) < 32, "attnd has more threads than its limit")
    remove("few")


def stops_under_load(image):
    """Every answer that was begun arrives whole, the long ones too; the exit code is 0."""
    port = start("stopped", *CONFINED, image)
    counts = {"whole": 0, "not taken": 0}
    cut = []
    ended = threading.Event()

    def small():
        while not ended.is_set():
            try:
                with Connection(port, 60) as connection:
                    for _ in range(20):
                        exchange(connection, SMALL)
            except OSError:
                counts["not taken"] += 1
                time.sleep(0.02)

    def exchange(connection, body):
        try:
            response = connection.post(SELF, body)
        except Closed as error:
            # Nothing of an answer had come: the connection ended before the request was taken.
            if str(error).endswith("after ''"):
                raise ConnectionError from None
            cut.append(str(error)[:200])
            return
        if response.status == 200 and b'"weights":[[' in response.body:
            counts["whole"] += 1
        elif response.status != 503:
            cut.append(f"{response!r}"[:200])
        if response.closes:
            raise ConnectionError

    def drain():
        time.sleep(1)
        # Two answers of tens of MB that have begun and are read only after the signal.
        held = [Connection(port, 120) for _ in range(2)]
        for connection in held:
            connection.send(message("POST", SELF, WIDE))
            connection._fill()
        before, began = counts["whole"], time.monotonic()
        stop = subprocess.Popen(["docker", "stop", "-t", "40", "stopped"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL)
        time.sleep(1)
        expect(stop.poll() is None, "it ended while two answers were under way")
        for connection in held:
            expect(len(connection.read().json()["weights"]) == 2048, "an answer is not whole")
        expect(stop.wait(60) == 0, "docker stop failed")
        return before, time.monotonic() - began

    loads = [threading.Thread(target=small, daemon=True) for _ in range(4)]
    for thread in loads:
        thread.start()
    try:
        before, took = drain()
    finally:
        ended.set()
        for thread in loads:
            thread.join()
    code = int(inspect("stopped", "{{.State.ExitCode}}"))
    print(f"      stopped in {took:.1f} s after {before} answers, {counts['whole'] - before} more while it drained")
    expect(code == 0 and took < 30, f"exit code {code} after {took:.1f} s: {logs('stopped')[-800:]}")
    expect(not cut and before > 50, f"{len(cut)} answers were cut: {cut[:3]}; {counts}")
    remove("stopped")


def main(claims, engine, image, base):
    limits = engine.info()
    claims.check("the image is small", is_small, image)
    claims.check("it says its user, port, signal, program and health check", is_configured, image)
    claims.check("it holds no shell and nothing that its user may change", holds_only_the_program, image)
    claims.check("it carries the licences of what it holds", carries_licences, image)
    if claims.check("it answers with a read-only root and without capabilities", start, "one", *CONFINED, image):
        claims.check("it is process 1, as 65532, without capabilities, under a seccomp filter", is_confined, "one")
        claims.check("it writes nothing", lambda: expect(run("docker", "diff", "one") == "", "files changed"))
        claims.check("docker stop ends it with 0", stops, "one")
    if any("seccomp" in option for option in limits["SecurityOptions"]):
        claims.check("the engine's default seccomp profile refuses system calls", seccomp_acts, base)
    else:
        print("skip  seccomp: this kernel has none")
    claims.check("HEALTHCHECK: healthy, unhealthy while the program is stopped, healthy again", health_acts, image)
    if limits["MemoryLimit"]:
        claims.check("a memory limit acts, and attnd lives within it", memory_limit_acts, base, image)
    else:
        print("skip  memory limit: this machine has no control group for it")
    if limits["PidsLimit"]:
        claims.check("a limit of processes acts, and attnd lives within it", process_limit_acts, base, image)
    else:
        print("skip  limit of processes: this machine has no control group for it")
    claims.check("docker stop under load cuts no answer", stops_under_load, image)


def stops(name):
    run("docker", "stop", name)
    expect(inspect(name, "{{.State.ExitCode}}") == "0", "its exit code is not 0")
    remove(name)
