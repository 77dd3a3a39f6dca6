#!/usr/bin/env bash
# tests/gpu/two_test.sh PROGRAM: rehearses two.sh on two CPU ranks.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export WF_TEST_DEVICE=cpu WF_LIMIT=120 OMP_NUM_THREADS=1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

WF_PROGRAM=$1 "$here/two.sh" "$folder/out" comm forward list trace modes kill >"$folder/output" 2>&1 || {
  cat "$folder/output"
  fail 'a step failed'
}
cat "$folder/out/summary.txt"
(($(wc -c <"$folder/out/summary.txt") < 10000)) || fail 'the summary is too long'
for text in efficiency 'utilisation of pool high' 'modes: same latents' 'kill: names rank 1' all_to_all; do
  grep -q "$text" "$folder/out/summary.txt" || fail "the summary lacks: $text"
done
python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$folder/out/pipeline-trace.json" || fail 'no trace'
grep -q '</svg>' "$folder/out/pipeline-trace.svg" || fail 'the trace has no picture'

# Failed steps do not stop the others, and all are reported.
WF_PROGRAM=/bin/false "$here/two.sh" "$folder/none" comm kill >"$folder/output" 2>&1
(($? == 1)) || fail 'failed steps did not make the script fail'
(($(grep -c '"ok": false' "$folder/none/results.jsonl") == 2)) || fail 'the results lack a failed step'
"$here/two.sh" "$folder/none" dance >"$folder/output" 2>&1
(($? == 2)) || fail 'an unknown step was accepted'
