#!/usr/bin/env bash
# tests/gpu/many.sh: configures, builds, tests and measures N GPUs of one machine working together.
#
#   tests/gpu/many.sh OUT N [build] [test] [comm] [forward] [vae] [clip] [list] [trace] [modes] [kill]  (default: all)
#
# N: 2 or more GPUs. forward: one velocity by all; vae: one clip decoded by all; clip: one of 40 steps by all, exact and
# as fast as it gets; list: each placement against its plan. docs/draw_scaling.py draws what forward saves.
# OUT receives results.jsonl (JSON lines for each step and its measurements; a later call appends to it), summary.txt
# (also printed at the end), pipeline-trace.json with its picture, and log/. Exits with 1 if a step failed.
# Environment: WF_TORCH_ROOT (a LibTorch with CUDA and NCCL; default: python3's), WANFARM_FA3 (the library of
# FlashAttention-3; default: cuDNN's attention), WF_RUNS (timed repetitions of each forward: 3), WF_SIZES (sizes of
# forwards: "832x480 1280x720"), WF_PRECISIONS (of forwards: "exact fp8"; without FlashAttention-3 "exact fp8-linear"),
# WF_CLIPS (length of the list: 4 for each GPU), WF_LIMIT (time limit of a command in seconds: 900).
# WF_TEST_DEVICE=cpu rehearses all of it with a tiny model on N CPU ranks, where figures mean nothing; WF_PROGRAM uses
# a built wanfarm.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
usage() {
  echo "$1" >&2
  sed -n '4p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
(($#)) || usage 'the folder for results is missing'
out=$(realpath -m "$1")
[[ ${2:-} =~ ^([2-9]|[1-9][0-9]+)$ ]] || usage "the number of GPUs must be 2 or more; got '${2:-}'"
gpus=$2
shift 2
steps=("$@")
(($#)) || steps=(build test comm forward vae clip list trace modes kill)
for name in "${steps[@]}"; do
  [[ $name =~ ^(build|test|comm|forward|vae|clip|list|trace|modes|kill)$ ]] || usage "unknown step: $name"
done
logs=$out/log
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$logs"

if [[ ${WF_TEST_DEVICE:-cuda} == cpu ]]; then
  preset=cpu attention=math sizes=(64x64) precisions=(auto) frames=5 clips=${WF_CLIPS:-6}
  on_device=(--device cpu --threads 1)
  model=(--model "$root/tests/data/golden/tiny")
  short=(--size 64x64 --frames 5 --steps 4 --shift 5) measured=("${short[@]}")
  whole=(--size 64x64 --frames 5 --steps 8)
  long=(--size 128x128 --frames 33 --steps 24 --shift 5) # long enough for a rank to be killed within a forward
  pair='^(communicator_mpi_test|ranks_mpi_test)\.ranks2$'
  fastest=()
else
  preset=cuda attention=cudnn fp8=fp8-linear frames=81
  [[ -z ${WANFARM_FA3:-} ]] || attention=auto fp8=fp8 # auto: FlashAttention-3, in 8 bits where the precision says so
  read -ra sizes <<<"${WF_SIZES:-832x480 1280x720}"
  read -ra precisions <<<"${WF_PRECISIONS:-exact $fp8}"
  clips=${WF_CLIPS:-$((4 * gpus))}
  on_device=()
  model=(--model random:a14b)
  short=(--size 832x480 --frames 17 --steps 4 --shift 5)
  long=(--size 832x480 --frames 81 --steps 4 --shift 5) measured=("${long[@]}")
  whole=(--size 1280x720 --frames 81 --steps 40)
  pair='' # the label selects the tests
  fastest=(--precision "$fp8" --step-cache 'magcache:0.12,4,0.2' --vae-precision bf16)
fi
build=$root/build/$preset
program=$(realpath -m "${WF_PROGRAM:-$build/bin/wanfarm}")
runs=${WF_RUNS:-3}
apart=(--cfg-parallel 1 --ulysses 1 --ring 1) # each rank renders clips of its own
if ((gpus % 2)); then # how all of them share one clip; two forwards side by side leave less to exchange
  together=(--cfg-parallel 1 --ulysses "$gpus" --ring 1)
else
  together=(--cfg-parallel 2 --ulysses $((gpus / 2)) --ring 1)
fi
# shellcheck source=tests/gpu/steps.sh
source "$root/tests/gpu/steps.sh"

cd "$work" || exit 1 # models/random-a14b is made here
write_list() { # CLIPS
  local subjects=('A red kite' 'Rain on a window' 'A wooden boat' 'A fox in fresh snow' 'A market street' 'A train') i
  echo 'prompts:'
  for ((i = 0; i < $1; ++i)); do echo "  - {name: clip-$i, prompt: ${subjects[i % 6]} at $((i + 1)) o'clock}"; done
}
write_list "$clips" >list.yaml
write_list 1 >one.yaml

# Shows NCCL's warnings with the output of failed tests.
run_tests() {
  local which=(-L '^gpu2$')
  [[ -z $pair ]] || which=(-R "$pair")
  NCCL_DEBUG=${NCCL_DEBUG:-WARN} ctest --test-dir "$build" --output-on-failure --no-tests=error "${which[@]}"
}

# NAME FLAG...; a velocity by each GPU alone, and by all together
forward() {
  step "forward-$1" bench forward "${model[@]}" "${on_device[@]}" --frames "$frames" --attention "$attention" \
    --runs "$runs" --ranks "$gpus" "${apart[@]}" "${@:2}"
}

forwards() {
  local size precision how
  for size in "${sizes[@]}"; do
    for precision in "${precisions[@]}"; do
      how=(--size "$size" --precision "$precision")
      forward "$size-$precision-ulysses" "${how[@]}" --ulysses "$gpus"
      ((gpus % 2)) || forward "$size-$precision-guidance" "${how[@]}" "${together[@]}"
    done
    forward "$size-ring" --size "$size" --ring "$gpus"
    forward "$size-ulysses-two" --size "$size" --ulysses "$gpus" --guidance-mode two
  done
}

decode() { # NAME FLAG...
  step "vae-$1" bench vae "${model[@]}" "${on_device[@]}" --size "${sizes[-1]}" --frames "$frames" --runs "$runs" \
    --ranks "$gpus" "${@:2}"
}

# NAME LIST FLAG...
list() {
  step "list-$1" bench list "$2" "${model[@]}" "${on_device[@]}" --attention "$attention" --codec y4m \
    --ranks "$gpus" "${@:3}"
}

compared=(list.yaml "${measured[@]}" --tf32) # how the placements of a list are compared
pipeline_list() { list pipeline "${compared[@]}" --placement pipeline --trace "$out/pipeline-trace.json"; }

lists() {
  list planned "${compared[@]}"
  list resident "${compared[@]}" --placement resident "${apart[@]}"
  pipeline_list
  list 48gib-phased "${compared[@]}" --placement phased --gpu-memory 48GiB "${apart[@]}"
  list 48gib-pipeline "${compared[@]}" --placement pipeline --gpu-memory 48GiB
  list 48gib-swap "${compared[@]}" --placement swap --gpu-memory 48GiB "${apart[@]}"
}

draw_trace() {
  python3 "$root/docs/draw_trace.py" "$out/pipeline-trace.json" "$out/pipeline-trace.svg" \
    --title "pipeline, $gpus ranks"
}

# FOLDER FLAG...; renders the list's first three clips
render() {
  wanfarm render list.yaml --limit 3 --output "$1" "${model[@]}" "${on_device[@]}" --attention "$attention" --tf32 \
    --codec y4m --ranks "$gpus" "${@:2}"
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
  case $1 in
    build) step build run_build "$preset" ;;
    test) step test run_tests ;;
    comm) step comm bench comm --ranks "$gpus" "${on_device[@]}" --runs "$runs" ;;
    forward) forwards ;;
    vae)
      decode f32
      decode tf32 --tf32
      decode bf16 --vae-precision bf16
      ;;
    clip)
      list clip one.yaml "${whole[@]}" --tf32 --placement resident "${together[@]}"
      list clip-fastest one.yaml "${whole[@]}" --tf32 --placement resident "${together[@]}" "${fastest[@]}"
      ;;
    list) lists ;;
    trace)
      [[ -e $out/pipeline-trace.json ]] || pipeline_list
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
