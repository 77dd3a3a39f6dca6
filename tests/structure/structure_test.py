#!/usr/bin/env python3
# tests/structure/structure_test.py: the source tree keeps its shape. Folders include only what they may know, functions
# and files stay short. Takes the source folder; prints each breach as file:line: what; exit 1 when there is one.
import re
import sys
from pathlib import Path

# An arrow: the folder on the left may include the folders on the right (and itself).
ARROWS = {
    "cluster": set(),
    "jobs": {"cluster"},
    "parallel": {"cluster"},
    "pipeline": {"cluster", "jobs", "parallel"},
    "launcher": {"cluster", "jobs", "parallel", "pipeline"},
    "models": {"cluster", "jobs", "parallel", "pipeline"},
    "tests/shapes_check": {"cluster", "jobs", "models", "pipeline"},  # a program of its own: sees frames, no networks
}
# What a folder must not know: patterns of includes.
TENSORS, YAML, MPI, HDF5 = r"(ATen|c10|torch)/", r"yaml-cpp/", r"mpi\.h", r"(hdf5|H5\w*)\.h"
LIBAV = r"lib(av\w*|sw\w*)/"
UNKNOWN = {
    "cluster": [TENSORS, YAML, MPI, HDF5, LIBAV],
    "jobs": [TENSORS, MPI, HDF5, LIBAV],
    "parallel": [YAML, HDF5, LIBAV],
    "pipeline": [YAML],
    "launcher": [r"pipeline/kernels/", HDF5],
    "models": [YAML, MPI, HDF5, LIBAV],
    "tests/shapes_check": [r"pipeline/(model|kernels|weights)/", YAML, MPI, HDF5, LIBAV],
}
# And words of its code, outside of comments.
UNKNOWN_WORDS = {"pipeline": ["MPI_COMM_WORLD", "SLURM_"]}
ALL_OF_TORCH = r"torch/(torch|all|extension)\.h"  # 15 s to compile each time; ATen/ATen.h has what is needed

MOST_FUNCTION_LINES = 60
MOST_FILE_LINES = 450
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
# What opens a brace that is no function's: a scope or a type.
SCOPE = re.compile(r"\b(namespace|class|struct|enum|union)\b[^()]*$|^extern\b[^()]*$")


def blanked(source):
    """The source with comments and literals emptied, so that braces and words in them do not count. Lines stay."""
    return COMMENT_OR_TEXT.sub(lambda match: "\n" * match.group().count("\n"), source)


def include_breaches(folder, source):
    for number, line in enumerate(source.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        other = header.split("/")[0]
        if other in ARROWS and other != folder and other not in ARROWS[folder]:
            yield number, f"{folder}/ must not include {other}/"
        for pattern in UNKNOWN[folder] + [ALL_OF_TORCH]:
            if re.match(pattern, header):
                yield number, f"{folder}/ must not include <{header}>"


def word_breaches(folder, code):
    for number, line in enumerate(code.splitlines(), 1):
        for word in UNKNOWN_WORDS.get(folder, []):
            if word in line:
                yield number, f"{folder}/ must not know {word}"


def functions(code):
    """(first line, last line) of every function: a brace pair after (...), not inside another function."""
    head, number, opened, start = "", 1, [], None
    for character in re.sub(r"^\s*#(?:.*\\\n)*.*", lambda m: "\n" * m.group().count("\n"), code, flags=re.M):
        number += character == "\n"
        if character == "{":
            is_function = start is None and ")" in head and not SCOPE.search(head.strip())
            if is_function:
                start = number
            opened.append(is_function)
            head = ""
        elif character == "}":
            if opened and opened.pop():
                yield start, number
                start = None
            head = ""
        elif character == ";":
            head = ""
        else:
            head += character


def length_breaches(source, code):
    lines = source.count("\n")
    if lines > MOST_FILE_LINES:
        yield 1, f"{lines} lines, at most {MOST_FILE_LINES}"
    for first, last in functions(code):
        if last - first + 1 > MOST_FUNCTION_LINES:
            yield first, f"a function of {last - first + 1} lines, at most {MOST_FUNCTION_LINES}"


def breaches(root):
    for folder in ARROWS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".cpp", ".hpp", ".cu", ".cuh"):
                continue
            source = path.read_text(encoding="utf-8")
            code = blanked(source)
            found = [*include_breaches(folder, source), *word_breaches(folder, code), *length_breaches(source, code)]
            for number, what in found:
                yield f"{path.relative_to(root)}:{number}: {what}"


def main():
    root = Path(sys.argv[1])
    found = list(breaches(root))
    print("\n".join(found) or f"{root}: as it should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
