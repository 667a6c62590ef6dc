"""A Docker Engine of this test's own, of which nothing is left however the test ends.

confine() runs the script again as process 1 of new mount and process namespaces: the engine's mounts and processes are
in there and end with it, even if it is killed. /run is fresh there, so that the engine meets no other engine of this
machine. The images are built with the machine's network and an engine without one. Then leave_network() moves into a new
network namespace, where bridges, addresses, published ports and iptables rules are nobody else's.
What could outlive a kill is the folder of the images and empty control groups: both are removed before and after."""

import ctypes
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zlib

SOURCE = pathlib.Path(os.environ.get("ATTND_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
sys.path.insert(0, str(SOURCE / "tests" / "http"))
from attnd_client import PATIENCE, Failure, excerpt, expect, wait_until  # noqa: E402

FOLDER = pathlib.Path(os.environ.get("ATTND_BUILD_DIR") or SOURCE / "build").absolute() / "engine"
RUN = pathlib.Path("/run/attnd-engine")
GROUP = f"attnd-engine-{zlib.crc32(bytes(FOLDER)):08x}"
NEEDED = ("dockerd", "docker", "containerd", "runc", "docker-compose", "debootstrap", "unshare", "mount", "iptables", "ip")
CLONE_NEWNET = 0x40000000
INSIDE = "ATTND_ENGINE_INSIDE"


def skip(reason):
    print(f"skipped: {reason}", flush=True)
    sys.exit(77)


def confine():
    """Returns in process 1 of the namespaces; the first call replaces the process by one that is."""
    if os.environ.get(INSIDE) == "1" and os.getpid() == 1:
        enter()
        return
    if os.geteuid() != 0:
        skip("a Docker Engine needs root")
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        skip(f"there is no {', '.join(missing)}; tools/packages.sh container installs it")
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    trial = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    if trial.returncode != 0:
        skip(f"no namespaces may be made here: {trial.stderr.strip()}")
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])


def enter():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = pathlib.Path(os.path.realpath("/etc/resolv.conf"))
    servers = names.read_bytes() if names.exists() else b""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    if names.is_relative_to("/run"):
        names.parent.mkdir(parents=True, exist_ok=True)
        names.write_bytes(servers)
    if os.path.isdir("/etc/docker"):  # older engines leave a key there
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/etc/docker"], check=True)
    RUN.mkdir()
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(FOLDER.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)  # held until the end
    remove_traces()
    FOLDER.mkdir()


def groups():
    """The control groups of this engine, innermost first; version 1 has a tree for each kind of limit, and the engine
    makes its own below the one it is in."""
    return [pathlib.Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup", topdown=False) if GROUP in folder]


def remove_traces():
    """What was killed may still be ending, so there is some patience."""
    def remove():
        for group in groups():
            try:
                group.rmdir()
            except OSError:
                pass
        return not groups()
    if not wait_until(remove, 10, 0.1):
        print(f"      these control groups stay: {groups()}", flush=True)
    # An engine may leave its data folder mounted on itself.
    points = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((point for point in points if pathlib.Path(point).is_relative_to(FOLDER)), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=True)
    subprocess.run(["rm", "-rf", "--one-file-system", FOLDER], check=True)


def leave_network():
    libc = ctypes.CDLL(None, use_errno=True)
    expect(libc.unshare(CLONE_NEWNET) == 0, f"unshare: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def run(*command, seconds=120, check=True, **options):
    """A command's output; a failure with all it said if it does not end with 0."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds * PATIENCE, **options)
    expect(not check or done.returncode == 0,
           lambda: f"{' '.join(map(str, command))} ended with {done.returncode}: "
                   f"{excerpt(done.stdout[-1500:] + done.stderr[-3000:], 4500)}")
    return done if not check else done.stdout.strip()


class Engine:
    """One run of dockerd over FOLDER. `alone`: without a bridge and without iptables, for building. The storage driver is
    the engine's own choice: overlay2, or vfs where that cannot be."""

    def __init__(self, alone):
        self.log = open(FOLDER / "dockerd.log", "ab")
        os.environ.update({"DOCKER_HOST": f"unix://{RUN}/socket", "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0",
                           "DOCKER_CONFIG": str(RUN / "client"), "COMPOSE_PROJECT_NAME": "attnd"})
        os.environ.pop("DOCKER_CONTEXT", None)
        command = ["dockerd", "--host", os.environ["DOCKER_HOST"], "--data-root", FOLDER / "data",
                   "--exec-root", RUN / "exec", "--pidfile", RUN / "pid", "--config-file", RUN / "none.json",
                   "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", GROUP,
                   *(["--bridge", "none", "--iptables=false", "--ip-forward=false"] if alone else [])]
        (RUN / "none.json").write_text("{}")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(lambda: self.process.poll() is not None or self.answers(), 60, 0.1)
        if not self.answers():
            text = (FOLDER / "dockerd.log").read_text(errors="replace")
            self.stop()
            skip(f"no Docker Engine starts here: {text[-1500:]}")

    def answers(self):
        return run("docker", "version", check=False).returncode == 0

    def info(self):
        return json.loads(run("docker", "info", "--format", "{{json .}}"))

    def stop(self):
        """Containers first: what the engine has to end by itself it ends more slowly."""
        if self.process.poll() is None:
            left = run("docker", "ps", "-aq", check=False).stdout.split()
            if left:
                run("docker", "rm", "-f", "-v", *left, check=False)
            self.process.terminate()
            try:
                self.process.wait(60 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def import_base(suite):
    """debian:<suite>-slim, made with debootstrap."""
    base = FOLDER / "base"
    run(SOURCE / "tests/container/debian.sh", suite, base, seconds=900)
    with subprocess.Popen(["tar", "-C", base, "--one-file-system", "-c", "."], stdout=subprocess.PIPE) as tar:
        run("docker", "import", "-c", "CMD [\"bash\"]", "-", f"debian:{suite}-slim", stdin=tar.stdout, seconds=300)
    expect(tar.returncode == 0, f"tar ended with {tar.returncode}")
    run("rm", "-rf", "--one-file-system", base)


def build(tag, folder, *options):
    run("docker", "build", "--network", "host", "-t", tag, *options, folder, seconds=1200)


def inspect(name, template):
    return run("docker", "inspect", "--format", template, name)


def pid(container):
    """Where process 1 of a container is in this script's process namespace."""
    return int(inspect(container, "{{.State.Pid}}"))


def status(container, field):
    text = pathlib.Path(f"/proc/{pid(container)}/status").read_text()
    return re.search(rf"^{field}:\s*(.*)$", text, re.M).group(1).split()[0]


def published(container, port=8080):
    return int(run("docker", "port", container, f"{port}/tcp").splitlines()[0].rsplit(":", 1)[1])


def logs(container):
    done = run("docker", "logs", container, check=False)
    return done.stdout + done.stderr


def tree(image):
    """The files of an image, as tarfile sees them."""
    container = run("docker", "create", image)
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
                return list(archive)
    finally:
        run("docker", "rm", container)
