#!/usr/bin/env python3
# docs/draw_trace.py: draws a trace (wanfarm render LIST --trace trace.json) as an SVG picture: a row per rank, a bar per
# stage of a clip. Python's standard library only.
import argparse
import json
import math
import re
from collections import defaultdict
from html import escape

STAGES = {"text": "#8b6bc2", "high": "#d9643a", "low": "#3c78c8", "decode": "#35976b", "write": "#c29a1d"}
LOAD, WAIT, COMMUNICATION, INK, FAINT = "#a3968a", "#e3e6ea", "#10203a", "#24292f", "#6a737d"
HAND_OVER = {"stash": "#10203a", "fetch": "#d04a8b"}  # clip states between pools, moved by threads that do not compute
LEFT, RIGHT, TOP, BOTTOM = 130, 90, 74, 44  # margins in pixels
BIN = 2  # width in pixels of a column that shows the waiting for other ranks


class Span:
    def __init__(self, event, origin):
        self.category, self.name, self.thread = event["cat"], event["name"], event["tid"]
        self.begin = event["ts"] / 1e6 - origin
        self.end = self.begin + event["dur"] / 1e6
        self.clip = event.get("args", {}).get("clip", "")

    def seconds_within(self, begin, end):
        return max(0.0, min(self.end, end) - max(self.begin, begin))


class Rank:
    """One row: a bar for the thread that computes (the one that spends most time in stages and waiting for work),
    and a strip below it for the files that other threads write and the clip states that they stash and fetch."""

    def __init__(self, name, spans):
        self.name = name
        seconds = defaultdict(float)
        for span in spans:
            seconds[span.thread] += (span.end - span.begin) * (span.category in ("stage", "wait"))
        main = max(seconds, key=seconds.get, default=None)
        kinds = defaultdict(list)
        for span in sorted(spans, key=lambda span: span.begin):
            if span.thread == main:
                kinds[span.category].append(span)
            elif span.category in ("stage", "write"):
                kinds["file"].append(span)
            elif span.name in HAND_OVER:
                kinds["hand over"].append(span)
        self.kinds = kinds

    def busy(self, begin, end):
        def seconds(kind):
            return sum(span.seconds_within(begin, end) for span in self.kinds[kind])

        return (seconds("stage") - seconds("communication")) / (end - begin)


def without_host(names):
    """"rank 000 (n1)" becomes "rank 000" if all ranks ran on one host."""
    hosts = {name.partition(" (")[2] for name in names.values()}
    return names if len(hosts) > 1 else {rank: name.partition(" (")[0] for rank, name in names.items()}


def width_of(text, size=12):
    """The approximate width of a text in pixels."""
    return sum(0.3 if character in " fijlrt:." else 0.58 for character in text) * size


def read_ranks(file):
    """Returns the ranks in order, and the seconds from the first span to the end of the last."""
    with open(file, encoding="utf-8") as source:
        events = json.load(source)["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    if not spans:
        raise SystemExit(f"{file}: it has no spans")
    origin = min(event["ts"] for event in spans) / 1e6
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    gpus = {(event["pid"], event["tid"]) for event in events
            if event["name"] == "thread_name" and event["args"]["name"].startswith("GPU")}
    by_rank = defaultdict(list)
    for event in spans:
        if (event["pid"], event["tid"]) not in gpus:  # the GPU's own spans are too fine for this picture
            by_rank[event["pid"]].append(Span(event, origin))
    names = without_host(names)
    ranks = [Rank(names.get(rank, f"rank {rank:03}"), by_rank[rank]) for rank in sorted(by_rank)]
    return ranks, max(span.end for some in by_rank.values() for span in some)


def round_step(seconds):
    """The next of 1, 2, 5, 10, ... x 10^n."""
    power = 10 ** math.floor(math.log10(seconds))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= seconds * 0.999)


