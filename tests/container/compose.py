"""docker-compose.yml with the engine: one server, then four replicas behind HAProxy, which are restarted one after the
other and killed while clients post."""

import os
import re
import signal
import threading
import time

from engine import SOURCE, Failure, expect, inspect, logs, pid, run, wait_until
from attnd_client import SELF, SMALL, Connection, as_bytes, is_small_answer, message
from image import WIDE, answers, together

FILE = SOURCE / "docker-compose.yml"
PORT = 8081
REPLICAS = 4
# HAProxy asks again for what fits the buffer in deploy/haproxy.cfg: the first two do, the third does not.
FITTING = as_bytes({"inputs": [[(i * 5 + j) % 13 / 13 for j in range(32)] for i in range(24)], "decimals": 3})
TOO_LARGE = as_bytes({"inputs": [[(i * 5 + j) % 13 / 13 for j in range(256)] for i in range(24)], "decimals": 3})


def compose(*arguments, **options):
    return run("docker-compose", "-f", FILE, *arguments, seconds=300, **options)


def balancer_image():
    return re.search(r"^\s*image: (haproxy:\S+)$", FILE.read_text(), re.M).group(1)


def containers(service):
    return run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.service={service}").split()


def is_valid():
    compose("config", "--quiet")
    compose("--profile", "replicas", "config", "--quiet")


def haproxy_agrees(tag):
    version = run("docker", "run", "--rm", tag, "haproxy", "-v")
    expect(f"version {tag.split(':')[1]}." in version, f"{tag} holds {version}")
    check = run("docker", "run", "--rm", "-v", f"{SOURCE}/deploy/haproxy.cfg:/haproxy.cfg:ro", tag, "haproxy", "-c", "-f",
                "/haproxy.cfg", check=False)
    said = check.stdout + check.stderr
    expect(check.returncode == 0 and "WARNING" not in said and "ALERT" not in said, said)


def one_server():
    compose("up", "-d", "--no-build", "attnd")
    expect(wait_until(lambda: answers(8080), 30, 0.1), "no answer on port 8080")
    name, = containers("attnd")
    host = inspect(name, "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} "
                         "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}")
    expect(host == "2147483648 2000000000 128 true [ALL]", host)
    expect(wait_until(lambda: inspect(name, "{{.State.Health.Status}}") == "healthy", 60, 0.2),
           lambda: f"it does not get healthy: {inspect(name, '{{json .State.Health}}')}")
    goes_down("attnd")


def goes_down(*services):
    """`stop` and `down` end with 0, and so does every container."""
    names = [name for service in services for name in containers(service)]
    compose("--profile", "replicas", "stop")
    codes = {inspect(name, "{{.Name}}"): int(inspect(name, "{{.State.ExitCode}}")) for name in names}
    compose("--profile", "replicas", "down", "-v")
    expect(codes and not any(codes.values()), f"exit codes {codes}")
    left = run("docker", "ps", "-aq") + run("docker", "network", "ls", "-q", "--filter", "type=custom")
    expect(not left, f"left over: {left}")


def replicas_come_up():
    compose("--profile", "replicas", "up", "-d", "--no-build", "balancer")
    expect(wait_until(lambda: answers(PORT), 60, 0.2), "no answer through the balancer")
    names = containers("replica")
    expect(len(names) == REPLICAS, f"{len(names)} replicas")
    states = [inspect(name, "{{.State.Health.Status}}") for name in names]
    expect(set(states) == {"healthy"}, f"{states}")


def exchanges(name):
    return sum("/v1/attention" in line for line in logs(name).splitlines())


def shares_work():
    names = containers("replica")
    before = [exchanges(name) for name in names]

    def ask():
        for _ in range(50):
            with Connection(PORT, 30) as connection:
                is_small_answer(connection.post(SELF, SMALL))

    def all_took_part():
        together(ask, 4)
        return min(count() for count in counts) > 0

    counts = [lambda name=name, at=at: exchanges(name) - at for name, at in zip(names, before)]
    expect(wait_until(all_took_part, 30, 0.5), lambda: f"the replicas answered {[count() for count in counts]}")
    print(f"      the replicas answered {[count() for count in counts]}")


def passes_large_bodies():
    """Just below attnd's own limit of 64 MiB, so that a limit of the balancer would show; then above it."""
    for size, due in ((63 << 20, 200), (65 << 20, 413)):
        with Connection(PORT, 120) as connection:
            response = connection.post(SELF, b'{"inputs":[[1,0],[0,1]]' + b" " * size + b"}")
            expect(response.status == due, f"{size >> 20} MiB: {response!r}")


