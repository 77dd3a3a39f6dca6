#!/usr/bin/env python3
# tests/shapes_check/curve.py: what clips show, and how far they are from exact ones, against the forwards that they save.
#
#   tests/shapes_check/curve.py figures TABLE... >FIGURES.csv     figures from table.txt files of measure.sh
#   tests/shapes_check/curve.py draw FIGURES.csv PICTURE.svg
#
# Python's standard library only.
import csv
import re
import sys
from html import escape

ROWS = ("main colour", "background", "direction", "figure", "other colours", "all of these")
COLUMNS = ("setting", "saved", "forwards", "clips", *ROWS, "psnr_db", "ssim")


def read_tables(paths):
    """A row for each setting; shares are counts of clips. PSNR and SSIM are empty where nothing was compared."""
    found, setting, compared = {}, None, None
    for path in paths:
        for line in open(path, encoding="utf-8"):
            line = line.rstrip()
            if re.fullmatch(r"(exact|fp8|fp8-ffn|fp8-linear)(\+\w+:[\d.,]+)?", line):
                setting = found.setdefault(line, {"setting": line, "saved": 0})
            elif match := re.fullmatch(r"(\S+) against exact", line):
                compared = found.get(match[1])
            elif match := re.fullmatch(r"forwards saved: (\d+) of (\d+)", line):
                setting["saved"], setting["forwards"] = match[1], match[2]
            elif compared is None and (match := re.match(r"(.+?) +(\d+) of (\d+)  ", line)) and match[1] in ROWS:
                setting[match[1]], setting["clips"] = match[2], match[3]
            elif match := re.search(r"median PSNR is (\S+).*median SSIM ([\d.]+)", line):
                compared["psnr_db"], compared["ssim"] = match[1].rstrip(","), match[2]
        compared = None
    forwards = next((row["forwards"] for row in found.values() if "forwards" in row), "")
    return [{"forwards": forwards, **row} for row in found.values()]


def write_figures(paths):
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(read_tables(paths), key=lambda row: (row["setting"].split(":")[0], int(row["saved"]))))


WIDTH, LEFT, RIGHT, HEIGHT, GAP, TOP = 860, 62, 40, 260, 64, 62
COLOURS = {"exact+cache": "#3c78c8", "fp8+cache": "#d9643a", "exact+interval": "#35976b"}
NAMES = {"exact+cache": "step cache, exact", "fp8+cache": "step cache, fp8", "exact+interval": "guidance interval, exact"}
INK, FAINT, LINE = "#24292f", "#6a737d", "#e3e6ea"


