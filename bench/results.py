"""What a case hands back, the arithmetic on rounds, and the text of the report."""

import dataclasses
import math
import statistics


@dataclasses.dataclass
class Target:
    """A figure that the project set itself, beside the one measured."""
    what: str
    wanted: str
    measured: str
    met: bool


@dataclasses.dataclass
class Section:
    name: str  # as --only takes it
    title: str
    about: str = ""
    commands: list = dataclasses.field(default_factory=list)
    tables: list = dataclasses.field(default_factory=list)  # (caption, columns, rows)
    targets: list = dataclasses.field(default_factory=list)
    pictures: dict = dataclasses.field(default_factory=dict)  # file name to (alternative text, SVG)
    printed: str = ""  # what a program of its own printed


def median(numbers):
    return statistics.median(numbers)


def percentile(numbers, share):
    return sorted(numbers)[min(len(numbers) - 1, math.ceil(share * len(numbers)) - 1)]


def ratios(ours, theirs):
    """Pair by pair: what the machine does to one round it does to both of the pair."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def number(value):
    """Three significant digits without an exponent."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}"


def spread(numbers):
    return f"{number(min(numbers))} – {number(max(numbers))}"


def times(numbers):
    """A ratio with the range of its rounds."""
    return f"{number(median(numbers))}× ({spread(numbers)})"


def mebibytes(size):
    return number(size / 2**20)


def at_least(what, values, least):
    return Target(what, f"≥ {least:g}×", times(values), median(values) >= least)


def at_most(what, values, parts):
    return Target(what, f"≤ 1/{parts:g}", f"1/{number(1 / median(values))} ({number(median(values))}×)",
                  median(values) <= 1 / parts)


def exponent(points):
    """The slope of log y against log x, least squares."""
    if len(points) < 2 or min(y for _, y in points) <= 0:
        return math.nan
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    return statistics.linear_regression(xs, ys).slope


def table(columns, rows, ruler="|---:"):
    """A table; `ruler` says how the columns after the first are aligned, figures to the right."""
    lines = ["| " + " | ".join(columns) + " |", "|---" + ruler * (len(columns) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def markdown(section, command):
    """A section as text; `command` is the run's, without the choice of cases."""
    parts = [f"## {section.title}", f"Printed by `{command} --only {section.name}`. {section.about}".strip()]
    if section.commands:
        parts.append("\n".join("    " + command for command in section.commands))
    for file, (description, _) in section.pictures.items():
        parts.append(f"![{description}](pictures/{file})")
    for caption, columns, rows in section.tables:
        parts += ([caption] if caption else []) + [table(columns, rows)]
    if section.targets:
        parts.append(targets(section.targets))
    if section.printed:
        parts.append("```\n" + "\n".join(line.rstrip() for line in section.printed.strip().splitlines()) + "\n```")
    return "\n\n".join(parts)


def targets(rows):
    return table(("target", "wanted", "measured", "met"),
                 [(row.what, row.wanted, row.measured, "yes" if row.met else "**no**") for row in rows], "|---")
