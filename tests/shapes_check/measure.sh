#!/usr/bin/env bash
# tests/shapes_check/measure.sh: measures how much of its prompts the shapes checkpoint shows, in several settings. The
# prompts are held out from training.
#
#   tests/shapes_check/measure.sh BUILD OUT [FLAG...]       flags of wanfarm render, such as --threads 1
#
# BUILD: a build folder with wanfarm, shapes_captions and shapes_check. OUT receives the clips and table.txt, which is
# also printed. Environment: WF_MODEL (models/shapes), WF_LORAS (the folder loras/ of models/shapes), WF_CLIPS (200),
# WF_SEED (1), WF_STEPS (20), WF_SETTINGS, some of these (all but the last two):
#   guided, unguided        WF_STEPS with guidance, and without it
#   high-alone, low-alone   guided steps, all by one expert
#   four-steps, lightning   4 Euler steps without guidance: of the checkpoint as it is, and with the distilled pair
#   exact, fp8-ffn, fp8-linear, fp8     guided steps in this precision
#   night                   guided steps with the LoRA that makes backgrounds black: only clips whose prompt names
#                           another background count, and black is what is right
#   PRECISION+cache:E,K,R   guided steps in this precision with --step-cache magcache:E,K,R
#   PRECISION+interval:FROM,TO          guided steps in this precision with --guidance-interval FROM,TO
#
# If OUT holds exact's clips, from this call or from an earlier one with the same WF_CLIPS, WF_SEED and WF_STEPS, each
# fp8, cache and interval setting of this call is compared with them, clip by clip (shapes_check --against).
# tests/shapes_check/curve.py makes a file of figures and a picture of OUT/table.txt.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
(($# >= 2)) || { sed -n '5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
bin=$(realpath "$1")/bin out=$(realpath -m "$2")
shift 2
flags=("$@") steps=()
[[ -z ${WF_STEPS:-} ]] || steps=(--steps "$WF_STEPS")
model=$(realpath "${WF_MODEL:-$root/models/shapes}") loras=$(realpath "${WF_LORAS:-$root/models/shapes/loras}")
read -ra settings <<<"${WF_SETTINGS:-guided unguided high-alone low-alone four-steps lightning exact fp8-ffn fp8-linear fp8 night}"
mkdir -p "$out"
"$bin/shapes_captions" --list "${WF_CLIPS:-200}" --held-out --seed "${WF_SEED:-1}" --expect "$out/expect.jsonl" >"$out/list.yaml"
grep -v '"background":\["black"\]' "$out/expect.jsonl" |
  sed 's/"background":\[[^]]*\]/"background":["black"]/' >"$out/expect-night.jsonl"

# NAME EXPECTED MODEL FLAG...
measure() {
  "$bin/wanfarm" render "$out/list.yaml" --model "$3" --output "$out/$1" --quiet "${@:4}" "${flags[@]}"
  echo "$1"
  "$bin/shapes_check" --expect "$out/$2" "$out/$1"
}

# SETTING; by the sidecar of its first clip
count_saved() {
  local sidecars=("$out/$1"/*.json)
  python3 - "${sidecars[0]}" <<'END'
import json
import sys

clip = json.load(open(sys.argv[1], encoding="utf-8"))
saved = sum(len(clip["how"].get(key, [])) for key in ("skipped_conditional", "skipped_unconditional", "unguided"))
print("forwards saved:", saved, "of", 2 * clip["job"]["steps"])
END
}

# PRECISION+WHAT FLAG...
saved() {
  measure "$1" expect.jsonl "$model" "${steps[@]}" --precision "${1%+*}" "${@:2}"
  count_saved "$1"
}

# Makes a checkpoint whose two experts are both the given one, and prints its folder.
one_expert() {
  local folder=$out/model-$1 part
  rm -rf "$folder" && mkdir -p "$folder"
  for part in "$model"/*; do ln -s "$part" "$folder/"; done
  for part in high low; do ln -sfn "$model/$1_noise_model" "$folder/${part}_noise_model"; done
  echo "$folder"
}

pair=(--lora-high "$loras/lightning_high.safetensors" --lora-low "$loras/lightning_low.safetensors")
measure_settings() {
  local setting
  for setting in "${settings[@]}"; do
    case $setting in
      guided) measure guided expect.jsonl "$model" "${steps[@]}" ;;
      unguided) measure unguided expect.jsonl "$model" "${steps[@]}" --guidance 1 ;;
      high-alone | low-alone) measure "$setting" expect.jsonl "$(one_expert "${setting%-alone}")" "${steps[@]}" ;;
      four-steps) measure four-steps expect.jsonl "$model" --preset lightning ;;
      lightning) measure lightning expect.jsonl "$model" --preset lightning "${pair[@]}" ;;
      exact | fp8-ffn | fp8-linear | fp8) measure "$setting" expect.jsonl "$model" "${steps[@]}" --precision "$setting" ;;
      *+cache:*) saved "$setting" --step-cache "magcache:${setting#*:}" ;;
      *+interval:*) saved "$setting" --guidance-interval "${setting#*:}" ;;
      night) measure night expect-night.jsonl "$model" "${steps[@]}" --lora "$loras/night.safetensors" ;;
      *) echo "$setting is no setting: see the head of this file" >&2 && exit 2 ;;
    esac
  done
}

# Comes last, since exact may be measured after the settings that are compared with it.
compare_with_exact() {
  local setting
  [[ -d $out/exact ]] || return 0
  for setting in "${settings[@]}"; do
    [[ $setting == fp8* || $setting == *+* ]] || continue
    echo "$setting against exact"
    "$bin/shapes_check" --expect "$out/expect.jsonl" "$out/$setting" --against "$out/exact"
  done
}

{
  measure_settings
  compare_with_exact
} | tee "$out/table.txt"
