#!/usr/bin/env bash
# models/shapes/train/run.sh: makes the shapes checkpoint anew, from nothing: random weights of its sizes, then train.py.
#
#   models/shapes/train/run.sh [FLAG...]       flags of train.py, such as --device cpu
#
# Started again it goes on where it was; build/shapes holds what it knows, and is to be removed for a new beginning.
# Needs a Python with torch (PYTHON, python3 by default) and builds against the same: README.md beside this file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
python=${PYTHON:-python3}
build=$root/build/training work=$root/build/shapes

torch=$("$python" -c 'import torch, pathlib; print(pathlib.Path(torch.__file__).parent)')
cmake -S "$root" -B "$build" -G Ninja -DWF_TORCH_ROOT="$torch" -DWF_TRAINING=ON -DWF_TESTS=OFF -DWF_FFMPEG=OFF >&2
cmake --build "$build" --target wanfarm shapes_ops >&2

sizes=(--dim 160 --ffn 448 --heads 4 --layers 6 --text-dim 64 --text-ffn 160 --text-heads 4 --text-layers 2 --vocabulary 420
  --vae-dim 8 --seed 7)
[[ -d $work/initial ]] || "$build/bin/wanfarm" make-model "$work/initial" "${sizes[@]}" >&2
exec "$python" "$here/train.py" "$work/initial" "$root/models/shapes" --work "$work" \
  --library "$build/models/shapes/train/libshapes_ops.so" \
  --tokenizer "$root/models/shapes/google/umt5-xxl/tokenizer.json" "$@"
