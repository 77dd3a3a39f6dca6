#!/usr/bin/env bash
# tests/slurm/scripts_test.sh PROGRAM MODEL FOLDER: array.sbatch and preemptable.sbatch of the folder: shards of a job
# array, jobs that put themselves into the queue again, jobs that are preempted with time to stop or none, a controller
# that is away for a while. Runs in the lab (lab/lab.sh).
set -uo pipefail

# shellcheck source=SCRIPTDIR/checks.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh" "$@"
scripts=$3
clips=6 # of the list
cat >list.yaml <<'LIST'
defaults: {size: 32x32, frames: 17, steps: 500}
prompts: [a red kite, rain on a window, two cats boxing, a ship at dusk, snow on a roof, a green hill]
LIST
one_node=(--partition=main --account=lab --nodes=1 --ntasks-per-node=2 --gpus-per-node=2 --cpus-per-task=1)

field() { scontrol show job --oneliner "$1" | grep -o "\\b$2=[^ ]*" | cut -d = -f 2; } # JOB NAME
is_in() { [[ $(field "$1" JobState) == "$2" ]]; } # JOB STATE
has_a_clip() { compgen -G "$1/*.json" >/dev/null; } # FOLDER

# Slurm lets a job that was put into the queue wait for two minutes. A second is too short: slurmd takes the new start
# for the one that it was told to kill ("Job already killed, do not launch batch job").
let_start_again() { # JOB FOLDER
  wait_for 40 is_in "$1" PENDING || broken "it is $(field "$1" JobState), not in the queue" "$2"
  sleep 3
  scontrol update JobId="$1" StartTime=now
}

