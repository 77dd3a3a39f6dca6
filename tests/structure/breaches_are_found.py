#!/usr/bin/env python3
# tests/structure/breaches_are_found.py: structure_test.py is no test that always passes. Each breach, planted in a small
# tree, is found; what only looks like one is not.
import subprocess
import sys
import tempfile
from pathlib import Path

CHECK = Path(__file__).with_name("structure_test.py")
LONG_BODY = "  ++n;\n" * 70
LONG_FUNCTION = "namespace wf {\nint f(int n) {\n" + LONG_BODY + "  return n;\n}\n}\n"

# file, content, what must be said of it (None: nothing)
CASES = [
    ("jobs/a.cpp", '#include "pipeline/types.hpp"\n', "jobs/a.cpp:1: jobs/ must not include pipeline/"),
    ("cluster/a.hpp", '#include "jobs/job.hpp"\n', "must not include jobs/"),
    ("parallel/a.hpp", '#include "jobs/job.hpp"\n', "must not include jobs/"),
    ("pipeline/a.cpp", '#include "launcher/flags.hpp"\n', "must not include launcher/"),
    ("pipeline/a.cpp", '#include "jobs/job.hpp"\n#include "parallel/attention.hpp"\n', None),
    ("cluster/a.cpp", "#include <ATen/core/Tensor.h>\n", "must not include <ATen/core/Tensor.h>"),
    ("jobs/a.cpp", "#include <mpi.h>\n", "must not include <mpi.h>"),
    ("jobs/a.cpp", "#include <yaml-cpp/yaml.h>\n", None),
    ("pipeline/model/a.cpp", "#include <yaml-cpp/yaml.h>\n", "must not include <yaml-cpp/yaml.h>"),
    ("pipeline/a.cpp", "auto c = MPI_COMM_WORLD;\n", "must not know MPI_COMM_WORLD"),
    ("pipeline/a.cpp", "// never MPI_COMM_WORLD\n", None),
    ("launcher/a.cpp", '#include "pipeline/kernels/norm.hpp"\n', "must not include <pipeline/kernels/norm.hpp>"),
    ("models/shapes/world/a.cpp", '#include "launcher/flags.hpp"\n', "models/ must not include launcher/"),
    ("pipeline/a.cpp", '#include "models/shapes/world/scene.hpp"\n', "pipeline/ must not include models/"),
    ("tests/shapes_check/a.cpp", '#include "pipeline/model/vae.hpp"\n', "must not include <pipeline/model/vae.hpp>"),
    ("launcher/a.cpp", "#include <hdf5.h>\n", "must not include <hdf5.h>"),
    ("pipeline/a.cpp", "#include <torch/torch.h>\n", "must not include <torch/torch.h>"),
    ("jobs/a.cpp", LONG_FUNCTION, "jobs/a.cpp:2: a function of 73 lines"),
    ("jobs/a.cpp", "struct A {\n  A(int n)\n      : n(n) {\n" + LONG_BODY + "  }\n  int n;\n};\n", "a function of 72 lines"),
    ("jobs/a.cpp", "auto f = [](int n) {\n" + LONG_BODY + "};\n", "a function of 72 lines"),
    ("jobs/a.cpp", "struct A {\n" + "  int f() { return '{'; }\n" * 70 + "};\n", None),
    ("jobs/a.cpp", 'const char* a[] = {\n' + '    "f() {",\n' * 70 + "};\n", None),
    ("jobs/a.cpp", "// a line\n" * 451, "jobs/a.cpp:1: 451 lines"),
]


def said_of(name, content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.parent.mkdir(parents=True)
        path.write_text(content)
        run = subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)
        return run.returncode, run.stdout


def main():
    failed = 0
    for name, content, expected in CASES:
        code, said = said_of(name, content)
        if (code == 0) != (expected is None) or (expected or "") not in said:
            failed += 1
            print(f"{name} with {content[:60]!r}...: expected {expected!r}, exit {code}, said: {said}")
    print(f"{len(CASES) - failed} of {len(CASES)} cases as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
