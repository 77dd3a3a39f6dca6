#!/usr/bin/env python3
# tests/structure/structure_test.py: the source tree keeps its shape. Folders include only what they may know, functions
# and files stay short, types have one definition. Takes the source folder; prints each breach as file:line: what; exit 1
# when there is one.
import re
import sys
from pathlib import Path

# An arrow: the folder on the left may include the folders on the right, and itself. A folder is the place of a source
# file, so a subfolder's arrows are its own. The floors go up: nothing includes what stands below it here.
ARROWS = {
    "base": "",
    "cluster": "base",
    "cluster/launch": "base cluster",
    "cluster/slurm": "base cluster",
    "jobs": "base",
    "jobs/list": "base jobs",
    "jobs/schedule": "base jobs",
    "jobs/output": "base jobs jobs/list",
    "jobs/record": "base jobs jobs/list jobs/output",
    "parallel": "base cluster",
    "pipeline/text": "base",
    "pipeline/video": "base",
    "pipeline/weights": "base jobs parallel",
    "pipeline/kernels": "base parallel",
    "pipeline": "base parallel pipeline/kernels",
    "pipeline/model": "base parallel pipeline pipeline/kernels pipeline/weights",
    "pipeline/experts": "base jobs jobs/schedule parallel pipeline pipeline/model pipeline/weights",
    "pipeline/stages": "base cluster jobs jobs/schedule parallel pipeline pipeline/experts pipeline/model pipeline/text "
    "pipeline/video pipeline/weights",
    "launcher/random_model": "base pipeline/weights",
    "launcher/convert": "base pipeline/experts pipeline/model pipeline/weights",
    "launcher/planner": "base cluster jobs jobs/schedule parallel pipeline pipeline/experts pipeline/model pipeline/stages",
    "launcher/options": "base cluster jobs jobs/output launcher/planner launcher/random_model parallel pipeline "
    "pipeline/video",
    "launcher/run": "base cluster cluster/launch cluster/slurm jobs jobs/output jobs/record jobs/schedule launcher/options launcher/planner parallel "
    "pipeline pipeline/stages pipeline/video pipeline/weights",
    "launcher/preview": "base jobs jobs/list jobs/output jobs/record pipeline/video",
    "launcher/status": "base cluster/slurm jobs jobs/list jobs/output jobs/record",
    "launcher/report": "base jobs jobs/list jobs/output jobs/record jobs/schedule pipeline/video",
    "launcher/bench": "base cluster jobs jobs/list jobs/output jobs/schedule launcher/options launcher/planner launcher/run "
    "parallel pipeline pipeline/kernels pipeline/model pipeline/stages pipeline/weights",
    "launcher/doctor": "base cluster cluster/launch jobs launcher/options launcher/run parallel pipeline pipeline/video "
    "pipeline/weights",
    "launcher/submit": "base cluster/slurm jobs/list jobs/record launcher/options launcher/planner launcher/status",
    "launcher/cli": "base cluster jobs jobs/list launcher/options",
    "launcher/cli/commands": "base cluster cluster/launch cluster/slurm jobs jobs/list jobs/output jobs/record launcher/bench launcher/cli launcher/convert launcher/doctor "
    "launcher/options launcher/planner launcher/preview launcher/random_model launcher/report launcher/run launcher/status launcher/submit parallel pipeline pipeline/stages pipeline/text pipeline/video "
    "pipeline/weights",
    "launcher": "cluster/launch launcher/cli launcher/cli/commands",
    "models/shapes/world": "base",
    "models/shapes/train": "base jobs models/shapes/world pipeline/text",
    "tests/shapes_check": "base jobs jobs/list models/shapes/world pipeline/text pipeline/video",  # frames alone
}
# What a folder must not know: patterns of includes.
TENSORS, YAML, MPI, HDF5 = r"(ATen|c10|torch)/", r"yaml-cpp/", r"mpi\.h", r"(hdf5|H5\w*)\.h"
LIBAV = r"lib(av\w*|sw\w*)/"
CLI11 = r"CLI/"
UNKNOWN = {
    "base": [TENSORS, YAML, MPI, HDF5, LIBAV, CLI11],
    "cluster": [TENSORS, YAML, HDF5, LIBAV, CLI11],
    "jobs": [TENSORS, MPI, HDF5, LIBAV, CLI11],
    "parallel": [YAML, HDF5, LIBAV, CLI11],
    "pipeline": [YAML, CLI11],
    "launcher": [HDF5, LIBAV],
    "models": [YAML, MPI, HDF5, LIBAV, CLI11],
    "tests": [YAML, MPI, HDF5, LIBAV, CLI11],
}
# And words of its code, outside of comments.
UNKNOWN_WORDS = {"pipeline": ["MPI_COMM_WORLD", "SLURM_"], "jobs/schedule": ["steady_clock", "system_clock"]}
MOST_LOOSE_FILES = {"launcher": 6}
ALL_OF_TORCH = r"torch/(torch|all|extension)\.h"  # 15 s to compile each time; ATen/ATen.h has what is needed