def streams_answers():
    with Connection(PORT, 120) as connection:
        response = connection.post(SELF, WIDE)
    expect(response.status == 200, f"{response!r}")
    weights = response.json()["weights"]
    expect(len(weights) == 2048 and all(len(row) == 2048 for row in weights), "the answer is not whole")


class Load:
    """Clients that post until told to stop: some on kept connections, some on new ones, some that send head and body
    apart. One line for each exchange that did not give the right 200."""

    def __init__(self, *more):
        """Six clients with small bodies, and one for each further body."""
        self.answered = 0
        self.lost = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=each)
                        for each in enumerate([as_bytes(SMALL), FITTING] * 3 + list(more))]

    def client(self, number, body):
        kept = None
        while not self.over.is_set():
            outcome = None
            try:
                connection = kept or Connection(PORT, 60)
                kept = connection if number % 3 == 0 else None
                data = message("POST", SELF, body)
                if number % 3 == 1:
                    connection.send(data[:-len(body)])
                    time.sleep(0.005)
                    data = body
                connection.send(data)
                response = connection.read()
                if response.status != 200 or b'"weights":[[' not in response.body:
                    outcome = f"{response!r}"[:200]
                if not kept or response.closes:
                    connection.close()
                    kept = None
            except (OSError, Failure) as error:
                outcome = f"{type(error).__name__}: {error}"[:200]
                connection.close()
                kept = None
            with self.lock:
                self.answered += outcome is None
                self.lost += [outcome] if outcome else []

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *ignored):
        time.sleep(1)
        self.over.set()
        for thread in self.threads:
            thread.join()

    def report(self, what):
        print(f"      {what}: {self.answered} answers, {len(self.lost)} lost {self.lost[:3] or ''}", flush=True)
        expect(self.answered > 200, f"only {self.answered} answers")


def serves(name, after):
    return wait_until(lambda: exchanges(name) > after, 60, 0.3)


def rolled():
    """Each replica gets SIGTERM, drains, ends and starts again, and has answered before the next one's turn. What HAProxy
    cannot ask for again is safe as well: the replica goes on until HAProxy has taken it out."""
    expect(len(FITTING) < 30 << 10 and len(TOO_LARGE) > 64 << 10, f"{len(FITTING)} and {len(TOO_LARGE)} bytes")
    with Load(TOO_LARGE, TOO_LARGE) as load:
        for name in containers("replica"):
            before = exchanges(name)
            run("docker", "restart", "-t", "40", name)
            before = max(before, exchanges(name))
            expect(serves(name, before), f"{name} gets no work after its restart")
    load.report("replicas restarted one after the other")
    expect(not load.lost, f"{len(load.lost)} requests were lost")
    expect(all(inspect(name, "{{.State.ExitCode}}") == "0" for name in containers("replica")), "exit codes")


def killed():
    """SIGKILL from outside, as a crash would look: requests go to the others, and the engine starts it again."""
    with Load() as load:
        for name in containers("replica"):
            restarts = int(inspect(name, "{{.RestartCount}}"))
            before = exchanges(name)
            os.kill(pid(name), signal.SIGKILL)
            expect(wait_until(lambda: int(inspect(name, "{{.RestartCount}}")) > restarts, 30, 0.1), f"{name} stays away")
            expect(serves(name, before), f"{name} gets no work after its crash")
    load.report("replicas killed one after the other")
    # An answer that had begun could not be asked for again, but a small one is written at once.
    expect(not load.lost, f"{len(load.lost)} requests were lost")


def main(claims):
    claims.check("docker-compose understands docker-compose.yml with and without the profile", is_valid)
    claims.check("haproxy finds nothing wrong with deploy/haproxy.cfg", haproxy_agrees, balancer_image())
    claims.check("one server: up, its limits set, healthy, down with 0", one_server)
    claims.check("four replicas and the balancer come up", replicas_come_up)
    claims.check("every replica gets work", shares_work)
    claims.check("a body of 63 MiB and the refusal of 65 MiB pass the balancer", passes_large_bodies)
    claims.check("a large streamed answer passes the balancer whole", streams_answers)
    claims.check("replicas restarted one after the other under load cost no request", rolled)
    claims.check("replicas killed one after the other under load cost no request", killed)
    claims.check("all of it stops with 0, and nothing is left", goes_down, "replica", "balancer")
