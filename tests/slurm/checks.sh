# tests/slurm/checks.sh PROGRAM MODEL: what the tests in the lab begin with and what they expect of runs; they source it.
# Each works in a folder of its own, in which it writes its list; $clips says how many clips that has.
# shellcheck shell=bash

program=$1 model=$2
work=$(mktemp -d) && cd "$work" || exit 3
export OMP_NUM_THREADS=1 WANFARM=$program
common=(list.yaml --model "$model" --threads 1 --codec y4m)

# The first thing that is not so ends the test.
broken() { # WHAT [FOLDER]
  echo "  $1"
  scancel --full --signal=KILL --user=root # whatever hangs leaves the nodes to the next test
  for file in "${2:-$work}"{,.out,.err,/log/*}; do [[ ! -f $file ]] || sed "s#^#  ${file##*/}: #" "$file"; done
  exit 1
}

# As slurm/README.md has it. Only where a test calls srun: render.sbatch and --ranks set the variable themselves.
own_srun() { SLURM_PMIX_FENCE=ring timeout --kill-after=3 "$1" srun --mpi=pmix "${@:2}"; } # SECONDS ARGUMENTS...

# NAME SHA256 of each clip in a folder, in order.
hashes() { # FOLDER
  local file
  for file in "$1"/*.json; do
    [[ -f $file ]] && printf '%s %s\n' "${file##*/}" "$(grep -o '"frames_sha256": *"[0-9a-f]*"' "$file")"
  done
}

# The run that others are compared with.
test_one_process() {
  "$program" render "${common[@]}" --output alone >alone.out 2>alone.err || broken "exit code $?" alone
  [[ $(hashes alone | wc -l) == "${clips:?}" ]] || broken 'not every clip was rendered' alone
}

expect_same_frames() { # FOLDER; the same as in the folder `alone`
  [[ $(hashes "$1" | wc -l) == $(hashes alone | wc -l) ]] || broken 'not every clip was rendered' "$1"
  [[ $(hashes "$1") == "$(hashes alone)" ]] || broken "other frames: $(diff <(hashes "$1") <(hashes alone))" "$1"
}

# Until the command succeeds.
wait_for() { # SECONDS COMMAND...
  for ((i = 0; i < 10 * $1; ++i)); do
    "${@:2}" && return
    sleep 0.1
  done
  return 1
}

# What has become of a job: its exit code, once it has ended.
exit_code() { # JOB [SECONDS]
  local job
  for ((i = 0; i < 10 * ${2:-20}; ++i)); do
    job=$(scontrol show job --oneliner "$1") || break
    [[ $job =~ JobState=(PENDING|RUNNING|COMPLETING) ]] || break
    sleep 0.1
  done
  [[ $job =~ ExitCode=([0-9]+:[0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

# Runs the functions test_NAME, each in a shell of its own, and tells of each.
run_tests() { # NAME...
  local failed=0 name start result
  for name in "$@"; do
    start=$EPOCHREALTIME
    if ("test_$name"); then result='ok     '; else
      result='FAILED ' && failed=$((failed + 1))
    fi
    echo "$result $name ($(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) ms)"
  done
  ((failed == 0))
}
