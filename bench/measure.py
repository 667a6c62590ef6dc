"""What bench/run starts once everything is built: runs the cases, prints each section as soon as it is measured, and
writes the report. A whole default run is bench/RESULTS.md; a quick or partial one stays in the build folder."""

import argparse
import importlib.metadata
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time

import bench
import cases
import cases_memory
import clients
import results
import servers

CASES = {"small": cases.small, "large": cases.large, "memory": cases_memory.memory, "fair": cases.fair,
         "start": cases.start, "scale": cases_memory.scale}
# Measurements without a server: programs of the build or scripts, whose own text is the section.
PROGRAMS = {"core": ("The core alone", ["bench/core_peers.py", "{build}"]),
            "codec": ("The number codec alone", ["{build}/bench/bench_codec"])}
PROGRAM_LIMIT_S = 600
PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "orjson", "numpy", "onnxruntime")


def output_of(*command):
    try:
        return subprocess.run(command, cwd=servers.ROOT, text=True, capture_output=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def program(name, folder):
    """The section of a measurement without a server, or None where it is not there."""
    title, words = PROGRAMS[name]
    words = [word.format(build=folder) for word in words]
    if not (servers.ROOT / words[0]).exists():
        return None
    run = subprocess.run([sys.executable] * words[0].endswith(".py") + words, cwd=servers.ROOT, env=servers.ENVIRONMENT,
                         text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=PROGRAM_LIMIT_S)
    if run.returncode != 0:
        raise RuntimeError(f"{clients.shown(words)} ended with status {run.returncode}")
    return results.Section(name, title, commands=[clients.shown(words)], printed=run.stdout)


def machine(folder):
    cpu = next((line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory_kib = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    revision = output_of("git", "rev-parse", "--short", "HEAD")
    changed = " and changes not committed" if output_of("git", "status", "--porcelain", "core", "api", "server") else ""
    listening = next((line for line in (folder / "servers.log").read_text(errors="replace").splitlines()
                      if "listening" in line), "")
    microhttpd = listening.partition("libmicrohttpd=")[2].partition(" ")[0]
    blas = listening.partition('blas="')[2].partition('"')[0]
    dropped = ", ".join(f"`{name}`" for name in servers.DROPPED)
    return results.table(("what", "version"), [
        ("machine", f"{cpu}, {os.cpu_count()} cores, {memory_kib / 2**20:.0f} GiB"),
        ("system", f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"),
        ("attnd", f"{output_of(str(folder / 'attnd'), '--version')}, revision {revision}{changed}, "
                  f"{output_of('cc', '--version').splitlines()[0]}"),
        ("libraries of attnd", f"libmicrohttpd {microhttpd}, {blas}"),
        ("peers", f"Python {platform.python_version()}, " +
         ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)),
        ("client", output_of("sh", "-c", "wrk -v 2>&1 | head -n 1").partition(" Copyright")[0] + ", bench/latency.c"),
        ("variables unset for every server", dropped or "none was set"),
    ], "|---")


def report(shared, sections, started, load, minutes, command, choice):
    targets = [target for section in sections for target in section.targets]
    shown = results.table(("server", "started as"),
                          [(name, f"`{line}`") for name, line in shared.servers.shown.items()], "|---")
    parts = ["# Results",
             f"Written by `{command}{choice}` on {started}, in {minutes:.0f} minutes; load before the run {load:.1f}. "
             "Every server listens on 127.0.0.1 and shares the machine with its client. A ratio is the median over rounds "
             "in which both took their turn, with the smallest and largest in brackets. Before a case is timed, every "
             "peer's answer is compared with attnd's."]
    if targets:
        parts += ["## Targets", results.targets(targets)]
    parts += ["## Machine and versions", machine(shared.folder)]
    if shared.servers.shown:
        parts.append(shown)
    return "\n\n".join(parts + [results.markdown(section, command) for section in sections]) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures attnd beside its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes, a few minutes")
    parser.add_argument("--only", metavar="CASE[,CASE]", help=f"of {', '.join([*CASES, *PROGRAMS])}")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE",
                        help="report to write (default: bench/RESULTS.md for a whole default run, else in the build)")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [*CASES, *PROGRAMS]
    unknown = [name for name in names if name not in CASES and name not in PROGRAMS]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}")
    folder = options.build.resolve()
    whole = not options.quick and not options.only
    output = options.output or (servers.BENCH if whole else folder) / "RESULTS.md"

    started, load, begin = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0], time.monotonic()
    shared, command = bench.Bench(folder, options.quick), "bench/run --quick" if options.quick else "bench/run"
    sections, failed = [], False
    for name in names:
        print(f"bench/run: {name} …", file=sys.stderr, flush=True)
        try:
            section = CASES[name](shared) if name in CASES else program(name, folder)
        except (RuntimeError, OSError, subprocess.SubprocessError) as failure:
            section, failed = results.Section(name, f"{name} failed", printed=str(failure)), True
        if section is None:
            print(f"bench/run: {name} is not built, left out", file=sys.stderr)
            continue
        sections.append(section)
        print(results.markdown(section, command) + "\n", flush=True)

    text = report(shared, sections, started, load, (time.monotonic() - begin) / 60, command,
                  f" --only {options.only}" if options.only else "")
    (output.parent / "pictures").mkdir(parents=True, exist_ok=True)
    for section in sections:
        for file, (_, drawing) in section.pictures.items():
            (output.parent / "pictures" / file).write_text(drawing, encoding="utf-8")
    output.write_text(text, encoding="utf-8")
    print(f"bench/run: {output} is written", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    # So that an end from outside ends the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
