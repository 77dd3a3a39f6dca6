#!/usr/bin/env python3
# docs/draw_folders.py: draws which source folder includes which.
#   docs/draw_folders.py OUT.svg            draws docs/images/folders.svg
#   docs/draw_folders.py --text             prints the same as lines: folder -> the folders that it includes
# Reads every #include. Exits 1 and names the files if folders include each other in a cycle. Arrows that follow from
# others (a -> c, given a -> b -> c) are left out of the picture, but not out of the text.
import re
import sys
from collections import defaultdict
from pathlib import Path

TOP = ["base", "cluster", "jobs", "parallel", "pipeline", "launcher"]
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
SOURCES = (".cpp", ".hpp", ".cu", ".cuh")


def arrows_of(root):
    """Returns {folder: {included folder: [files that include it]}}. A source file belongs to the folder it lies in."""
    arrows = defaultdict(lambda: defaultdict(list))
    for path in sorted(p for top in TOP for p in (root / top).rglob("*") if p.suffix in SOURCES):
        folder = path.parent.relative_to(root).as_posix()
        arrows[folder]
        for header in INCLUDE.findall(path.read_text(encoding="utf-8")):
            other = Path(header).parent.as_posix()
            if other != folder and header.split("/")[0] in TOP:
                arrows[folder][other].append(path.relative_to(root).as_posix())
    return {folder: dict(others) for folder, others in arrows.items()}


def cycle_in(arrows):
    """Returns the folders of a cycle, with the first one repeated at the end; empty if there is no cycle."""
    done, path = set(), []

    def visit(folder):
        if folder in path:
            return path[path.index(folder) :] + [folder]
        if folder in done:
            return []
        path.append(folder)
        for other in sorted(arrows.get(folder, ())):
            if found := visit(other):
                return found
        path.pop()
        done.add(folder)
        return []

    for folder in sorted(arrows):
        if found := visit(folder):
            return found
    return []


def floors_of(arrows):
    """Returns each folder's floor: 0 if it includes no other folder, else one above the highest that it includes."""
    floors = {}

    def floor(folder):
        if folder not in floors:
            floors[folder] = 1 + max((floor(other) for other in arrows.get(folder, ())), default=-1)
        return floors[folder]

    for folder in arrows:
        floor(folder)
    return floors


def without_shortcuts(arrows):
    """Returns the arrows that do not follow from longer paths."""
    reach = {}

    def below(folder):
        if folder not in reach:
            reach[folder] = set()
            for other in arrows.get(folder, ()):
                reach[folder] |= {other} | below(other)
        return reach[folder]

    return {
        folder: {o for o in others if not any(o in below(via) for via in others if via != o)}
        for folder, others in arrows.items()
    }


# ---- The picture: a column for each part of the source, a row for each floor.

COLUMNS = [("jobs", ["jobs"]), ("base, cluster, parallel", ["base", "cluster", "parallel"]), ("pipeline", ["pipeline"]),
           ("launcher", ["launcher"])]
COLOURS = {"base": "#e8e8e8", "cluster": "#d5e5f5", "jobs": "#f6e3c5", "parallel": "#cfe8d5", "pipeline": "#e5d9f2",
           "launcher": "#f7d4d4"}
BOX_WIDTH, BOX_HEIGHT, ROW, GAP, MARGIN, HEAD = 156, 26, 56, 14, 24, 40


def column_of(folder):
    return next(i for i, (_, tops) in enumerate(COLUMNS) if folder.split("/")[0] in tops)


def places_of(floors):
    """Returns the centre of each folder's box, the heads of the columns, and the size of the picture."""
    rows = defaultdict(list)
    for folder in sorted(floors):
        rows[column_of(folder), floors[folder]].append(folder)
    widths = [max((len(row) for (c, _), row in rows.items() if c == column), default=1) for column in range(len(COLUMNS))]
    top = max(floors.values())
    places, left, heads = {}, MARGIN, []
    for column, width in enumerate(widths):
        pixels = width * (BOX_WIDTH + GAP) + GAP
        heads.append((left + pixels / 2, COLUMNS[column][0]))
        for (c, floor), row in rows.items():
            if c != column:
                continue
            begin = left + pixels / 2 - len(row) * (BOX_WIDTH + GAP) / 2
            for i, folder in enumerate(row):
                places[folder] = (begin + (i + 0.5) * (BOX_WIDTH + GAP), HEAD + MARGIN + (top - floor) * ROW)
        left += pixels + GAP
    return places, heads, left + MARGIN, HEAD + MARGIN + (top + 1) * ROW


def arrow_from(places, folder, other):
    """A curve downwards; around the boxes between where the two stand in one column."""
    (x, y), (to_x, to_y) = places[folder], places[other]
    begin, end = y + BOX_HEIGHT / 2, to_y - BOX_HEIGHT / 2
    is_blocked = x == to_x and any(at_x == x and y < at_y < to_y for at_x, at_y in places.values())
    bend = min(40, (end - begin) / 2)
    aside = 1.1 * BOX_WIDTH if is_blocked else 0
    return (
        f'<path d="M{x:.0f},{begin:.0f} C{x + aside:.0f},{begin + bend:.0f} {to_x + aside:.0f},{end - bend:.0f} '
        f'{to_x:.0f},{end:.0f}" fill="none" stroke="#666" stroke-width="1.1" marker-end="url(#tip)"/>')


def svg_of(arrows):
    floors = floors_of(arrows)
    places, heads, width, height = places_of(floors)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" '
        'font-size="12">',
        '<title>Folders of wanfarm; an arrow means: includes</title>',
        '<defs><marker id="tip" markerWidth="7" markerHeight="7" refX="6" refY="3" orient="auto">'
        '<path d="M0,0 L6,3 L0,6 Z" fill="#666"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
    ]
    for x, text in heads:
        lines.append(f'<text x="{x:.0f}" y="{HEAD - 12}" text-anchor="middle" font-weight="bold" fill="#444">{text}</text>')
    for folder, others in sorted(without_shortcuts(arrows).items()):
        lines += [arrow_from(places, folder, other) for other in sorted(others)]
    for folder, (x, y) in sorted(places.items()):
        colour = COLOURS[folder.split("/")[0]]
        lines.append(
            f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4" '
            f'fill="{colour}" stroke="#888"/>')
        name = folder if len(folder) < 24 else folder.split("/", 1)[1]
        lines.append(f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">{name}</text>')
    return "\n".join(lines + ["</svg>", ""])


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: docs/draw_folders.py OUT.svg | --text")
    arrows = arrows_of(Path(__file__).resolve().parent.parent)
    if cycle := cycle_in(arrows):
        for folder, other in zip(cycle, cycle[1:]):
            print(f"{folder} -> {other}: {', '.join(arrows[folder][other][:3])}")
        sys.exit("these folders include each other in a cycle")
    if sys.argv[1] == "--text":
        for folder, others in sorted(arrows.items()):
            print(f"{folder} -> {' '.join(sorted(others)) or '(nothing)'}")
    else:
        Path(sys.argv[1]).write_text(svg_of(arrows), encoding="utf-8")


if __name__ == "__main__":
    main()
