#!/usr/bin/env bash
# tests/gpu/many_test.sh PROGRAM: rehearses many.sh on CPU ranks: all of it on two, velocities on four.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export WF_TEST_DEVICE=cpu WF_LIMIT=120 OMP_NUM_THREADS=1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

rehearse() { # PROGRAM OUT N STEP...
  WF_PROGRAM=$1 "$here/many.sh" "${@:2}" >"$folder/output" 2>&1 || {
    cat "$folder/output"
    fail "a step of $3 ranks failed"
  }
}

rehearse "$1" "$folder/out" 2 comm forward vae clip list trace modes kill
cat "$folder/out/summary.txt"
(($(wc -c <"$folder/out/summary.txt") < 16000)) || fail 'the summary is too long'
for text in efficiency 'utilisation of pool high' 'modes: same latents' 'kill: names rank 1' all_to_all; do
  grep -q "$text" "$folder/out/summary.txt" || fail "the summary lacks: $text"
done
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$folder/out/pipeline-trace.json" || fail 'no trace'
grep -q '</svg>' "$folder/out/pipeline-trace.svg" || fail 'the trace has no picture'

rehearse "$1" "$folder/four" 4 forward
grep -q 'guidance 2 x ulysses 2' "$folder/four/results.jsonl" || fail 'four ranks did not share a clip by guidance, too'
python3 "$here/../../docs/draw_scaling.py" "$folder"/{out,four}/results.jsonl --output "$folder/scaling.svg" ||
  fail 'the velocities have no picture'
for text in '2 GPUs' '4 GPUs' '</svg>'; do
  grep -q "$text" "$folder/scaling.svg" || fail "the picture of velocities lacks: $text"
done

# Failed steps do not stop the others, and all are reported.
WF_PROGRAM=/bin/false "$here/many.sh" "$folder/none" 2 comm kill >"$folder/output" 2>&1
(($? == 1)) || fail 'failed steps did not make the script fail'
(($(grep -c '"ok": false' "$folder/none/results.jsonl") == 2)) || fail 'the results lack a failed step'
for wrong in '2 dance' '1 forward' 'forward'; do
  # shellcheck disable=SC2086  # two words
  "$here/many.sh" "$folder/none" $wrong >"$folder/output" 2>&1
  (($? == 2)) || fail "this was accepted: $wrong"
done
