#!/usr/bin/env bash
# tests/slurm/lost_nodes_test.sh PROGRAM MODEL SBATCH: a node is cut off in mid-run; a job is drained and requeued. Each
# clip is there in the end, and nothing is rendered twice. Runs in the lab (lab/lab.sh), where it mostly waits for Slurm.
set -uo pipefail

# shellcheck source=SCRIPTDIR/checks.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh" "$@"
sbatch_file=$3
clips=12 # of the list
common+=(--placement resident)
{
  echo 'defaults: {size: 32x32, frames: 17, steps: 300}'
  echo "prompts: [$(seq --separator=', ' --format='number %g' 12)]"
} >list.yaml

any_clip_in() { compgen -G "$1/*.json" >/dev/null; } # FOLDER
no_rank_on() { ! on "$1" pgrep -f "$program render" >/dev/null; } # NODE
videos_in() { find "$1" -maxdepth 1 -name '*.y4m' | wc -l; }

# Slurm waits two minutes before it starts the job again, so this comes first, and what becomes of it last.
test_a_drained_job_ends_with_75_and_is_requeued() {
  local job here=(--partition=main --account=lab --nodes=4 --ntasks-per-node=1 --gpus-per-node=1 --cpus-per-task=1 --requeue)
  job=$(sbatch --parsable --output=requeued.out "${here[@]}" "$sbatch_file" "${common[@]}" --output requeued) ||
    broken 'sbatch does not take it'
  wait_for 60 any_clip_in requeued || broken 'it has not finished a clip' requeued
  scancel --signal=USR1 "$job"
  [[ $(exit_code "$job") == 75:0 ]] || broken "exit code $(exit_code "$job")" requeued
  stat --format='%n %i %Y' requeued/*.json >finished # an inode and a time: no other file has been put in its place
  (($(wc -l <finished) < 12)) || broken 'nothing is left to do' requeued
  scontrol requeue "$job" || broken 'it cannot be requeued' requeued
  echo "$job" >job
}

test_a_node_that_is_cut_off_is_done_without() {
  own_srun 150 --kill-on-bad-exit=0 --no-kill --nodes=4 --ntasks=4 "$program" render "${common[@]}" --log-level trace \
    --output cut >cut.out 2>cut.err &
  wait_for 60 grep -qs 'rank 001. .* [1-9][0-9]*/300' cut.err || broken 'rank 1 has not begun' cut
  ip link set to-n2 down
  wait $!
  local code=$?
  sed -i '/ trace /d' cut.err
  ((code != 124)) || broken 'the step did not end' cut
  expect_same_frames cut
  [[ $(videos_in cut) == 12 ]] || broken "$(videos_in cut) videos" cut
  grep -q 'rank 1 (node n2) .*The run goes on without it' cut.err || broken 'the rank is not named' cut
  wait_for 30 no_rank_on 2 || broken 'the rank that was cut off does not end' cut
  ip link set to-n2 up
  echo "  exit code $code"
}

test_the_requeued_job_completes_what_was_drained() {
  local job
  job=$(<job)
  [[ $(exit_code "$job" 200) == 0:0 ]] || broken "exit code $(exit_code "$job")" requeued
  expect_same_frames requeued
  [[ $(videos_in requeued) == 12 ]] || broken "$(videos_in requeued) videos" requeued
  diff finished <(cut -d ' ' -f 1 finished | xargs stat --format='%n %i %Y') || broken 'a finished clip was rendered again' requeued
}

run_tests one_process a_drained_job_ends_with_75_and_is_requeued a_node_that_is_cut_off_is_done_without \
  the_requeued_job_completes_what_was_drained
