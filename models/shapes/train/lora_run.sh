#!/usr/bin/env bash
# models/shapes/train/lora_run.sh: makes the LoRAs of models/shapes anew: night in 3 minutes, lightning in 15, on one GPU.
#
#   models/shapes/train/lora_run.sh OUT       OUT receives the LoRAs and their logs, while they are trained and afterwards
#
# Started again it goes on where it was; OUT/work holds what it knows, and is to be removed for a new beginning.
# Environment: PYTHON, a Python with torch (python3); LIBRARY, a libshapes_ops.so that is built already (default: builds it
# as run.sh does); FLAGS, of both programs, such as "--device cpu --no-compile --no-graphs"; NIGHT and LIGHTNING, minutes of each.
set -euo pipefail

(($# == 1)) || { sed -n '4p' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
python=${PYTHON:-python3} out=$(realpath -m "$1")
read -ra flags <<<"${FLAGS:-}"
mkdir -p "$out"

library() {
  local torch build=$root/build/training
  torch=$("$python" -c 'import torch, pathlib; print(pathlib.Path(torch.__file__).parent)')
  cmake -S "$root" -B "$build" -G Ninja -DWF_TORCH_ROOT="$torch" -DWF_TRAINING=ON -DWF_TESTS=OFF -DWF_FFMPEG=OFF >&2
  cmake --build "$build" --target shapes_ops >&2
  echo "$build/models/shapes/train/libshapes_ops.so"
}

common=(--library "${LIBRARY:-$(library)}" --work "$out/work" "${flags[@]}")
export PYTHONUNBUFFERED=1
"$python" "$here/train_lora.py" "$root/models/shapes" "$out/night.safetensors" --behind black --minutes "${NIGHT:-3}" \
  "${common[@]}" 2>&1 | tee -a "$out/night.log"
"$python" "$here/distill.py" "$root/models/shapes" "$out" --minutes "${LIGHTNING:-15}" "${common[@]}" 2>&1 | tee -a "$out/lightning.log"
touch "$out/done"