class Picture:
    def __init__(self, begin, end, width, rows):
        self.begin, self.end, self.width = begin, end, width
        self.bar = 26 if rows <= 16 else 14
        self.strip = 5
        self.row = self.bar + self.strip + (11 if rows <= 16 else 5)
        self.bottom = TOP + rows * self.row
        self.scale = (width - LEFT - RIGHT) / (end - begin)
        self.parts = []

    def x(self, seconds):
        return LEFT + (min(max(seconds, self.begin), self.end) - self.begin) * self.scale

    def rect(self, x, y, width, height, fill, more=""):
        self.parts.append(f'<rect x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{height:.1f}" fill="{fill}"{more}/>')

    def text(self, x, y, text, size=12, fill=INK, more=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}"{more}>{escape(text)}</text>')

    def span(self, span, y, height, fill, more=""):
        """Draws a span at least 0.4 pixels wide, so that even the shortest one is visible. Returns its true width."""
        if span.end < self.begin or span.begin > self.end:
            return 0
        width = self.x(span.end) - self.x(span.begin)
        self.parts.append(f"<g><title>{escape(f'{span.name} {span.clip}'.strip())}: {span.end - span.begin:.3f} s</title>")
        self.rect(self.x(span.begin), y, max(width, 0.4), height, fill, more)
        self.parts.append("</g>")
        return width

    def axis(self):
        step = round_step((self.end - self.begin) / 10)
        digits = max(0, -math.floor(math.log10(step)))
        for i in range(math.ceil(self.begin / step), math.floor(self.end / step * 1.0001) + 1):
            x = self.x(i * step)
            self.rect(x - 0.5, TOP - 6, 1, self.bottom - TOP + 8, "#eceef1")
            self.text(x, self.bottom + 18, f"{i * step:.{digits}f}", 11, FAINT, ' text-anchor="middle"')
        self.text(LEFT - 26, self.bottom + 18, "seconds", 11, FAINT, ' text-anchor="end"')

    def label(self, span, y, width):
        """Writes the number that the clip's name begins with, or as much of the name as fits."""
        number = re.match(r"0*(\d+)", span.clip)
        label, room = number.group(1) if number else span.clip, int((width - 6) / 6.6)
        if not number and len(label) > room >= 4:
            label = label[:room - 1] + "\u2026"
        if label and len(label) <= room:
            more = ' text-anchor="middle" font-weight="600"'
            self.text(self.x(span.begin) + width / 2, y + self.bar / 2 + 4, label, 11, "#ffffff", more)

    def steps(self, spans, y):
        last = -math.inf
        for span in spans:
            x = self.x(span.begin)
            if self.begin < span.begin < self.end and x - last >= 3:
                self.rect(x - 0.3, y, 0.6, self.bar, "#ffffff", ' opacity="0.55"')
                last = x

    def communication(self, spans, y):
        """Fills each column from below by the share of its time that was spent waiting for other ranks."""
        shares = defaultdict(float)
        for span in spans:
            first, last = ((self.x(t) - LEFT) / BIN for t in (span.begin, span.end))
            for column in range(int(first), math.ceil(last)):
                shares[column] += min(last, column + 1) - max(first, column)
        base = y + self.bar
        columns = [f"M{LEFT + column * BIN} {base}v{-min(share, 1) * self.bar:.1f}h{BIN}V{base}"
                   for column, share in sorted(shares.items())]
        self.parts.append(f'<path d="{"".join(columns)}" fill="{COMMUNICATION}" opacity="0.45"/>')

    def draw(self, rank, row):
        y = TOP + row * self.row
        self.text(LEFT - 10, y + self.bar / 2 + 4, rank.name, 12, INK, ' text-anchor="end"')
        self.rect(LEFT, y, self.width - LEFT - RIGHT, self.bar, "#f6f7f9")
        for span in rank.kinds["wait"]:
            if not any(stage.begin <= span.begin and span.end <= stage.end for stage in rank.kinds["stage"]):
                self.span(span, y, self.bar, WAIT)  # a wait within a stage would be hidden below it
        widths = [self.span(span, y, self.bar, STAGES.get(span.name, FAINT)) for span in rank.kinds["stage"]]
        for span in rank.kinds["load"]:
            self.span(span, y, self.bar, "url(#load)")
        self.communication(rank.kinds["communication"], y)
        self.steps(rank.kinds["step"], y)
        for span in rank.kinds["stage"]:  # a white gap between neighbours
            self.rect(self.x(span.begin) - 0.5, y, 1, self.bar, "#ffffff")
        for span, width in zip(rank.kinds["stage"], widths):
            self.label(span, y, width)
        for span in rank.kinds["file"]:
            self.span(span, y + self.bar + 1, self.strip, STAGES.get(span.name, STAGES["write"]))
        for span in rank.kinds["hand over"]:
            self.span(span, y + self.bar + 1, self.strip, HAND_OVER[span.name])
        busy = f"{100 * rank.busy(self.begin, self.end):.0f} % busy"
        self.text(self.width - RIGHT + 10, y + self.bar / 2 + 4, busy, 11, FAINT)

    def legend(self, ranks):
        """Explains the colours that occur in the picture."""
        seen = {kind for rank in ranks for kind in rank.kinds if rank.kinds[kind]}
        names = {span.name for rank in ranks for kind in ("stage", "file") for span in rank.kinds[kind]}
        entries = [(name, fill) for name, fill in STAGES.items() if name in names or (name == "write" and "file" in seen)]
        others = [("load", "load weights", "url(#load)"), ("wait", "wait for work", WAIT)]
        others += [("communication", "wait for other ranks", "#7b8699")]
        entries += [(text, fill) for kind, text, fill in others if kind in seen]
        entries += [(f"{name} a clip", fill) for name, fill in HAND_OVER.items()
                    if any(span.name == name for rank in ranks for span in rank.kinds["hand over"])]
        x = LEFT
        for text, fill in entries:
            self.rect(x, 42, 13, 13, fill, ' rx="2"')
            self.text(x + 18, 53, text, 12)
            x += 18 + width_of(text) + 20
        if any(span.clip[:1].isdigit() for rank in ranks for span in rank.kinds["stage"]):
            self.text(x, 53, "numbers: clips", 12)

    def svg(self, title):
        height = self.bottom + BOTTOM
        load = f'<rect width="6" height="6" fill="{LOAD}"/><rect width="2" height="6" fill="#ffffff" opacity="0.45"/>'
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {height}" width="{self.width}" '
            f'height="{height}" font-family="Helvetica, Arial, Liberation Sans, sans-serif">',
            '<defs><pattern id="load" width="6" height="6" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)">{load}</pattern></defs>',
            f'<rect width="{self.width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="26" font-size="16" font-weight="600" fill="{INK}">{escape(title)}</text>',
            *self.parts, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description="Draws a trace as an SVG picture.")
    parser.add_argument("trace", help="the file that wanfarm render --trace wrote")
    parser.add_argument("picture", help="the SVG file to write")
    parser.add_argument("--title", default="")
    parser.add_argument("--from", dest="begin", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--to", dest="end", type=float, metavar="SECONDS")
    parser.add_argument("--width", type=int, default=1200, metavar="PIXELS")
    options = parser.parse_args()
    ranks, end = read_ranks(options.trace)
    end = end if options.end is None else min(options.end, end)
    if options.begin >= end:
        parser.error(f"nothing between {options.begin} and {end:.3f} seconds")
    picture = Picture(options.begin, end, options.width, len(ranks))
    picture.axis()
    picture.legend(ranks)
    for row, rank in enumerate(ranks):
        picture.draw(rank, row)
    with open(options.picture, "w", encoding="utf-8") as file:
        file.write(picture.svg(options.title))


if __name__ == "__main__":
    main()
