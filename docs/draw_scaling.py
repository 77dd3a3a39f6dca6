#!/usr/bin/env python3
# docs/draw_scaling.py RESULTS... --output SVG: draws how much faster several GPUs compute one guided velocity than one
# does. RESULTS: results.jsonl of tests/gpu/many.sh, or what --save wrote. Python's standard library only.
import argparse
import json
from html import escape
from pathlib import Path

INK, FAINT, IDEAL = "#24292f", "#6a737d", "#e3e6ea"
COLOURS = {"exact": "#3c78c8", "fp8": "#d9643a"}
OTHER_COLOUR = "#35976b"
LEFT, RIGHT, TOP, ROW, BAR, GAP = 100, 400, 48, 24, 16, 36  # pixels
SPEEDUP = 46  # pixels for each GPU's worth of speed


def measured(line):
    """The lines to draw of one line of RESULTS: none for other kinds of measurements."""
    if "together_s" in line:
        yield line
    if line.get("bench") != "forward":
        return
    for result in line["results"]:
        seconds = {row["what"]: row["median_s"] for row in result["forward"]}
        settings = result["settings"]
        if "one rank" in seconds:
            yield {
                "size": settings["size"],
                "precision": settings["precision"],
                "gpus": settings["ranks"],
                "how": f"{settings['placement']}, {settings['guidance_mode']}",
                "alone_s": seconds["one rank"],
                "together_s": seconds["all ranks"],
            }


def read(files):
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]
    return [velocity for line in lines for velocity in measured(line)]


def speedup(velocity):
    return velocity["alone_s"] / velocity["together_s"]


def best_of_each(velocities):
    """{(size, precision): {gpus: velocity}} with the fastest way that was measured for each number of GPUs."""
    best = {}
    for velocity in velocities:
        of_kind = best.setdefault((velocity["size"], velocity["precision"]), {})
        known = of_kind.get(velocity["gpus"])
        if known is None or speedup(velocity) > speedup(known):
            of_kind[velocity["gpus"]] = velocity
    return dict(sorted(best.items(), key=lambda item: (len(item[0][0]), item[0])))


def text(x, y, words, colour=INK, weight="normal", anchor="start"):
    return f'<text x="{x}" y="{y}" fill="{colour}" font-weight="{weight}" text-anchor="{anchor}">{escape(words)}</text>'


def bar(y, gpus, velocity, colour):
    speed, end = speedup(velocity), LEFT + SPEEDUP * gpus
    efficiency = 100 * speed / gpus
    words = f"{velocity['together_s']:.3f} s, {speed:.2f} ×, {efficiency:.1f} %"
    yield text(LEFT - 10, y + 13, f"{gpus} GPUs", anchor="end")
    yield f'<rect x="{LEFT}" y="{y}" width="{SPEEDUP * gpus}" height="{BAR}" fill="{IDEAL}"/>'
    yield f'<rect x="{LEFT}" y="{y}" width="{SPEEDUP * speed:.1f}" height="{BAR}" fill="{colour}"/>'
    yield text(end + 8, y + 13, words)
    yield text(end + 178, y + 13, velocity["how"], FAINT)


def draw(best):
    most = max(gpus for of_kind in best.values() for gpus in of_kind)
    width, y, parts = LEFT + SPEEDUP * most + RIGHT, TOP, []
    for (size, precision), of_kind in best.items():
        alone = min(velocity["alone_s"] for velocity in of_kind.values())
        parts.append(text(20, y + 12, f"{size}, {precision}", weight="bold"))
        parts.append(text(LEFT + 2 * SPEEDUP + 8, y + 12, f"one GPU: {alone:.3f} s", FAINT))
        y += ROW
        for gpus, velocity in sorted(of_kind.items()):
            parts.extend(bar(y, gpus, velocity, COLOURS.get(precision, OTHER_COLOUR)))
            y += ROW
        y += GAP - ROW
    heading = "A guided velocity by several GPUs: seconds, speed-up, efficiency (grey: what is lost)"
    style = "font: 13px system-ui, sans-serif"
    body = "\n".join([text(20, 24, heading, weight="bold"), *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 4}" style="{style}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def main():
    parser = argparse.ArgumentParser(description="Draws how much faster several GPUs compute one guided velocity.")
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS")
    parser.add_argument("--output", type=Path, required=True, metavar="SVG")
    parser.add_argument("--save", type=Path, metavar="FILE", help="also write what was drawn as JSON lines")
    options = parser.parse_args()
    best = best_of_each(read(options.results))
    if not best:
        parser.error("no velocity of several ranks in " + ", ".join(map(str, options.results)))
    options.output.write_text(draw(best))
    if options.save:
        lines = [json.dumps(velocity) for of_kind in best.values() for velocity in of_kind.values()]
        options.save.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
