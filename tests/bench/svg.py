"""Two kinds of chart as SVG, readable on light and on dark pages: bars and curves."""
import math
from xml.sax.saxutils import escape

# Distinct also for those who do not see all colours; the same on light and dark.
COLOURS = ["#2f7ed8", "#e8772e", "#3a9d5d", "#b65fc2", "#c9a227", "#7a7f87"]

_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 } .dim { fill: #59636e }
  .title { font-size: 15px; font-weight: 600 } .grid { stroke: #d1d9e0; stroke-width: 1 }
  .page { fill: #ffffff } .goal { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .dim { fill: #9198a1 } .grid { stroke: #3d444d } .page { fill: #0d1117 }
  }
"""


class Drawing:
    """Shapes with absolute coordinates, written as one file."""

    def __init__(self, width, height, title):
        self.width, self.height, self.parts = width, height, []
        self.text(16, 26, title, "title")

    def text(self, x, y, words, style="", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" '
                          f'text-anchor="{anchor}">{escape(str(words))}</text>')

    def line(self, x1, y1, x2, y2, style):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="{style}"/>')

    def bar(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" rx="2" fill="{colour}"/>')

    def curve(self, points, colour):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          'stroke-width="2" stroke-linejoin="round"/>')

    def legend(self, x, y, names):
        for number, name in enumerate(names):
            self.bar(x, y - 10, 12, 12, COLOURS[number % len(COLOURS)])
            self.text(x + 18, y, name)
            x += 36 + 7.5 * len(name)

    def write(self, path):
        with open(path, "w") as f:
            f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} '
                    f'{self.height}" width="{self.width}" height="{self.height}">\n'
                    f'<style>{_STYLE}</style>\n'
                    f'<rect class="page" width="{self.width}" height="{self.height}" rx="6"/>\n'
                    + "\n".join(self.parts) + "\n</svg>\n")


def bars(path, title, note, groups, names, goal=None):
    """Horizontal bars. groups: [(label, {name: (value, label)})]; value None: not measured."""
    left, right, row, gap = 130, 110, 17, 16
    known = [v for _, values in groups for v, _ in values.values() if v is not None]
    most = min(max(known), 4.0) if goal else max(known)     # one slow peer must not hide the rest
    height = 96 + sum(row * len(values) + gap for _, values in groups)
    d = Drawing(760, height, title)
    d.text(16, 46, note, "dim")
    d.legend(16, 70, names)
    scale = (d.width - left - right) / most
    y = 88
    for label, values in groups:
        d.text(left - 10, y + row * len(values) / 2 + 4, label, anchor="end")
        for name, (value, words) in values.items():
            if value is not None:
                width = min(value, most) * scale
                d.bar(left, y + 1, width, row - 4, COLOURS[names.index(name) % len(COLOURS)])
                d.text(left + width + 6, y + row - 6, words, "dim")
            y += row
        y += gap
    if goal:
        d.line(left + goal * scale, 80, left + goal * scale, height - 12, "goal")
        d.text(left + goal * scale, height - 2, f"goal {goal}", "dim", "middle")
    d.write(path)


def latency_curves(path, title, note, curves, goal_ms=None):
    """Latency by percentile, both axes logarithmic. curves: {name: sorted milliseconds}."""
    left, top, width, height = 70, 90, 660, 270
    d = Drawing(760, top + height + 56, title)
    d.text(16, 46, note, "dim")
    d.legend(16, 70, list(curves))
    count = max(len(values) for values in curves.values())
    nines = math.log10(count)
    low = math.log10(min(values[0] for values in curves.values()))
    high = math.log10(max([values[-1] for values in curves.values()] + [goal_ms or 0]) * 1.3)

    def place(share_left, ms):
        return (left + width * -math.log10(share_left) / nines,
                top + height * (1 - (math.log10(max(ms, 1e-6)) - low) / (high - low)))

    for power in range(math.ceil(low), math.floor(high) + 1):
        _, y = place(1, 10 ** power)
        d.line(left, y, left + width, y, "grid")
        d.text(left - 8, y + 4, f"{10 ** power:g} ms", "dim", "end")
    for power in range(int(nines) + 1):
        x, _ = place(10 ** -power, 1)
        d.line(x, top, x, top + height, "grid")
        digits = max(0, power - 2)
        d.text(x, top + height + 18, f"{100 - 100 / 10 ** power:.{digits}f} %", "dim", "middle")
    d.text(left + width / 2, top + height + 40, "share of requests answered within", "dim", "middle")
    if goal_ms:
        _, y = place(1, goal_ms)
        d.line(left, y, left + width, y, "goal")
    for number, values in enumerate(curves.values()):
        ranks = sorted({int(len(values) * (1 - 10 ** (-nines * i / 400))) for i in range(400)}
                       | {len(values) - 1})
        d.curve([place((len(values) - rank) / len(values), values[rank]) for rank in ranks],
                COLOURS[number])
    d.write(path)
