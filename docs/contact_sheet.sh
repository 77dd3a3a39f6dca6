#!/usr/bin/env bash
# docs/contact_sheet.sh: makes one picture of many clips: per clip a row of five frames under the clip's prompt.
#
#   docs/contact_sheet.sh RENDERS OUT.png          needs the ffmpeg program; RENDERS is an output folder of wanfarm
set -euo pipefail

(($# == 2)) || { sed -n '4p' "${BASH_SOURCE[0]}" >&2; exit 2; }
frames=5 gap=4 height=96 width=844 line=22
rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT

shopt -s nullglob
clips=("$1"/*.mp4)
((${#clips[@]})) || { echo "no .mp4 in $1" >&2; exit 2; }
for clip in "${clips[@]}"; do
  prompt=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["job"]["prompt"])' "${clip%.mp4}.json")
  count=$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$clip")
  fold -s -w 110 <<<"$prompt" >"$rows/prompt.txt"
  above=$((line * $(wc -l <"$rows/prompt.txt") + gap))
  ffmpeg -v error -i "$clip" -frames:v 1 -vf "select='not(mod(n,$(((count - 1) / (frames - 1)))))',
    scale=-2:$height:flags=lanczos,pad=iw+2:ih+2:1:1:gray,tile=${frames}x1:padding=$gap:color=white,
    pad=iw+$gap:ih+$above+$gap:$gap/2:$above:white,pad=$width:ih:0:0:white,
    drawtext=textfile=$rows/prompt.txt:x=$gap:y=$gap:fontsize=15:fontcolor=black:line_spacing=4" "$rows/$(basename "$clip").png"
done
inputs=()
for row in "$rows"/*.png; do inputs+=(-i "$row"); done
ffmpeg -v error -y "${inputs[@]}" -filter_complex "vstack=inputs=${#clips[@]}" "$2"
