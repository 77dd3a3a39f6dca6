#!/usr/bin/env bash
# tests/gpu/two.sh: configures, builds, tests and measures two GPUs working together.
#
#   tests/gpu/two.sh OUT [build] [test] [comm] [forward] [list] [trace] [modes] [kill]      (default: all of them)
#
# OUT receives results.jsonl (JSON lines for each step and its measurements; a later call appends to it), summary.txt
# (also printed at the end), pipeline-trace.json with its picture, and log/. Exits with 1 if a step failed.
# Environment: WF_TORCH_ROOT (a LibTorch with CUDA and NCCL; default: python3's), WANFARM_FA3 (the library of
# FlashAttention-3; default: cuDNN's attention), WF_RUNS (timed repetitions of each forward: 3), WF_SIZES (sizes of
# forwards: "832x480 1280x720"), WF_LIMIT (time limit of a command in seconds: 900). WF_TEST_DEVICE=cpu rehearses all of
# it with a tiny model on two CPU ranks, where figures mean nothing; WF_PROGRAM uses a built wanfarm.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
usage() {
  echo "$1" >&2
  sed -n '4p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
(($#)) || usage 'the folder for results is missing'
out=$(realpath -m "$1")
shift
steps=("$@")
(($#)) || steps=(build test comm forward list trace modes kill)
for name in "${steps[@]}"; do
  [[ $name =~ ^(build|test|comm|forward|list|trace|modes|kill)$ ]] || usage "unknown step: $name"
done
logs=$out/log
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$logs"

if [[ ${WF_TEST_DEVICE:-cuda} == cpu ]]; then
  preset=cpu attention=math sizes=(64x64) frames=5
  on_device=(--device cpu --threads 1)
  model=(--model "$root/tests/data/golden/tiny")
  short=(--size 64x64 --frames 5 --steps 4 --shift 5) measured=("${short[@]}")
  long=(--size 128x128 --frames 33 --steps 24 --shift 5) # long enough for a rank to be killed within a forward
  pair='^(communicator_mpi_test|ranks_mpi_test)\.ranks2$'
else
  preset=cuda attention=${WANFARM_FA3:+fa3} frames=81
  read -ra sizes <<<"${WF_SIZES:-832x480 1280x720}"
  attention=${attention:-cudnn}
  on_device=()
  model=(--model random:a14b)
  short=(--size 832x480 --frames 17 --steps 4 --shift 5)
  long=(--size 832x480 --frames 81 --steps 4 --shift 5) measured=("${long[@]}")
  pair='' # the label selects the tests
fi
build=$root/build/$preset
program=$(realpath -m "${WF_PROGRAM:-$build/bin/wanfarm}")
runs=${WF_RUNS:-3}
apart=(--cfg-parallel 1 --ulysses 1 --ring 1) # each rank renders clips of its own
# shellcheck source=tests/gpu/steps.sh
source "$root/tests/gpu/steps.sh"

cd "$work" || exit 1 # models/random-a14b is made here
cat >list.yaml <<'END'
prompts:
  - {name: kite, prompt: A red kite over a green field}
  - {name: rain, prompt: Rain on a window at night}
  - {name: boat, prompt: A wooden boat on a quiet lake}
  - {name: fox, prompt: A fox runs through fresh snow}
  - {name: market, prompt: A market street in the morning}
  - {name: train, prompt: A train crosses a high bridge}
END

# Shows NCCL's warnings with the output of failed tests.
run_tests() {
  local which=(-L '^gpu2$')
  [[ -z $pair ]] || which=(-R "$pair")
  NCCL_DEBUG=${NCCL_DEBUG:-WARN} ctest --test-dir "$build" --output-on-failure --no-tests=error "${which[@]}"
}

# SIZE DEGREE FLAG...
forward() {
  local name=forward-$1-$2${4:+-$4}
  step "$name" bench forward "${model[@]}" "${on_device[@]}" --size "$1" --frames "$frames" --attention "$attention" \
    --runs "$runs" --ranks 2 "${apart[@]}" "--$2" 2 "${@:3}"
}

# NAME FLAG...
list() {
  step "list-$1" bench list list.yaml "${model[@]}" "${on_device[@]}" "${measured[@]}" --tf32 --attention "$attention" \
    --codec y4m --ranks 2 "${@:2}"
}

draw_trace() {
  python3 "$root/docs/draw_trace.py" "$out/pipeline-trace.json" "$out/pipeline-trace.svg" --title 'pipeline, two ranks'
}

# FOLDER FLAG...; renders the list's first three clips
render() {
  wanfarm render list.yaml --limit 3 --output "$1" "${model[@]}" "${on_device[@]}" --attention "$attention" --tf32 \
    --codec y4m --ranks 2 "${@:2}"
}

latents_in() { (cd "$1" && grep -o '"latents_sha256": *"[0-9a-f]*"' ./*.json); }

same_latents() {
  local mode same=true
  for mode in resident pipeline phased swap; do
    render "modes-$mode" --placement "$mode" "${apart[@]}" "${short[@]}" || return 1
    echo "$mode:"
    latents_in "modes-$mode" | tee "modes-$mode.txt"
    cmp "modes-resident.txt" "modes-$mode.txt" || same=false
  done
  (($(wc -l <modes-resident.txt) == 3)) || same=false
  echo "{\"step\": \"modes\", \"same_latents\": $same}" >>"$out/results.jsonl"
  $same
}

run_step() { # NAME
  local size degree
  case $1 in
    build) step build run_build "$preset" ;;
    test) step test run_tests ;;
    comm) step comm bench comm --ranks 2 "${on_device[@]}" --runs "$runs" ;;
    forward)
      for size in "${sizes[@]}"; do
        for degree in ulysses ring cfg-parallel; do forward "$size" "$degree"; done
        forward "$size" ulysses --guidance-mode two
      done
      ;;
    list)
      list resident --placement resident "${apart[@]}"
      list pipeline --placement pipeline --trace "$out/pipeline-trace.json"
      list 48gib-pipeline --placement pipeline --gpu-memory 48GiB
      list 48gib-swap --placement swap --gpu-memory 48GiB "${apart[@]}"
      ;;
    trace)
      [[ -e $out/pipeline-trace.json ]] || list pipeline --placement pipeline --trace "$out/pipeline-trace.json"
      step trace draw_trace
      ;;
    modes) step modes same_latents ;;
    kill) step kill kill_a_rank ;;
  esac
}

# shellcheck source=tests/gpu/kill_a_rank.sh
source "$root/tests/gpu/kill_a_rank.sh"
for name in "${steps[@]}"; do run_step "$name"; done
say summary
python3 "$root/tests/gpu/summary.py" "$out/results.jsonl" | tee "$out/summary.txt"
exit $failed