class Panel:
    """One diagram: values from `low` to `high` over the share of forwards saved. What lies below is written at the bottom."""

    def __init__(self, top, low, high, title, space=10):
        self.top, self.low, self.high = top, low, high
        self.parts = [text(LEFT, top - space, title, INK, 13, weight="600")]

    def x(self, share):
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return self.top + (self.high - value) / (self.high - self.low) * HEIGHT

    def grid(self, step, unit):
        value = self.low
        while value <= self.high:
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(value):.1f}" y2="{self.y(value):.1f}" '
                              f'stroke="{LINE}"/>')
            self.parts.append(text(LEFT - 8, self.y(value) + 4, f"{value:g}{unit}", FAINT, 11, anchor="end"))
            value += step
        for tenth in range(11):
            self.parts.append(text(self.x(tenth / 10), self.top + HEIGHT + 18, f"{10 * tenth} %", FAINT, 11, anchor="middle"))

    def band(self, low, high, middle, label):
        x, width = LEFT, WIDTH - LEFT - RIGHT
        self.parts.append(f'<rect x="{x}" width="{width}" y="{self.y(high):.1f}" height="{self.y(low) - self.y(high):.1f}" '
                          f'fill="#f3f5f7"/>')
        self.parts.append(f'<line x1="{x}" x2="{x + width}" y1="{self.y(middle):.1f}" y2="{self.y(middle):.1f}" '
                          f'stroke="{FAINT}" stroke-dasharray="5 4"/>')
        self.parts.append(text(x + width - 6, self.y(high) + 14, label, FAINT, 11, anchor="end"))

    def points(self, rows, value):
        for kind, colour in COLOURS.items():
            for row in rows:
                if not row["setting"].startswith(kind + ":") or value(row) is None:
                    continue
                if value(row) < self.low:
                    self.parts.append(text(self.x(share(row)), self.top + HEIGHT - 6, f"{value(row):.0f}", colour, 11,
                                           anchor="middle", weight="600"))
                else:
                    self.parts.append(f'<circle cx="{self.x(share(row)):.1f}" cy="{self.y(value(row)):.1f}" r="4.5" '
                                      f'fill="{colour}"><title>{escape(row["setting"])}: {value(row):.2f}</title></circle>')

    def names(self, rows):
        """The settings at the top, each with a line down to its points."""
        drawn = set()
        for row in rows:
            kind, _, name = row["setting"].partition(":")
            if not name or (name, share(row)) in drawn:
                continue
            drawn.add((name, share(row)))
            x, colour = self.x(share(row)), FAINT if kind.endswith("cache") else COLOURS[kind]
            near = any(other != name and 0 <= share(row) - at < 0.015 for other, at in drawn)
            self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.top}" y2="{self.top + HEIGHT}" stroke="{LINE}"/>')
            self.parts.append(f'<g transform="translate({x + (12 if near else 4):.1f} {self.top - 6}) rotate(-55)">'
                              f'{text(0, 0, name, colour, 10)}</g>')


def text(x, y, what, colour, size, anchor="start", weight="400"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(what)}</text>')


def share(row):
    return int(row["saved"]) / int(row["forwards"])


def wilson(right, of, z=1.96):
    """The 95 % interval of a share (Wilson, 1927), in percent."""
    p, n = right / of, of
    middle, half = (p + z * z / (2 * n)), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return [100 * (middle + sign * half) / (1 + z * z / n) for sign in (-1, 1)]


def draw(figures, picture):
    with open(figures, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    complete = lambda row: 100 * int(row["all of these"]) / int(row["clips"])
    psnr = lambda row: float(row["psnr_db"]) if row["psnr_db"] else None
    exact = next(row for row in rows if row["setting"] == "exact")
    content = Panel(TOP + 92, 70, 100, f"clips that show all of their prompt, of {exact['clips']}", space=66)
    content.band(*wilson(int(exact["all of these"]), int(exact["clips"])), complete(exact), "exact, 95 % interval")
    content.grid(5, " %")
    content.names(rows)
    content.points(rows, complete)
    pixels = Panel(content.top + HEIGHT + GAP, 10, 50, "divergence, not quality: median PSNR to the exact clip")
    pixels.grid(10, " dB")
    pixels.points(rows, psnr)
    height = pixels.top + HEIGHT + 44
    legend, x = [], LEFT
    for kind, colour in COLOURS.items():
        legend += [f'<circle cx="{x + 5}" cy="{TOP - 8}" r="4.5" fill="{colour}"/>', text(x + 16, TOP - 4, NAMES[kind], INK, 12)]
        x += 180
    body = "\n".join([text(LEFT, 28, f"What saved forwards cost: models/shapes, {int(exact['forwards']) // 2} steps", INK, 16,
                           weight="600"),
                      *legend, *content.parts, *pixels.parts,
                      text((LEFT + WIDTH - RIGHT) / 2, height - 6, f"forwards saved, of {exact['forwards']}", FAINT, 12,
                           anchor="middle")])
    with open(picture, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
                   f'font-family="system-ui, sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n')


def main():
    if len(sys.argv) >= 3 and sys.argv[1] == "figures":
        write_figures(sys.argv[2:])
    elif len(sys.argv) == 4 and sys.argv[1] == "draw":
        draw(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__ or "usage: curve.py figures TABLE... | draw FIGURES.csv PICTURE.svg")


if __name__ == "__main__":
    main()
