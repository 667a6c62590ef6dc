#!/usr/bin/env python3
"""./run, tools/ and the CMake project as a newcomer meets them: in a copy of the tree with what may lie about in it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from attnd_client import Claims, excerpt, expect  # noqa: E402

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SECONDS = 900  # for one step, however busy the machine is
NOBODY = 65534
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith(("ATTND_", "CMAKE_", "PKG_CONFIG", "MAKE")) and name not in ("PORT", "CC", "CXX")}


def ended(command, tree, env=None, **options):
    return subprocess.run(command, cwd=tree, env=ENVIRONMENT | (env or {}), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, **options)


def done(command, tree, **options):
    result = ended(command, tree, **options)
    expect(result.returncode == 0, lambda: f"{command} ended with {result.returncode}: {excerpt(result.stdout[-1500:], 1500)}")
    return result.stdout


def copy(target):
    """The tree as a checkout has it: without build folders."""
    def left_out(folder, names):
        return [name for name in names if name in (".git", "node_modules", "__pycache__") or name.startswith(".venv")
                or (folder == ROOT and name.startswith("build"))]
    shutil.copytree(ROOT, target, ignore=left_out, symlinks=True)


def mark(tree, old, new):
    """An edit that --help shows."""
    name = os.path.join(tree, "server", "settings.c")
    with open(name, encoding="utf-8") as file:
        text = file.read()
    expect(old in text, f"settings.c lacks {old}")
    with open(name, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def copied_folder(tree):
    """build/run was configured for another checkout, as after cp -r: what is built is this one's sources."""
    done(["cmake", "-S", ROOT, "-B", "build/run", "-DATTND_TESTS=OFF"], tree)
    mark(tree, "usage: attnd [", "usage: copied [")
    said = done(["./run", "--help"], tree)
    expect("usage: copied [" in said, f"the other checkout was built: {excerpt(said)}")
    expect("Building" in said, f"nothing tells of the build: {excerpt(said)}")


def failed_configure(tree):
    """A configure that failed leaves a cache and no Makefile, in ./run's folder or in one of the user's."""
    os.remove(os.path.join(tree, "build", "run", "Makefile"))
    os.makedirs(os.path.join(tree, "build"), exist_ok=True)
    with open(os.path.join(tree, "build", "CMakeCache.txt"), "w", encoding="utf-8"):
        pass
    mark(tree, "usage: copied [", "usage: again [")
    said = done(["./run", "--help"], tree)
    expect("usage: again [" in said, f"{excerpt(said)}")


