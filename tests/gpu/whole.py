#!/usr/bin/env python3
# tests/gpu/whole.py RESULTS: a clip of 40 guided steps from prompt to file, by the official code and by wanfarm, from
# the results.jsonl of `run.sh OUT whole-SIZE`. A row says whether it was measured as a whole, or put together from measured
# parts: the text of both prompts, 80 forwards, decoding, and for wanfarm writing the file. Loading is left out where it
# can be told apart. Python's standard library only.
import json
import sys

STEPS, BRANCHES = 40, 2
EXACT_FORWARDS = 2 * BRANCHES  # of a clip in 8 bits: the first step and the last one


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def official(lines, size):
    """The official code with the faster of its attentions; its decoding is in TF32, by torch's default."""
    of = lambda what, **keys: [line["seconds"] for line in lines
                               if line.get("official") == what and "seconds" in line
                               and all(line.get(key) == value for key, value in keys.items())]
    forwards, text, vae = of("forward", size=size), of("text", tokens=126), of("vae", size=size)
    if not (forwards and text and vae):
        return None
    return {"setting": "official", "text": BRANCHES * text[-1], "denoising": STEPS * BRANCHES * min(forwards),
            "decoding": vae[-1], "writing": 0.0, "how": "parts"}


def stages(line):
    return {row["stage"]: row for row in line["results"][0]["stages"]}


def seconds(row):
    return row["next_s"] if row.get("next_s") is not None else row["first_s"]


def per_forward(line):
    rows = [stages(line)[expert] for expert in ("high", "low")]
    return sum(map(seconds, rows)) / sum(row["forwards"] for row in rows)


def ours(line, exact):
    """A row of wanfarm. Clips of two steps give the time of a forward."""
    rows, settings = stages(line), line["results"][0]["settings"]
    is_whole = settings["steps"] != 2
    denoising = seconds(rows["high"]) + seconds(rows["low"])
    if not is_whole:
        slow = EXACT_FORWARDS if settings["precision"] == "fp8" and exact else 0
        denoising = (STEPS * BRANCHES - slow) * per_forward(line) + (slow * per_forward(exact) if slow else 0)
    return {"setting": line["step"].split("-", 2)[2], "text": seconds(rows["text"]), "denoising": denoising,
            "decoding": seconds(rows["decode"]), "writing": seconds(rows["write"]),
            "how": "whole" if is_whole else "parts"}


def with_f32_decoding(row, lines, size):
    """The row of exact clips whose decoding is not in TF32 either."""
    for line in lines:
        if line.get("step") == f"whole-{size}-f32-decoding" and "results" in line:
            return {**row, "setting": "exact, f32 decoding", "decoding": line["results"][0]["seconds"], "how": "parts"}
    return None


def table(size, rows):
    columns = ("setting", "text", "denoising", "decoding", "writing", "whole", "official / it", "how")
    reference = next((row["whole"] for row in rows if row["setting"] == "official"), None)
    lines = [columns]
    for row in rows:
        faster = f"{reference / row['whole']:.2f}" if reference else "-"
        lines.append((row["setting"], *(f"{row[key]:.2f}" for key in columns[1:6]), faster, row["how"]))
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    aligned = ("  ".join(cell.ljust(width) if i in (0, 7) else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)
    return "\n".join([f"{size}, 81 frames, seconds", *aligned])


def main():
    lines = read(sys.argv[1])
    for size in ("832x480", "1280x720"):
        clips = [line for line in lines if line.get("step", "").startswith(f"whole-{size}-")
                 and line.get("bench") == "clip"]
        exact = next((line for line in clips if line["step"] == f"whole-{size}-exact"), None)
        rows = [official(lines, size), with_f32_decoding(ours(exact, exact), lines, size) if exact else None,
                *(ours(line, exact) for line in clips)]
        rows = [row for row in rows if row]
        for row in rows:
            row["whole"] = sum(row[key] for key in ("text", "denoising", "decoding", "writing"))
        if rows:
            print(table(size, rows) + "\n")


if __name__ == "__main__":
    main()