test_an_array_renders_the_list_once_in_shards() {
  local job
  job=$(sbatch --parsable --array=1-4 --output=array-%a.out "${one_node[@]}" "$scripts/array.sbatch" "${common[@]}" \
    --output array) || broken 'sbatch does not take it'
  for task in 1 2 3 4; do [[ $(exit_code "${job}_$task" 60) == 0:0 ]] || broken "task $task" "array-$task"; done
  mkdir together && cp array/shard-*-of-4/*.json together
  expect_same_frames together
  [[ $(find array -name '*.y4m' | wc -l) == 6 ]] || broken 'a clip was rendered twice' array
  "$program" status array >status.out || broken 'there is no status'
  grep -q '6 clips of 4 of 4 shards: 6 done' status.out || broken "$(<status.out)"
}

test_one_shard_alone_goes_on_with_the_number_of_all() {
  local job
  job=$(SHARDS=4 sbatch --parsable --array=2 --output=again.out "${one_node[@]}" "$scripts/array.sbatch" "${common[@]}" --output array)
  [[ $(exit_code "${job}_2" 60) == 0:0 ]] || broken 'exit code' again
  job=$(sbatch --parsable --array=2 --output=wrong.out "${one_node[@]}" "$scripts/array.sbatch" "${common[@]}" --output array)
  [[ $(exit_code "${job}_2" 60) == 2:0 ]] || broken 'another division is not refused' wrong
}

# Some steps are slow, so that a signal finds the run at work however fast the machine is.
preemptable() { # NAME SBATCH_OPTIONS...; the job's number
  WANFARM_FAULT=slow@denoise:0.02 sbatch --parsable --output="$1.out" "${one_node[@]}" "${@:2}" "$scripts/preemptable.sbatch" "${common[@]}" --output "$1"
}

test_a_job_that_is_told_to_stop_goes_on_by_itself() {
  local job
  job=$(preemptable told) || broken 'sbatch does not take it'
  wait_for 60 has_a_clip told || broken 'it has not finished a clip' told
  scancel --full --signal=USR1 "$job" # to the script as well, as some sites' tools do
  let_start_again "$job" told
  grep -q 'restart 1 of 20' told.out || broken 'it does not tell' told
  [[ $(exit_code "$job" 60) == 0:0 ]] || broken "exit code $(exit_code "$job")" told
  [[ $(field "$job" Restarts) == 1 ]] || broken "$(field "$job" Restarts) restarts" told
  expect_same_frames told
}

test_restarts_are_bounded() {
  local job
  job=$(MOST_RESTARTS=0 preemptable bounded) || broken 'sbatch does not take it'
  wait_for 60 has_a_clip bounded || broken 'it has not finished a clip' bounded
  scancel --signal=USR1 "$job"
  [[ $(exit_code "$job" 60) == 75:0 ]] || broken "exit code $(exit_code "$job")" bounded
  grep -q 'after 0 restarts: submit it again' bounded.out || broken 'it does not tell' bounded
}

end_controller() { kill "$(</run/lab/slurmctld.pid)" && sleep 2; }
start_controller() {
  slurmctld -D >>/run/lab/log/controller 2>&1 &
  wait_for 30 sinfo --noheader >/dev/null
}

# A job is followed by `submit --follow` while the controller is away, which asks it every five seconds.
test_a_controller_that_is_away_costs_a_job_and_its_follower_nothing() {
  printf 'partition: main\ngpu: cpu\ngpus_per_node: 1\n' >site.yaml
  HOME=$work timeout 180 "$program" submit "${common[@]}" --samples 4 --site site.yaml --nodes 1 --output away --follow >away.out 2>away.err &
  local follower=$! before
  wait_for 60 has_a_clip away || broken 'it has not finished a clip' away
  end_controller || broken 'there was no controller'
  before=$(hashes away | wc -l)
  wait_for 30 has_more_clips away "$before" || broken 'the job does not go on' away
  ! timeout 6 squeue >/dev/null 2>&1 || broken 'the controller answers' away # the follower asks meanwhile
  kill -0 "$follower" || broken 'the follower has given up' away
  start_controller || broken 'the controller does not start again' away
  wait "$follower" || broken "the follower's exit code $?" away
  grep -q 'COMPLETED, exit code 0' away.out || broken 'the end is not told' away
  [[ $(hashes away | wc -l) == 24 ]] || broken 'not every clip was rendered' away
  [[ ! $(comm -23 <(frames_of alone) <(frames_of away)) ]] || broken 'other frames' away
}
has_more_clips() { (($(hashes "$1" | wc -l) > $2)); } # FOLDER NUMBER
frames_of() { hashes "$1" | sed 's/.*: //' | sort; } # FOLDER

# The controller is started again with partitions of two tiers, of which the lower one has a grace time on node 1 and none
# on node 2.
with_preemption() {
  printf '%s\n' PreemptType=preempt/partition_prio PreemptMode=REQUEUE 'PartitionName=low Nodes=n1 PriorityTier=1 PreemptMode=REQUEUE GraceTime=20' \
    'PartitionName=lowest Nodes=n2 PriorityTier=1 PreemptMode=REQUEUE GraceTime=0' \
    'PartitionName=high Nodes=n1,n2 PriorityTier=10 PreemptMode=OFF' >>"$SLURM_CONF"
  end_controller && start_controller
}

make_room() { # NODE; the number of the job that wants it
  sbatch --parsable --partition=high --nodelist="$1" --exclusive --output="other-$1.out" --wrap 'sleep 1'
}

# A program that never drains until its job starts again: each rank hangs once its first clip is there.
hanging_at_first() {
  cat >hanging <<HANGING
#!/usr/bin/env bash
[[ \${SLURM_RESTART_COUNT:-0} != 0 ]] || export WANFARM_FAULT=hang@after_sidecar
exec $program "\$@"
HANGING
  chmod +x hanging && echo "$work/hanging"
}

# Slurm 22.05 sends SIGTERM twice within a second, in which ranks of so small a model could drain even without grace.
test_preempted_jobs_go_on_after_those_they_made_room_for() {
  local graced killed others=() other name
  with_preemption || broken 'the controller does not start again'
  one_node[0]=--partition=low
  graced=$(preemptable preempted) || broken 'sbatch does not take it'
  one_node[0]=--partition=lowest
  killed=$(WANFARM=$(hanging_at_first) preemptable killed) || broken 'sbatch does not take it'
  wait_for 60 has_a_clip preempted || broken 'it has not finished a clip' preempted
  others+=("$(make_room n1)")
  wait_for 60 has_a_clip killed || broken 'it has not finished a clip' killed
  others+=("$(make_room n2)")
  let_start_again "$graced" preempted
  let_start_again "$killed" killed
  for other in "${others[@]}"; do [[ $(exit_code "$other" 60) == 0:0 ]] || broken 'the other job did not run'; done
  [[ $(exit_code "$graced" 90) == 0:0 ]] || broken "exit code $(exit_code "$graced" 1)" preempted
  [[ $(exit_code "$killed" 90) == 0:0 ]] || broken "exit code $(exit_code "$killed" 1)" killed
  grep -q 'work left' preempted.out || broken 'the run was not drained' preempted
  ! grep -q 'work left' killed.out || broken 'the run had time to drain' killed
  [[ $(field "$killed" Restarts) == 1 ]] || broken "$(field "$killed" Restarts) restarts" killed
  for name in preempted killed; do
    expect_same_frames "$name"
    [[ $(find "$name" -maxdepth 1 -name '*.y4m' | wc -l) == 6 ]] || broken 'a clip was rendered twice' "$name"
    [[ -z $(find "$name" -name '*.part') ]] || broken 'something torn is left' "$name"
  done
}

run_tests one_process an_array_renders_the_list_once_in_shards one_shard_alone_goes_on_with_the_number_of_all \
  a_job_that_is_told_to_stop_goes_on_by_itself restarts_are_bounded a_controller_that_is_away_costs_a_job_and_its_follower_nothing \
  preempted_jobs_go_on_after_those_they_made_room_for
