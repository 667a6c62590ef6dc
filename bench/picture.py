"""Small SVG pictures of the figures: bars, and lines on logarithmic axes. They carry their own background, so that they
read the same on a light and on a dark page."""

import html
import math

WIDTH = 760
COLOURS = {"attnd": "#c2410c", "FastAPI + NumPy": "#2563eb", "FastAPI + onnxruntime": "#0d9488",
           "plain jansson": "#7c3aed", "bare libmicrohttpd": "#6b7280"}


def colour(name):
    return next((COLOURS[server] for server in COLOURS if name.startswith(server)), "#333")


def text(x, y, words, anchor="start", size=13, fill="#222"):
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(words)}</text>'


def document(height, title, shapes):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text(16, 26, title, size=16), *shapes, "</svg>", ""])


def bars(title, rows):
    """rows: (name, value, what stands behind the bar); bars are proportional to the values."""
    most = max(value for _, value, _ in rows)
    shapes = []
    for i, (name, value, label) in enumerate(rows):
        y = 48 + 30 * i
        width = 380 * value / most
        shapes += [text(240, y + 15, name, "end"),
                   f'<rect x="250" y="{y}" width="{max(width, 1):.1f}" height="21" rx="2" fill="{colour(name)}"/>',
                   text(256 + width, y + 15, label, size=12, fill="#555")]
    return document(48 + 30 * len(rows) + 12, title, shapes)


def decades(values):
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def short(value):
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{mark}"
    return f"{value:g}"


def lines(title, across, up, series):
    """series: (name, points, dashed); both axes are logarithmic, the one across in powers of two."""
    left, right, top, bottom = 66, WIDTH - 260, 46, 400
    xs = sorted({x for _, points, _ in series for x, _ in points})
    low, high = decades([y for _, points, _ in series for _, y in points])
    high = max(high, low + 1)

    def place(x, y):
        span = math.log(xs[-1] / xs[0]) or 1
        return (left + (right - left) * math.log(x / xs[0]) / span,
                bottom - (bottom - top) * (math.log10(y) - low) / (high - low))

    shapes = []
    for power in range(low, high + 1):
        y = place(xs[0], 10.0**power)[1]
        shapes += [f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e5e5"/>',
                   text(left - 8, y + 4, short(10.0**power), "end", 12, "#555")]
    for x in xs:
        at = place(x, 10.0**low)[0]
        shapes += [f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}" stroke="#f1f1f1"/>',
                   text(at, bottom + 18, str(x), "middle", 12, "#555")]
    shapes += [text((left + right) / 2, bottom + 40, across, "middle", 13, "#555"),
               text(left, top - 6, up, size=12, fill="#555")]
    for i, (name, points, dashed) in enumerate(series):
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in sorted(points)))
        dashes = ' stroke-dasharray="6 4"' if dashed else ""
        y = top + 10 + 20 * i
        shapes += [f'<polyline points="{corners}" fill="none" stroke="{colour(name)}" stroke-width="2.2"{dashes}/>',
                   f'<line x1="{right + 12}" x2="{right + 34}" y1="{y}" y2="{y}" stroke="{colour(name)}" '
                   f'stroke-width="2.2"{dashes}/>', text(right + 40, y + 4, name, size=12)]
    return document(bottom + 56, title, shapes)
