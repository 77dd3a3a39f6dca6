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

# file (or several of one content), content, what must be said of it (None: nothing)
CASES = [
    # A folder includes one that stands above it.
    ("base/a.hpp", '#include "cluster/node.hpp"\n', "base/a.hpp:1: base/ must not include cluster/"),
    ("base/a.hpp", '#include "jobs/job.hpp"\n', "must not include jobs/"),
    ("cluster/a.cpp", '#include "parallel/communicator.hpp"\n', "cluster/ must not include parallel/"),
    ("jobs/a.cpp", '#include "pipeline/types.hpp"\n', "jobs/a.cpp:1: jobs/ must not include pipeline/"),
    ("parallel/a.hpp", '#include "jobs/job.hpp"\n', "must not include jobs/"),
    ("pipeline/stages/a.cpp", '#include "launcher/options/run_options.hpp"\n', "must not include launcher/options/"),
    ("models/shapes/world/a.cpp", '#include "launcher/cli/flags.hpp"\n', "must not include launcher/cli/"),
    ("pipeline/stages/a.cpp", '#include "models/shapes/world/scene.hpp"\n', "must not include models/shapes/world/"),
    ("tests/shapes_check/a.cpp", '#include "pipeline/model/vae.hpp"\n', "must not include pipeline/model/"),
    # Or a subfolder of the same folder does, or they lie side by side.
    ("launcher/planner/a.cpp", '#include "launcher/run/progress.hpp"\n', "launcher/planner/ must not include launcher/run/"),
    ("launcher/run/a.cpp", '#include "launcher/cli/flags.hpp"\n', "launcher/run/ must not include launcher/cli/"),
    ("launcher/bench/a.cpp", '#include "launcher/cli/commands/commands.hpp"\n', "must not include launcher/cli/commands/"),
    ("launcher/cli/a.cpp", '#include "launcher/cli/commands/commands.hpp"\n', "must not include launcher/cli/commands/"),
    ("launcher/bench/a.cpp", '#include "launcher/doctor/finding.hpp"\n', "must not include launcher/doctor/"),
    ("launcher/run/a.cpp", '#include "pipeline/kernels/norm.hpp"\n', "must not include pipeline/kernels/"),
    ("cluster/a.cpp", '#include "cluster/launch/spawn.hpp"\n', "cluster/ must not include cluster/launch/"),
    ("jobs/schedule/a.cpp", '#include "jobs/list/settings.hpp"\n', "must not include jobs/list/"),
    ("jobs/list/a.cpp", '#include "jobs/output/sidecar.hpp"\n', "must not include jobs/output/"),
    ("pipeline/model/a.cpp", '#include "pipeline/stages/denoise.hpp"\n', "must not include pipeline/stages/"),
    ("pipeline/a.hpp", '#include "pipeline/model/dit.hpp"\n', "pipeline/ must not include pipeline/model/"),
    ("pipeline/text/a.cpp", '#include "pipeline/weights/checkpoint.hpp"\n', "must not include pipeline/weights/"),
    ("launcher/extras/a.cpp", "int a;\n", "launcher/extras/ has no arrows"),
    ("pipeline/stages/a.cpp", '#include "jobs/job.hpp"\n#include "pipeline/model/dit.hpp"\n', None),
    # Or what it must not know.
    ("base/a.cpp", "#include <ATen/core/Tensor.h>\n", "must not include <ATen/core/Tensor.h>"),
    ("base/a.cpp", "#include <mpi.h>\n", "must not include <mpi.h>"),
    ("cluster/a.cpp", "#include <mpi.h>\n", None),
    ("jobs/a.cpp", "#include <mpi.h>\n", "must not include <mpi.h>"),
    ("jobs/list/a.cpp", "#include <yaml-cpp/yaml.h>\n", None),
    ("pipeline/model/a.cpp", "#include <yaml-cpp/yaml.h>\n", "must not include <yaml-cpp/yaml.h>"),
    ("pipeline/a.cpp", "auto c = MPI_COMM_WORLD;\n", "must not know MPI_COMM_WORLD"),
    ("pipeline/stages/a.cpp", "auto c = MPI_COMM_WORLD;\n", "must not know MPI_COMM_WORLD"),
    ("pipeline/a.cpp", "// never MPI_COMM_WORLD\n", None),
    ("jobs/schedule/a.cpp", "auto now = std::chrono::steady_clock::now();\n", "must not know steady_clock"),
    ("launcher/run/a.cpp", "#include <hdf5.h>\n", "must not include <hdf5.h>"),
    ("pipeline/a.cpp", "#include <torch/torch.h>\n", "must not include <torch/torch.h>"),
    # Functions and files that grow too long.
    ("jobs/a.cpp", LONG_FUNCTION, "jobs/a.cpp:2: a function of 73 lines"),
    ("jobs/a.cpp", "struct A {\n  A(int n)\n      : n(n) {\n" + LONG_BODY + "  }\n  int n;\n};\n", "a function of 72 lines"),
    ("jobs/a.cpp", "auto f = [](int n) {\n" + LONG_BODY + "};\n", "a function of 72 lines"),
    ("jobs/a.cpp", "struct A {\n" + "  int f() { return '{'; }\n" * 70 + "};\n", None),
    ("jobs/a.cpp", 'const char* a[] = {\n' + '    "f() {",\n' * 70 + "};\n", None),
    ("jobs/a.cpp", "// a line\n" * 451, "jobs/a.cpp:1: 451 lines"),
    # Types of one name in two files.
    (["jobs/a.hpp", "tests/b.hpp"], "namespace wf {\nstruct A : B {\n};\n}\n", "tests/b.hpp:2: wf::A is also defined in jobs/a.hpp"),
    (["jobs/a.hpp", "base/b.hpp"], "namespace wf::x {\nenum class A : int { a };\n}\n", "jobs/a.hpp:2: wf::x::A is also"),
    (["jobs/a.cpp", "tests/b.cpp"], "namespace wf {\nnamespace {\nstruct A {};\n}\nstruct A;\n}\n", None),
    (["jobs/a.cpp", "jobs/b.cpp"], "namespace wf {\nstruct A::B {\n};\nvoid f() {\nstruct C {};\n}\n}\n", None),
    # Files that lie loose.
    ([f"launcher/{i}.cpp" for i in range(7)], "int a;\n", "launcher:1: 7 files that lie loose, at most 6"),
    ([f"launcher/{i}.cpp" for i in range(6)], "int a;\n", None),
]


def said_of(names, content):
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        run = subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)
        return run.returncode, run.stdout


def main():
    failed = 0
    for name, content, expected in CASES:
        code, said = said_of([name] if isinstance(name, str) else name, content)
        if (code == 0) != (expected is None) or (expected or "") not in said:
            failed += 1
            print(f"{name} with {content[:60]!r}...: expected {expected!r}, exit {code}, said: {said}")
    print(f"{len(CASES) - failed} of {len(CASES)} cases as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
