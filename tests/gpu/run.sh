#!/usr/bin/env bash
# tests/gpu/run.sh: configures, builds, tests and measures on a machine with a GPU, together with the official
# implementation. For several GPUs see tests/gpu/many.sh.
#
#   tests/gpu/run.sh [OUT] [build] [test] [forward] [vae] [text] [clip] [load]      (default: all of them)
#   tests/gpu/run.sh [OUT] whole-SIZE[-SETTING]...  a clip of 40 steps from prompt to file, by both: tests/gpu/whole.py
#
# SIZE is 832x480 or 1280x720, SETTING one of those in whole() below (default: all of them).
# Results go to OUT (default: build/gpu): logs, and the figures of docs/performance.md as JSON lines in results.jsonl.
# Environment: WF_TORCH_ROOT (a LibTorch with CUDA; default: python3's), WAN_REPOSITORY (a checkout of
# github.com/Wan-Video/Wan2.2, for the official figures), WANFARM_FA3 (fa3_fwd/_C.abi3.so or its folder).
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=$(realpath -m "${1:-$root/build/gpu}")
shift || true
steps=("$@")
((${#steps[@]})) || steps=(build test forward vae text clip load)
build=$root/build/cuda
program=$build/bin/wanfarm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
logs=$out
# shellcheck source=tests/gpu/steps.sh
source "$root/tests/gpu/steps.sh"

official() { # WHAT...
  [[ -n ${WAN_REPOSITORY:-} ]] || {
    echo 'WAN_REPOSITORY is not set: no official figures'
    return 0
  }
  PYTHONUNBUFFERED=1 python3 "$root/tests/gpu/official.py" "$WAN_REPOSITORY" "$@" | tee -a "$out/results.jsonl"
}

run_tests() {
  local without='gpu2|lab' # many.sh runs gpu2
  [[ -n ${WANFARM_FA3:-} ]] || without+='|fa3'
  [[ $(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1) == 9.* ]] || without+='|hopper'
  ctest --test-dir "$build" --output-on-failure --parallel "$(nproc)" -LE "$without"
}

# One setting of a clip. In two steps with shift 5 each expert does one, from which whole.py counts up; clips that save
# forwards, and those of four steps, are measured whole.
whole() { # SIZE SETTING
  local clip=(bench clip --model random:a14b --size "$1" --frames 81 --codec y4m --tf32) few=(--steps 2 --shift 5 --runs 2)
  local attention=cudnn
  [[ -z ${WANFARM_FA3:-} ]] || attention=fa3
  case $2 in
    official) step "whole-$1-$2" official text "forward:$1:$attention" "vae:$1" ;;
    f32-decoding) step "whole-$1-$2" bench vae --model random:a14b --size "$1" --frames 81 --runs 1 ;;
    exact) step "whole-$1-$2" "${clip[@]}" "${few[@]}" ;;
    exact-40) step "whole-$1-$2" "${clip[@]}" --runs 1 ;;
    fp8) step "whole-$1-$2" "${clip[@]}" "${few[@]}" --precision fp8 ;;
    fp8-cache-*) step "whole-$1-$2" "${clip[@]}" --precision fp8 --step-cache "magcache:${2#*-cache-}" --runs 1 ;;
    fp8-lightning) step "whole-$1-$2" "${clip[@]}" --precision fp8 --preset lightning --runs 2 ;;
    *) echo "unknown setting: $2" >&2 && return 2 ;;
  esac
}

attentions() { if [[ -n ${WANFARM_FA3:-} ]]; then echo cudnn fa3; else echo cudnn; fi; }

cd "$work" || exit 1 # models/random-a14b is made here
for name in "${steps[@]}"; do
  case $name in
    build) step build run_build cuda ;;
    test) step test run_tests ;;
    forward)
      for size in 832x480 1280x720; do
        for attention in $(attentions); do
          step "forward-$size-$attention" bench forward --model random:a14b --size $size --attention "$attention"
        done
      done
      step forward-official official forward
      ;;
    vae)
      for size in 832x480 1280x720; do
        step "vae-$size" bench vae --model random:a14b --size $size --runs 1
        step "vae-$size-tf32" bench vae --model random:a14b --size $size --runs 1 --tf32
      done
      step vae-official official vae
      ;;
    text)
      step text bench text --model random:a14b
      step text-official official text
      ;;
    clip) # with shift 5 each expert does two steps
      clip=(clip --model random:a14b --size 832x480 --frames 81 --steps 4 --shift 5)
      step clip-resident bench "${clip[@]}" --placement resident --runs 1
      step clip-swap bench "${clip[@]}" --placement swap --gpu-memory 48GiB --runs 2
      ;;
    whole-*)
      IFS=- read -r _ size setting <<<"$name"
      caches=(fp8-cache-0.06,2,0.4 fp8-cache-0.06,2,0.2 fp8-cache-0.12,4,0.2)
      for one in ${setting:-official exact f32-decoding exact-40 fp8 "${caches[@]}" fp8-lightning}; do
        whole "$size" "$one"
      done
      python3 "$root/tests/gpu/whole.py" "$out/results.jsonl" | tee "$out/whole.txt"
      ;;
    load) # two blocks of the published size
      step load-make "$program" make-model "$work/two-blocks" --preset a14b --layers 2 --text-layers 1 --vocabulary 1000
      step load bench clip --model "$work/two-blocks" --size 832x480 --frames 5 --steps 4 --shift 5 --runs 1
      ;;
    *)
      echo "unknown step: $name" >&2
      exit 2
      ;;
  esac
done
exit $failed