def starts(tree):
    """Says where it listens, what to try and what ends it; the signal reaches the program."""
    run = subprocess.Popen(["./run", "--port", "0"], cwd=tree, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    alarm = threading.Timer(SECONDS, run.kill)
    alarm.start()
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = run.stdout.readline()
            expect(line, f"ended without the hint: {excerpt(said)}")
            said += line
        command = re.search(r"^Try: (.*)$", said, re.MULTILINE)
        expect(command, f"no line to try: {excerpt(said)}")
        answer = done(["sh", "-c", command.group(1)], tree)
        expect('"weights"' in answer, f"{excerpt(answer)}")
        run.send_signal(signal.SIGINT)
        said += run.stdout.read()
        expect(run.wait() == 0 and "drained" in said, f"ended with {run.returncode}: {excerpt(said, 1500)}")
    finally:
        alarm.cancel()
        run.kill()
        run.wait()


def port_taken(tree):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = ended(["./run", "--port", str(other.getsockname()[1])], tree)
        expect(result.returncode == 1 and "./run --port 0" in result.stdout, f"{result}")


def another_users_folder(tree):
    """Root has built here; a plain user is told so, and is not shown the log of that build."""
    if os.getuid() != 0:
        print("      only root can try this: skipped")
        return
    os.chmod(os.path.dirname(tree), 0o755)
    result = ended(["./run", "--help"], tree, user=NOBODY, group=NOBODY, extra_groups=[])
    expect(result.returncode == 1 and "belongs to another user" in result.stdout, f"{result}")


def without_apt(tree):
    """A system that is not Debian is told what is needed."""
    with tempfile.TemporaryDirectory(prefix="attnd-tools-") as tools:
        for name in ("sh", "id", "grep"):
            os.symlink(shutil.which(name), os.path.join(tools, name))
        result = ended(["tools/packages.sh", "build"], tree, env={"PATH": tools})
    expect(result.returncode == 1, f"{result}")
    for what in ("apt-get", "libmicrohttpd-dev", "libjansson-dev", "cmake", "README.md"):
        expect(what in result.stdout, f"{what} is not named: {result.stdout}")


def installs(tree):
    """cmake --install --prefix, moved afterwards: the program, libattn with its pkg-config file, and the licence."""
    done(["cmake", "--install", "build/run", "--prefix", os.path.join(tree, "first")], tree)
    moved = os.path.join(tree, "moved")
    os.rename(os.path.join(tree, "first"), moved)
    expect("usage: again" in done([os.path.join(moved, "bin", "attnd"), "--help"], tree), "the program")
    for name in ("attnd", "libattn"):
        with open(os.path.join(moved, "share", "licenses", name, "LICENSE"), encoding="utf-8") as file:
            expect("MIT" in file.read(), name)
    found = [folder for folder, _, names in os.walk(moved) if "libattn.pc" in names]
    expect(len(found) == 1, f"libattn.pc is in {found}")
    done(["sh", "-c", "cc -std=c17 -Wall -Wextra -Werror examples/attention.c $(pkg-config --cflags --libs libattn) "
          "-o example"], tree, env={"PKG_CONFIG_PATH": found[0]})
    expect("0.669762 0.330238" in done(["./example"], tree), "the example's weights")


def without_criterion(tree, folder):
    """A pkg-config that knows all but Criterion."""
    os.makedirs(folder)
    for where in done(["pkg-config", "--variable=pc_path", "pkg-config"], tree).strip().split(":"):
        for name in os.listdir(where) if os.path.isdir(where) else []:
            if name != "criterion.pc" and not os.path.lexists(os.path.join(folder, name)):
                os.symlink(os.path.join(where, name), os.path.join(folder, name))
    return {"PKG_CONFIG_LIBDIR": folder, "PKG_CONFIG_PATH": ""}


def without_test_packages(tree):
    """A plain cmake configures the program and says why there are no tests; asked for, they are refused with the way out."""
    env = without_criterion(tree, os.path.join(tree, "pc"))
    said = done(["cmake", "-S", ".", "-B", "plain"], tree, env=env)
    expect("Without the tests, which need Criterion: tools/packages.sh test" in said, f"{excerpt(said, 3000)}")
    expect("Total Tests: 0" in done(["ctest", "--test-dir", "plain", "-N"], tree), "there are tests")
    result = ended(["cmake", "-S", ".", "-B", "asked", "-DATTND_TESTS=ON"], tree, env=env)
    expect(result.returncode != 0 and "tools/packages.sh test" in " ".join(result.stdout.split()), f"{result}")
    said = done(["cmake", "-S", ".", "-B", "plain"], tree)
    expect("Without the tests" not in said, "the tests do not come when Criterion has")


def ctest_builds_first(tree):
    """What ctest runs was built from the sources as they are."""
    done(["cmake", "-S", ".", "-B", "build/run", "-DATTND_TESTS=ON", "-DATTND_TEST_KINDS=http"], tree)
    mark(tree, "usage: again [", "usage: newest [")
    done(["ctest", "--test-dir", "build/run", "-R", "^http.golden$", "--no-tests=error"], tree)
    expect("usage: newest [" in done(["build/run/attnd", "--help"], tree), "ctest ran a program of yesterday")


def browser_without_its_driver(tree):
    """The browser test is skipped by name, not failed, where npm was not run."""
    result = ended(["tests/browser/drive.sh", "cors.mjs"], tree)
    expect(result.returncode == 77 and "skipped: " in result.stdout, f"{result}")


def main():
    claims = Claims()
    with tempfile.TemporaryDirectory(prefix="attnd-setup-") as folder:
        tree = os.path.join(os.path.realpath(folder), "attnd")
        copy(tree)
        claims.check("./run builds this checkout where its folder came from another", copied_folder, tree)
        claims.check("./run goes on after a configure that failed", failed_configure, tree)
        claims.check("./run says what to try and what ends it, and Ctrl-C ends it", starts, tree)
        claims.check("./run on a port that is taken names the way out", port_taken, tree)
        claims.check("./run in another user's build folder says so", another_users_folder, tree)
        claims.check("tools/packages.sh without apt names the packages", without_apt, tree)
        claims.check("what is installed with --prefix works where it is moved", installs, tree)
        claims.check("a plain cmake works without the tests' packages", without_test_packages, tree)
        claims.check("ctest builds before it tests", ctest_builds_first, tree)
        claims.check("the browser test is skipped without its driver", browser_without_its_driver, tree)
    claims.finish()


if __name__ == "__main__":
    main()