SOURCES = (".cpp", ".hpp", ".cu", ".cuh")
MOST_FUNCTION_LINES = 60
MOST_FILE_LINES = 450
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
# A namespace, the definition of a type, or any other brace.
TYPE = re.compile(
    r"\bnamespace\s*([\w:]*)\s*\{|\b(?:class|struct|union|enum(?:\s+class)?)\s+(\w+)(?:\s+final)?\s*(?::(?!:)[^;{}]*)?\{|[{}]"
)
# What opens a brace that is no function's: a scope or a type.
SCOPE = re.compile(r"\b(namespace|class|struct|enum|union)\b[^()]*$|^extern\b[^()]*$")


def blanked(source):
    """The source with comments and literals emptied, so that braces and words in them do not count. Lines stay."""
    return COMMENT_OR_TEXT.sub(lambda match: "\n" * match.group().count("\n"), source)


def may_include(folder, other):
    return other == folder or other in ARROWS[folder].split()


def parents(folder):
    """The folder and those around it: "launcher/cli", "launcher"."""
    parts = folder.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def include_breaches(folder, source):
    for number, line in enumerate(source.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        other = header.rpartition("/")[0]
        is_ours = other in ARROWS or header.split("/")[0] in {name.split("/")[0] for name in ARROWS} - {"tests"}
        if is_ours and not may_include(folder, other):
            yield number, f"{folder}/ must not include {other}/"
        for pattern in UNKNOWN[folder.split("/")[0]] + [ALL_OF_TORCH]:
            if re.match(pattern, header):
                yield number, f"{folder}/ must not include <{header}>"


def word_breaches(folder, code):
    words = [word for around in parents(folder) for word in UNKNOWN_WORDS.get(around, [])]
    for number, line in enumerate(code.splitlines(), 1):
        for word in words:
            if word in line:
                yield number, f"{folder}/ must not know {word}"


def folder_breaches(root):
    """Folders that nobody decided on, and folders that fill up with files of their own."""
    for top in sorted({folder.split("/")[0] for folder in ARROWS} - {"tests"}):
        for path in sorted((root / top).rglob("*")):
            folder = path.parent.relative_to(root).as_posix()
            if path.suffix in SOURCES and folder not in ARROWS:
                yield f"{path.relative_to(root)}:1: {folder}/ has no arrows in tests/structure/structure_test.py"
    for folder, most in MOST_LOOSE_FILES.items():
        loose = sum(path.is_file() for path in (root / folder).glob("*"))
        if loose > most:
            yield f"{folder}:1: {loose} files that lie loose, at most {most}"


def table_breaches():
    """The arrows of the table point down: to folders that stand above in it."""
    order = list(ARROWS)
    for folder, others in ARROWS.items():
        for other in others.split():
            if order.index(other) >= order.index(folder):
                yield f"tests/structure/structure_test.py:1: the arrow {folder} -> {other} points up"


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


def named_types(code):
    """(name with its namespaces, line) of every type that other files can name: none in an unnamed namespace."""
    around = []  # of each open brace the namespace; None: it is no namespace's, or an unnamed one's
    for match in TYPE.finditer(code):
        if match.group() == "}":
            around = around[:-1]
        elif match.group(1) is not None:
            around.append(match.group(1) or None)
        else:
            if match.group(2) and None not in around:
                yield "::".join([*around, match.group(2)]), code.count("\n", 0, match.start()) + 1
            around.append(None)


def type_breaches(root):
    """Two types of one name in one namespace: the linker joins their functions without a word (C++'s one-definition
    rule), also where one of them is a test's."""
    first = {}
    for top in sorted({folder.split("/")[0] for folder in ARROWS} | {"tests"}):
        for path in sorted(path for path in (root / top).rglob("*") if path.suffix in SOURCES):
            for name, line in named_types(blanked(path.read_text(encoding="utf-8"))):
                other = first.setdefault(name, path)
                if other != path:
                    yield f"{path.relative_to(root)}:{line}: {name} is also defined in {other.relative_to(root)}"


def breaches(root):
    yield from table_breaches()
    yield from folder_breaches(root)
    yield from type_breaches(root)
    for folder in ARROWS:
        for path in sorted((root / folder).glob("*")):
            if path.suffix not in SOURCES:
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
