"""deploy/haproxy.cfg and docker-compose.yml, without a Docker engine: docker-compose reads the file, haproxy checks the
configuration and then runs it in front of four real replicas on loopback; only the line that finds the replicas
through Docker's DNS is replaced."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(os.environ.get("ATTND_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
sys.path.insert(0, str(SOURCE / "tests" / "http"))
from attnd_client import Claims, Connection, Server, expect, wait_until  # noqa: E402

SMALL = {"inputs": [[1, 0], [0, 1]]}


def compose_file():
    for profile in ([], ["--profile", "replicas"]):
        run = subprocess.run(["docker-compose", "-f", SOURCE / "docker-compose.yml", *profile, "config", "--quiet"],
                             capture_output=True, text=True)
        expect(run.returncode == 0, f"docker-compose {profile}: {run.stderr}")
    text = (SOURCE / "docker-compose.yml").read_text()
    expect("./deploy/haproxy.cfg" in text, "the compose file does not mount deploy/haproxy.cfg")


def haproxy_check():
    run = subprocess.run(["haproxy", "-c", "-f", SOURCE / "deploy/haproxy.cfg"], capture_output=True, text=True)
    expect(run.returncode == 0 and "WARNING" not in run.stderr, run.stderr)


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(servers, port):
    text = (SOURCE / "deploy/haproxy.cfg").read_text()
    text, binds = re.subn(r"bind :8080", f"bind 127.0.0.1:{port}", text)
    text, templates = re.subn(r"server-template .*", "\n".join(
        f"    server replica-{i} 127.0.0.1:{server.port} check" for i, server in enumerate(servers)).strip(), text)
    expect(binds == 1 and templates == 1, "deploy/haproxy.cfg has another form than this test knows")
    return text


def answers(server):
    """How many exchanges on the attention routes a replica has logged."""
    return sum("/v1/attention" in line for line in server.log_lines())


def ask(port, body, timeout=60):
    with Connection(port, timeout) as connection:
        return connection.request("POST", "/v1/attention/self", json.dumps(body) if not isinstance(body, str) else body)


def shares_work(servers, port):
    for _ in range(40):
        response = ask(port, SMALL)
        expect(response.status == 200, f"{response.status}")
    counts = [answers(server) for server in servers]
    expect(min(counts) > 0, f"the replicas answered {counts} of 40 requests")


def passes_large_bodies(port):
    """Just below attnd's own limit of 64 MiB, so that a limit of the balancer would show."""
    row = '{"inputs":[[1,0],[0,1]]' + " " * (63 << 20) + "}"
    response = ask(port, row)
    expect(response.status == 200, f"{response.status} {response.body[:200]}")


def passes_refusals(port):
    response = ask(port, '{"inputs":[[1,0],[0,1]]' + " " * (65 << 20) + "}")
    expect(response.status == 413, f"{response.status}, not 413")


def streams_answers(port):
    """2,048 positions give 4 million weights. They come in pieces, and no balancer holds them back."""
    body = {"inputs": [[(i * 7 + j) % 11 / 11 for j in range(8)] for i in range(2048)], "decimals": 4}
    response = ask(port, body)
    expect(response.status == 200, f"{response.status} {response.body[:200]}")
    weights = json.loads(response.body)["weights"]
    expect(len(weights) == 2048 and all(len(row) == 2048 for row in weights), "the answer is not whole")


def survives_a_replica(servers, port):
    """SIGTERM to one replica under load: every request is answered with 200 by one or another."""
    statuses = []
    stop = threading.Event()

    def load():
        while not stop.is_set():
            try:
                statuses.append(ask(port, SMALL).status)
            except (OSError, AssertionError) as error:
                statuses.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    servers[0].process.send_signal(signal.SIGTERM)
    servers[0].process.wait(60)
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    bad = [status for status in statuses if status != 200]
    expect(len(statuses) > 100 and not bad, f"{len(bad)} of {len(statuses)} failed: {bad[:5]}")


def main():
    claims = Claims()
    claims.check("docker-compose understands docker-compose.yml with and without the profile", compose_file)
    claims.check("haproxy finds nothing wrong with deploy/haproxy.cfg", haproxy_check)
    servers = [Server("--threads", "1") for _ in range(4)]
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="attnd-balancer-") as folder:
        path = pathlib.Path(folder) / "haproxy.cfg"
        path.write_text(configuration(servers, port))
        haproxy = subprocess.Popen([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", path],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            claims.check("the balancer answers", lambda: expect(wait_until(lambda: try_one(port), 10), "no answer"))
            claims.check("all four replicas get work", shares_work, servers, port)
            claims.check("a body of 63 MiB reaches a replica", passes_large_bodies, port)
            claims.check("a replica's own refusal reaches the client", passes_refusals, port)
            claims.check("a large streamed answer arrives whole", streams_answers, port)
            claims.check("a replica that stops costs no request", survives_a_replica, servers, port)
        finally:
            haproxy.terminate()
            haproxy.wait(10)
            for server in servers:
                claims.check("a replica stops with exit code 0", server.stop)
    print("Not shown here: that Docker's DNS gives haproxy the addresses of the replicas.")
    claims.finish()


def try_one(port):
    try:
        return ask(port, SMALL, 2).status == 200
    except OSError:
        return False


main()
