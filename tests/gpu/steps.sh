# tests/gpu/steps.sh: functions that run.sh and many.sh share; they source it. It uses these variables of theirs:
#   root     the repository            build    the build folder            program  wanfarm
#   out      the folder for results    logs     the folder for logs         work     a folder for temporary files
# Each command is limited to WF_LIMIT seconds (900).

failed=0

say() { printf '\n== %s\n' "$*"; }

# Runs one step. If it fails, this is reported and the others still run.
step() { # NAME COMMAND...
  local name=$1 ok=true begin=$SECONDS
  shift
  current=$name
  say "$*"
  "$@" 2>&1 | tee "$logs/$name.log" || {
    ok=false failed=1
    echo "FAILED: $name"
  }
  echo "($((SECONDS - begin)) s)"
  printf '{"step": "%s", "ok": %s, "step_seconds": %d}\n' "$name" $ok $((SECONDS - begin)) >>"$out/results.jsonl"
}

# ARGUMENT...
wanfarm() { timeout --kill-after=30 "${WF_LIMIT:-900}" "$program" "$@"; }

# ARGUMENT...; prints the tables and adds the figures to results.jsonl
bench() {
  wanfarm bench "$@" --save_results "$work/figures.json" &&
    python3 -c 'import json, sys; print(json.dumps({"step": sys.argv[1], **json.load(sys.stdin)}))' "$current" \
      <"$work/figures.json" >>"$out/results.jsonl"
}

# PRESET [OPTION...]
run_build() {
  local ffmpeg=ON fuzz=ON
  pkg-config --exists libavformat || ffmpeg=OFF
  command -v clang++ >/dev/null || fuzz=OFF
  cmake -S "$root" --preset "$1" -DWF_TORCH_ROOT="${WF_TORCH_ROOT:-}" -DWF_FFMPEG=$ffmpeg -DWF_FUZZ=$fuzz "${@:2}" &&
    cmake --build "$build" --parallel "$(nproc)"
}
