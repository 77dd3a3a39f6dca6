#!/usr/bin/env bash
# tests/gpu/two_test.sh PROGRAM: what is measured on two GPUs (two.sh), rehearsed on two ranks of the CPU.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export WF_TEST_DEVICE=cpu WF_LIMIT=120 OMP_NUM_THREADS=1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

WF_PROGRAM=$1 "$here/two.sh" "$folder/out" comm forward list trace modes kill >"$folder/said" 2>&1 || {
  cat "$folder/said"
  fail 'a step failed'
}
cat "$folder/out/summary.txt"
(($(wc -c <"$folder/out/summary.txt") < 10000)) || fail 'the summary is too long'
for word in efficiency 'utilisation of pool high' 'modes: same latents' 'kill: names rank 1' all_to_all; do
  grep -q "$word" "$folder/out/summary.txt" || fail "the summary does not say: $word"
done
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$folder/out/pipeline-trace.json" || fail 'no trace'
grep -q '</svg>' "$folder/out/pipeline-trace.svg" || fail 'the trace has no picture'

# One step fails, the others go on, and all are told.
WF_PROGRAM=/bin/false "$here/two.sh" "$folder/none" comm kill >"$folder/said" 2>&1
(($? == 1)) || fail 'failed steps did not make the script fail'
(($(grep -c '"ok": false' "$folder/none/results.jsonl") == 2)) || fail 'not both failures are in the results'
"$here/two.sh" "$folder/none" dance >"$folder/said" 2>&1
(($? == 2)) || fail 'an unknown step was taken for one'
