#!/usr/bin/env bash
# tests/shapes_check/measure.sh: measures how much of its prompts the shapes checkpoint shows: with guidance, without it,
# and with one expert for all steps. The prompts are held out from training.
#
#   tests/shapes_check/measure.sh BUILD OUT [FLAG...]       flags of wanfarm render, such as --limit 20
#
# BUILD: a build folder with wanfarm, shapes_captions and shapes_check. OUT receives the clips and table.txt, which is
# also printed. Environment: WF_MODEL (models/shapes), WF_CLIPS (200), WF_SEED (1).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
(($# >= 2)) || { sed -n '5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
bin=$(realpath "$1")/bin out=$(realpath -m "$2")
shift 2
model=$(realpath "${WF_MODEL:-$root/models/shapes}")
mkdir -p "$out"
"$bin/shapes_captions" --list "${WF_CLIPS:-200}" --held-out --seed "${WF_SEED:-1}" --expect "$out/expect.jsonl" >"$out/list.yaml"

# NAME MODEL FLAG...
measure() {
  "$bin/wanfarm" render "$out/list.yaml" --model "$2" --output "$out/$1" --quiet "${@:3}"
  echo "$1"
  "$bin/shapes_check" --expect "$out/expect.jsonl" "$out/$1"
}

# Makes a checkpoint whose two experts are both the given one, and prints its folder.
one_expert() {
  local folder=$out/model-$1 part
  rm -rf "$folder" && mkdir -p "$folder"
  for part in "$model"/*; do ln -s "$part" "$folder/"; done
  for part in high low; do ln -sfn "$model/$1_noise_model" "$folder/${part}_noise_model"; done
  echo "$folder"
}

{
  measure guided "$model" "$@"
  measure unguided "$model" --guidance 1 "$@"
  for expert in high low; do measure "$expert-alone" "$(one_expert $expert)" "$@"; done
} | tee "$out/table.txt"
