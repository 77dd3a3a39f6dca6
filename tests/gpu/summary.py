#!/usr/bin/env python3
# tests/gpu/summary.py RESULTS: summarises the results.jsonl of many.sh in less than 16,000 characters: one table per
# kind of bench, with a row per step. Python's standard library only.
import json
import sys
from collections import defaultdict

MAX_CHARACTERS = 15900
OMITTED_COLUMNS = ("bytes", "host", "least_s")
OMITTED_TABLES = ("operations",)  # they are in the logs
SHORTER = {"difference": "off by", "planned": "plan", "percent": "%", "_": " "}


def to_text(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)


def header(key):
    for long, short in SHORTER.items():
        key = key.replace(long, short)
    return key


def table(title, rows):
    """Formats dictionaries with the same keys as a table. Empty columns are omitted; texts are left-aligned."""
    keys = [key for key in rows[0] if key not in OMITTED_COLUMNS and any(row.get(key) not in (None, "") for row in rows)]
    columns = []
    for key in keys:
        cells = [header(key)] + [to_text(row.get(key)) for row in rows]
        width = max(map(len, cells))
        is_text = all(isinstance(row.get(key), str) for row in rows)
        columns.append([cell.ljust(width) if is_text else cell.rjust(width) for cell in cells])
    return "\n".join([title] + ["  ".join(line).rstrip() for line in zip(*columns)])


def latest(lines):
    """Keeps only the last run of each step. A step's last line is the one with "ok"."""
    steps, ended = defaultdict(list), set()
    for line in lines:
        if line["step"] in ended:
            steps[line["step"]].clear()
        (ended.add if "ok" in line else ended.discard)(line["step"])
        steps[line["step"]].append(line)
    return [line for of_step in steps.values() for line in of_step]


def benches(results):
    """Returns one table per kind of bench and name of table."""
    tables = defaultdict(list)
    for line in results:
        for result in line.get("results", []):
            for name, rows in result.items():
                if isinstance(rows, list) and rows and name not in OMITTED_TABLES:
                    step = line["step"].removeprefix(line["bench"]).strip("-")
                    tables[line["bench"], name] += [{"step": step, **row} for row in rows]
    return [table(f"bench {what}: {name}", rows) for (what, name), rows in tables.items()]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = latest([json.loads(line) for line in file])
    steps = [{"step": r["step"], "seconds": r["step_seconds"], "succeeded": r["ok"]} for r in results if "ok" in r]
    checks = [{"check": f"{r['step']}: {header(key)}", "found": value} for r in results
              if "ok" not in r and "bench" not in r for key, value in r.items() if key != "step"]
    parts = [table(title, rows) for title, rows in (("steps", steps), ("checks", checks)) if rows] + benches(results)
    text = "\n\n".join(parts)
    print(text if len(text) < MAX_CHARACTERS else text[:MAX_CHARACTERS] + "\n[cut short]")


if __name__ == "__main__":
    main()
