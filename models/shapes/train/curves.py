#!/usr/bin/env python3
"""Draws the curves of a training: a panel for each stage, figures over steps, on a logarithmic scale.

    curves.py OUT.svg build/shapes/vae.jsonl build/shapes/experts.jsonl
"""
import json
import math
import sys
from html import escape
from pathlib import Path

WIDTH, HEIGHT, GAP, LEFT, TOP = 420, 200, 70, 60, 30
COLOURS = ("#1f6fb4", "#d2691e", "#3a8f3a")
NO_FIGURES = ("stage", "step", "seconds_a_step")


def ticks(low, high):
    """1, 2 and 5 times powers of ten between two numbers."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [value for k in decades for value in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if low <= value <= high]


def text(x, y, words, anchor="middle", colour="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def panel(lines, x0):
    names = [name for name in lines[0] if name not in NO_FIGURES]
    last = lines[-1]["step"]
    values = [line[name] for line in lines for name in names]
    low, high = min(values) / 1.1, max(values) * 1.6  # names stand above their curves
    across = lambda step: x0 + WIDTH * step / last
    down = lambda value: TOP + HEIGHT * (1 - math.log(value / low) / math.log(high / low))
    yield text(x0 + WIDTH / 2, TOP - 12, lines[0]["stage"])
    yield f'<rect x="{x0}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    for value in ticks(low, high):
        yield f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{down(value):.1f}" y2="{down(value):.1f}" stroke="#ddd"/>'
        yield text(x0 - 6, down(value) + 4, f"{value:g}", "end")
    apart = max(ticks(1, last / 3), default=1)
    for step in range(0, last + 1, round(apart)):
        yield text(across(step), TOP + HEIGHT + 18, f"{step:,}")
    for name, colour in zip(names, COLOURS):
        points = " ".join(f"{across(line['step']):.1f},{down(line[name]):.1f}" for line in lines)
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield text(x0 + WIDTH - 8, down(lines[-1][name]) - 8, name, "end", colour)


def main(out, *curves):
    stages = [[json.loads(line) for line in Path(curve).read_text().splitlines()] for curve in curves]
    width = LEFT + len(stages) * (WIDTH + GAP)
    drawn = [part for i, lines in enumerate(stages) for part in panel(lines, LEFT + i * (WIDTH + GAP))]
    Path(out).write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + HEIGHT + 30}" font-family="sans-serif" '
                         f'font-size="12"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(drawn) + "\n</svg>\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
