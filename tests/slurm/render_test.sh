#!/usr/bin/env bash
# tests/slurm/render_test.sh PROGRAM MODEL SBATCH: four ranks on four nodes, started in each way there is, render what
# one process renders. Runs in the lab (lab/lab.sh); the nodes see one disk, $TMPDIR.
set -uo pipefail

# shellcheck source=SCRIPTDIR/checks.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh" "$@"
sbatch_file=$3
clips=5 # of the list
cat >list.yaml <<'LIST'
defaults: {size: 32x32, frames: 5, steps: 2}
prompts: [a red kite, rain on a window, two cats boxing, a ship at dusk, snow on a roof]
LIST
in_time() { timeout --kill-after=3 20 "$@"; } # a second or three, when all is well

# Each node has one rank here, so each rank reads each part of the checkpoint at most once, and says so in its log.
expect_read_once_per_node() { # FOLDER
  local twice
  [[ $(grep -l ' to cpu in ' "$1"/log/rank-00[0-3].log | wc -l) == 4 ]] || broken 'not every rank says what it read' "$1"
  twice=$(grep -ohE 'rank [0-9]+\] .* to cpu in ' "$1"/log/rank-*.log | sort | uniq -d)
  [[ -z $twice ]] || broken "read twice: $twice" "$1"
}

expect_code_0() { # FOLDER SBATCH ARGUMENTS...; (sbatch --wait looks every ten seconds)
  local job code
  job=$(sbatch --parsable --output="$1.out" "${@:2}") || broken 'sbatch does not take it'
  code=$(exit_code "$job")
  [[ $code == 0:0 ]] || broken "exit code $code" "$1"
}

# ---- the ways to start ----

test_srun() {
  own_srun 20 --nodes=4 --ntasks=4 "$program" render "${common[@]}" -v --output srun >srun.out 2>srun.err ||
    broken "exit code $?" srun
  expect_same_frames srun
  expect_read_once_per_node srun
}

test_mpirun_in_a_batch_script() {
  expect_code_0 mpirun --nodes=4 --ntasks=4 --wrap "mpirun --bind-to none $program render ${common[*]} --output mpirun"
  expect_same_frames mpirun
}

test_the_front_end_in_an_allocation() {
  in_time salloc --nodes=4 --ntasks=4 "$program" render "${common[@]}" --output front --ranks 4 >front.out 2>front.err ||
    broken "exit code $?" front
  expect_same_frames front
}

test_the_front_end_in_a_shell_of_srun() {
  in_time srun --nodes=1 --ntasks=1 --cpus-per-task=2 "$program" render "${common[@]}" --output shell --ranks 2 \
    >shell.out 2>shell.err || broken "exit code $?" shell
  expect_same_frames shell
}

# render.sbatch with this cluster in the place of its three lines.
here=(--partition=main --account=lab --nodes=4 --ntasks-per-node=1 --gpus-per-node=1 --cpus-per-task=1 "$sbatch_file")

test_render_sbatch() {
  expect_code_0 sbatch "${here[@]}" "${common[@]}" -v --output sbatch
  expect_same_frames sbatch
  expect_read_once_per_node sbatch
}

# The signal that Slurm sends before the time is up, and what render.sbatch then ends with.
test_a_drained_job_ends_with_75() {
  local job
  job=$(sbatch --parsable --output=drain.out "${here[@]}" "${common[@]}" --steps 1000 --output drain)
  for _ in {1..300}; do
    grep -qs placement drain/log/rank-000.log && break
    sleep 0.1
  done
  grep -qs placement drain/log/rank-000.log || broken 'it has not begun' drain
  sleep 0.5 # into the steps
  scancel --signal=USR1 "$job"
  [[ $(exit_code "$job") == 75:0 ]] || broken "exit code $(exit_code "$job")" drain
  grep -q 'work left' drain.out || broken 'nothing said of what is left' drain
}

# Each rank is a group of its own, so the others take the clips of one that is lost. srun alone would wait for ever for
# one that hangs.
expect_done_without() { # SIGNAL FOLDER
  own_srun 60 --kill-on-bad-exit=0 --no-kill --nodes=4 --ntasks=4 "$program" render "${common[@]}" --steps 1000 \
    --frames 17 --placement resident --log-level trace --output "$2" >"$2.out" 2>"$2.err" &
  for _ in {1..300}; do
    grep -qs 'rank 001. .* [1-9][0-9]*/1000' "$2.err" && break
    sleep 0.1
  done
  on 2 pkill "-$1" -f "$program render" || broken 'no rank on node 2' "$2"
  wait $!
  local code=$?
  sed -i '/ trace /d' "$2.err"
  [[ $(hashes "$2" | wc -l) == 5 ]] || broken "not every clip was rendered; exit code $code" "$2"
  grep -q 'rank 1 (node n2) has not been heard of.*The run goes on without it' "$2.err" || broken 'the rank is not named' "$2"
  ((code != 124)) || broken 'the step did not end' "$2"
  echo "  $2: exit code $code"
}
test_a_killed_rank_is_done_without() { expect_done_without KILL killed; }
test_a_stopped_rank_is_done_without() { expect_done_without STOP stopped; }

# Nodes that do not share the output folder: on node 2 another disk lies over it.
test_a_folder_that_not_all_nodes_see_is_found_at_the_start() {
  mkdir own
  on 2 mount -t tmpfs own own || broken 'no disk of its own for node 2'
  own_srun 20 --nodes=4 --ntasks=4 "$program" render "${common[@]}" --output own/out >own.out 2>own.err
  local code=$?
  on 2 umount own
  [[ $code == 3 ]] || broken "exit code $code, not 3" own
  grep -q 'rank 1 (node n2).*does not see what rank 0 wrote' own.err || broken 'the node is not named' own
}

# All of them, in order: the others are compared with the first.
run_tests one_process srun mpirun_in_a_batch_script the_front_end_in_an_allocation \
  the_front_end_in_a_shell_of_srun render_sbatch a_drained_job_ends_with_75 \
  a_killed_rank_is_done_without \
  a_stopped_rank_is_done_without a_folder_that_not_all_nodes_see_is_found_at_the_start
