#!/usr/bin/env bash
# tests/launcher/submit/fake_slurm_test.sh PROGRAM MODEL: `wanfarm submit` and `doctor --slurm` from outside, where
# programs of Slurm's names stand in for Slurm. sbatch runs the script at once, srun what it is told to, on this machine.
# shellcheck disable=SC2015  # broken() does not return
set -uo pipefail

program=$1 model=$2
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT && cd "$work" || exit 3
unset "${!SLURM_@}" XDG_CONFIG_HOME
export HOME=$work/home FAKE=$work/fake OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0
mkdir -p home fake bin
echo 'PartitionName=main Default=YES MaxNodes=UNLIMITED MaxTime=1-00:00:00 TotalNodes=4' >fake/partitions
echo 'PartitionName=short Default=NO MaxNodes=2 MaxTime=00:30:00 TotalNodes=4' >>fake/partitions
common=(list.yaml --model "$model" --threads 1 --codec y4m --gpu cpu)
cat >list.yaml <<'LIST'
defaults: {size: 32x32, frames: 5, steps: 2}
prompts: [a red kite, rain on a window, two cats boxing]
LIST

fake_program() { # NAME; its text is stdin
  { echo '#!/usr/bin/env bash' && cat; } >"bin/$1" && chmod +x "bin/$1"
}
fake_program scontrol <<'END'
[[ "$1 $2" == 'show partition' ]] && exec cat "$FAKE/partitions"
[[ "$1 $2 $4" == 'show job 42' && -e $FAKE/job ]] && exec cat "$FAKE/job"
[[ "$1 $2 $3" == 'update JobId=42 Comment='* ]] && echo "${3#Comment=}" >>"$FAKE/comments" && exit
exit 1
END
fake_program sinfo <<'END'
[[ $* != *--partition=main* || ! -e $FAKE/nodes ]] || exec cat "$FAKE/nodes"
[[ $* == *--partition=main* ]] && echo '4|8|gpu:h100:4(S:0-1)'
[[ $* == *--partition=short* ]] && echo '4|8|(null)'
END
fake_program sbatch <<'END'
[[ $1 == --parsable ]] && cp "$2" "$FAKE/submitted" || exit 9
[[ ! -e $FAKE/refusing ]] || { echo 'sbatch: error: Invalid account' >&2 && exit 1; }
echo 42
{
  echo 'JobState=RUNNING Reason=None Restarts=0 ExitCode=0:0' >"$FAKE/job"
  bash "$2" >"$FAKE/log" 2>&1
  code=$?
  state=FAILED && ((code == 0)) && state=COMPLETED
  echo "JobState=$state Reason=None Restarts=0 ExitCode=$code:0" >"$FAKE/job"
} >/dev/null 2>&1 &
END
fake_program srun <<'END'
[[ $1 != --mpi=list ]] || { printf 'MPI plugin types are...\n\tpmix\n\tnone\n' && exit; }
while [[ $1 == -* ]]; do shift; done
[[ ${DRAIN-} ]] || exec "$@"
"$@" & # and is told to stop once it is at work
until grep -qs '"running"' "$DRAIN/.wanfarm/status.json"; do sleep 0.1; done
kill -USR1 $!
wait $!
exit 137 # as if a rank had been killed meanwhile
END
with_slurm() { PATH=$work/bin:$PATH "$@"; }
submit() { with_slurm "$program" submit "$@" >out 2>err; }

broken() {
  echo "  $1"
  for file in out err fake/log; do [[ ! -f $file ]] || sed "s#^#  $file: #" "$file"; done
  exit 1
}
expect_code() { (($2 == $1)) || broken "exit code $2, not $1"; } # EXPECTED ACTUAL
# One line on stderr besides notes, exit code 2, nothing submitted.
expect_refused() { # TEXT ARGUMENTS...
  rm -f fake/submitted
  submit "${@:2}"
  expect_code 2 $?
  grep -qF -- "$1" err || broken "it does not say '$1'"
  [[ $(grep -vc '^note:' err) == 1 ]] || broken 'it takes more than one line'
  [[ ! -e fake/submitted ]] || broken 'and submits it'
}

test_a_dry_run_prints_the_script_and_leaves_nothing_behind() {
  submit "${common[@]}" --partition main --output dry --nodes 2 --time 60 --dry-run || broken "exit code $?"
  [[ ! -e dry && ! -e fake/submitted ]] || broken 'it wrote a folder, or called sbatch'
  for line in '#SBATCH --partition=main' '#SBATCH --nodes=2' '#SBATCH --time=01:00:00' '#SBATCH --ntasks-per-node=1'; do
    grep -qxF -- "$line" out || broken "there is no '$line'"
  done
  bash -n out || broken 'bash does not read it'
}

test_the_script_in_the_run_folder_is_the_one_that_sbatch_gets() {
  submit "${common[@]}" --output sent --time 60 --dry-run && cp out printed
  submit "${common[@]}" --output sent --time 60 || broken "exit code $?"
  cmp printed fake/submitted && cmp sent/.wanfarm/submit.sbatch fake/submitted || broken 'they differ'
  grep -q '^job 42: 3 clips' out || broken 'the job is not named'
  grep -q 'wanfarm status sent --watch' out || broken 'it does not say how to follow the job'
  grep -q '"id":"42"' sent/.wanfarm/job.json || broken 'the folder does not know its job'
}

test_follow_shows_the_run_and_ends_with_its_code() {
  submit "${common[@]}" --output followed --follow
  expect_code 0 $?
  grep -q '3 clips: 3 done' out || broken 'no status is shown'
  grep -q 'job 42: COMPLETED, exit code 0' out || broken 'the end is not told'
}

test_follow_ends_with_75_when_the_run_was_stopped_with_work_left() {
  DRAIN=stopped submit "${common[@]}" --output stopped --steps 1000 --frames 81 --follow
  expect_code 75 $? # that of the job is 137
  grep -q 'exit code 75 (stopped with work left)' out || broken 'it is not told'
}

# Renders as a rank of job 42 would, of which scontrol says this.
render_in_job() { # ANSWER ARGUMENTS...
  echo "JobState=RUNNING Reason=None Restarts=2 ExitCode=0:0 $1" >fake/job
  SLURM_JOB_ID=42 SLURM_RESTART_COUNT=2 with_slurm "$program" render "${common[@]:0:7}" --device cpu "${@:2}" >out 2>err
}
seconds_from_now() { date -d "now + $1 seconds" +%Y-%m-%dT%H:%M:%S; }

test_the_jobs_comment_shows_how_far_the_run_is() {
  render_in_job "EndTime=$(seconds_from_now 3600) Comment=(null)" --output commented
  expect_code 0 $?
  [[ $(tail -n 1 fake/comments) == '3/3, ended' ]] || broken "it is '$(tail -n 1 fake/comments)' in the end"
  grep -q '"job":"42"' commented/.wanfarm/journal.jsonl || broken 'the journal does not name the job'
  grep -q '"k":"began".*"attempt":3' commented/.wanfarm/journal.jsonl || broken 'or does not count its starts'
}

test_a_comment_of_somebody_else_stays() {
  render_in_job "EndTime=$(seconds_from_now 3600) Comment=project-7" --output kept
  expect_code 0 $?
  [[ ! -e fake/comments ]] || broken "it is overwritten with $(<fake/comments)"
}

test_a_run_stops_before_its_job_ends() {
  render_in_job "EndTime=$(seconds_from_now 5)" --output cut --steps 1000 --frames 81
  expect_code 75 $?
  grep -q '"k":"draining".*job 42 ends at' cut/.wanfarm/journal.jsonl || broken 'the journal does not say why'
  "$program" status cut >out || broken "exit code $?"
  grep -q 'exit code 75' out || broken 'status does not tell the end'
}

test_status_shows_the_job_that_a_run_waits_for_or_is_part_of() {
  echo "JobState=PENDING Reason=Priority Restarts=0 ExitCode=0:0 StartTime=$(date +%Y-%m-%dT)23:59:58" >fake/job
  mkdir -p waiting/.wanfarm && echo '{"id":"42","submitted":1e9}' >waiting/.wanfarm/job.json
  with_slurm "$program" status waiting >out || broken "exit code $?"
  grep -qx 'job 42: PENDING (Priority), expected to begin at 23:59:58' out || broken 'it is not shown'
  with_slurm "$program" status waiting --json >out || broken "exit code $?"
  grep -q '"reason": "Priority"' out || broken 'JSON does not have it'
  "$program" status elsewhere >out 2>err
  expect_code 2 $?
  render_in_job "EndTime=$(seconds_from_now 3)" --output requeued --steps 1000 --frames 81
  expect_code 75 $?
  echo 'JobState=PENDING Reason=BeginTime Restarts=3 ExitCode=0:0' >fake/job
  with_slurm "$program" status requeued >out || broken "exit code $?"
  grep -q '^requeued: ended at .* exit code 75' out || broken 'the run is not shown'
  grep -qx 'job 42: PENDING (BeginTime), 3 restarts' out || broken 'its job is not shown'
}

test_what_is_finished_is_not_submitted_again() {
  "$program" render "${common[@]:0:7}" --device cpu --limit 2 --output partly >/dev/null 2>&1 || broken 'cannot render'
  submit "${common[@]}" --output partly --dry-run
  grep -q '^# 1 clip of list.yaml' out || broken 'it is sized for what is finished'
  "$program" render "${common[@]:0:7}" --device cpu --output partly >/dev/null 2>&1
  submit "${common[@]}" --output partly || broken "exit code $?"
  grep -q 'all clips are finished' out || broken 'it does not say so'
}

test_what_is_finished_with_drawn_seeds_is_not_submitted_again() {
  "$program" render "${common[@]:0:7}" --device cpu --seed random --output drawn >/dev/null 2>&1 || broken 'cannot render'
  submit "${common[@]}" --seed random --output drawn || broken "exit code $?"
  grep -q 'all clips are finished' out || broken 'it does not say so'
  local name
  name=$(basename drawn/0002-*.json .json)
  submit "${common[@]}" --seed random --output drawn --only "$name" || broken 'a clip is not known by its drawn seed'
}

test_limits_of_the_partition_are_refused_with_their_numbers() {
  expect_refused '--nodes 9: a job in partition main may have 4 at most' "${common[@]}" --nodes 9
  expect_refused '--time 2-00:00:00: a job in partition main may last 1-00:00:00 at most' "${common[@]}" --time 2-0
  expect_refused "Slurm has no partition 'gpu'; it has main, short" "${common[@]}" --partition gpu
}

h100=(list.yaml --model random:a14b --size 1280x720 --frames 81 --steps 40)
test_a_time_too_short_for_one_clip_is_refused() {
  expect_refused '00:02:00 is too short for one clip: loading takes' "${h100[@]}" --time 2
}

test_a_list_too_big_for_time_and_nodes_is_refused_with_what_would_do() {
  expect_refused 'which does not fit a job of 02:00:00: --nodes ' "${h100[@]}" --samples 20 --nodes 1 --time 2:00:00
  local nodes
  nodes=$(grep -o -- '--nodes [0-9]*' err)
  # shellcheck disable=SC2086  # a flag and its value
  submit "${h100[@]}" --samples 20 $nodes --time 2:00:00 --dry-run || broken "$nodes do not do it"
  submit "${h100[@]}" --samples 20 --time 2:00:00 --dry-run || broken "exit code $?"
  grep -qxF "#SBATCH ${nodes/ /=}" out || broken 'another number of nodes is chosen for that time'
}

test_gpus_on_which_nothing_fits_are_refused() {
  expect_refused 'nothing fits GPUs of 4.0 GiB' "${h100[@]}" --gpu-memory 4GiB
}

test_what_sbatch_refuses_is_told_with_the_script() {
  touch fake/refusing
  submit "${common[@]}" --output refused
  local code=$?
  rm fake/refusing
  expect_code 2 $code
  grep -q 'Invalid account' err || broken "sbatch's own words are lost"
  grep -q 'sbatch does not take .*refused/.wanfarm/submit.sbatch' err || broken 'the script is not named'
}

test_gpus_and_cores_of_a_node_come_from_sinfo() {
  submit "${h100[@]}" --dry-run || broken "exit code $?"
  grep -qx '#SBATCH --gpus-per-node=4' out && grep -qx '#SBATCH --cpus-per-task=2' out || broken 'they do not'
  expect_refused 'how many GPUs a node has is not known' "${h100[@]}" --partition short
}

test_the_site_file_is_found_and_flags_win_over_it() {
  mkdir -p home/.config/wanfarm xdg/wanfarm
  echo 'account: home' >home/.config/wanfarm/site.yaml
  echo 'account: xdg' >xdg/wanfarm/site.yaml
  echo 'account: given' >given.yaml
  submit "${common[@]}" --dry-run && grep -qx '#SBATCH --account=home' out || broken 'that of the home is not read'
  XDG_CONFIG_HOME=$work/xdg submit "${common[@]}" --dry-run && grep -qx '#SBATCH --account=xdg' out || broken 'XDG is not'
  submit "${common[@]}" --site given.yaml --dry-run && grep -qx '#SBATCH --account=given' out || broken '--site is not'
  submit "${common[@]}" --account flag --dry-run && grep -qx '#SBATCH --account=flag' out || broken 'the flag does not win'
}

test_a_broken_site_file_is_refused_by_file_and_line() {
  printf 'partition: main\nacount: x\n' >broken.yaml
  submit "${common[@]}" --site broken.yaml
  expect_code 2 $?
  grep -qF "broken.yaml:2:1: unknown key 'acount' (did you mean 'account'?)" err || broken 'the line is not named'
  submit "${common[@]}" --site none.yaml
  expect_code 2 $?
  grep -q none.yaml err || broken 'the missing file is not named'
}

test_an_array_is_sized_for_its_longest_task() {
  submit "${h100[@]}" --samples 8 --dry-run && grep -q 'clips of list.yaml' out || broken "exit code $?"
  local whole
  whole=$(grep -- --time out)
  submit "${h100[@]}" --samples 8 --array 4 --dry-run || broken "exit code $?"
  grep -qx '#SBATCH --array=1-4' out || broken 'it is no array'
  grep -q '^# 4 tasks, the longest of which has 6 clips of list.yaml' out || broken 'the tasks are not told'
  [[ $(grep -- --time out) < $whole ]] || broken 'a task gets the time of the whole list'
  expect_refused '3 clips cannot be divided into 4 shards' "${common[@]}" --array 4
  mkdir -p divided/shard-1-of-2
  expect_refused 'holds shards of 2, not of 3' "${common[@]}" --array 3 --output divided
}

test_flags_of_the_run_reach_it() {
  submit "${common[@]}" --output "with blanks" --steps 3 -v --png --only '1,3' --dry-run || broken "exit code $?"
  local command
  command=$(tail -n 1 out)
  for words in 'render list.yaml' '--steps 3' '--verbose' '--png' '--only 1,3' '--device cpu' \
    "--output '$work/with blanks'"; do
    [[ $command == *" $words"* ]] || broken "the command has no $words"
  done
  [[ $command != *--dry-run* ]] || broken 'it would only be a dry run'
}

test_the_site_that_doctor_proposes_is_read() {
  with_slurm "$program" doctor --slurm --output proposed.yaml >out || broken "exit code $?"
  for line in 'partition: main' 'launcher: srun' 'gpu: h100' 'gpus_per_node: 4' 'cpus_per_node: 8'; do
    grep -qx "$line" proposed.yaml || broken "it has no $line"
  done
  submit "${h100[@]}" --site proposed.yaml --dry-run || broken "exit code $?"
}

test_doctor_writes_the_usual_site_file_and_replaces_none() {
  export XDG_CONFIG_HOME=$work/fresh/config
  local file=$XDG_CONFIG_HOME/wanfarm/site.yaml
  with_slurm "$program" doctor --slurm >out 2>err || broken "exit code $?"
  grep -qx 'partition: main' "$file" && grep -qF "$file: written" out || broken 'it is not written'
  echo 'account: mine' >>"$file"
  with_slurm "$program" doctor --slurm >out 2>err
  expect_code 2 $?
  grep -qF "$file: is there already; --force replaces it" err || broken 'the reason is not told'
  grep -qx 'account: mine' "$file" || broken 'and replaced it'
  with_slurm "$program" doctor --slurm --force >out 2>err || broken "exit code $?"
  ! grep -qx 'account: mine' "$file" || broken '--force does not replace it'
  PATH=/nowhere "$program" doctor --slurm --force >out 2>err
  expect_code 3 $?
  grep -qx 'partition: main' "$file" || broken 'it is emptied where Slurm does not answer'
  with_slurm "$program" doctor --output other.yaml >out 2>err
  expect_code 2 $?
}

test_a_partition_with_several_types_of_gpu_gets_a_job_for_one_of_them() {
  printf '2|64|gpu:nvidia_a100-sxm4-40gb:8\n1|96|gpu:h100:8\n' >fake/nodes
  submit "${h100[@]}" --dry-run || broken "exit code $?"
  grep -qx '#SBATCH --gpus-per-node=nvidia_a100-sxm4-40gb:8' out || broken 'the type is not asked for'
  grep -q 'several types (nvidia_a100-sxm4-40gb, h100): the job asks for nvidia_a100-sxm4-40gb' err || broken 'nor noted'
  submit "${h100[@]}" --gpu h100 --dry-run || broken "exit code $?"
  grep -qx '#SBATCH --gpus-per-node=h100:8' out && grep -qx '#SBATCH --cpus-per-task=12' out || broken '--gpu is not taken'
  submit "${h100[@]}" --gpu l40s --dry-run || broken "exit code $?"
  grep -qx '#SBATCH --gpus-per-node=8' out && grep -q 'none is named like l40s' err || broken 'a type is guessed'
  expect_refused 'nothing fits GPUs of 39.0 GiB' "${h100[@]}" --placement resident
  echo '4|8|gpu:h100:4' >fake/nodes
  submit "${h100[@]}" --dry-run || broken "exit code $?"
  grep -qx '#SBATCH --gpus-per-node=4' out || broken 'one type is named'
}

test_a_job_for_gpus_does_not_run_on_cpus() {
  submit "${h100[@]}" --dry-run || broken "exit code $?"
  [[ $(tail -n 1 out) == *' --device cuda '* ]] || broken 'it may take the CPU'
  submit "${h100[@]}" --device auto --dry-run || broken "exit code $?"
  [[ $(tail -n 1 out) == *' --device auto '* && $(tail -n 1 out) != *'--device cuda'* ]] || broken '--device is not taken'
}

test_the_shapes_of_a_random_model_leave_nothing_behind() {
  mkdir -p temporary
  TMPDIR=$work/temporary submit "${h100[@]}" --dry-run || broken "exit code $?"
  [[ ! -e models && -z $(ls temporary) ]] || broken 'they do'
}

test_without_slurm_only_a_dry_run_works() {
  PATH=/usr/bin:/bin
  mkdir -p none && for name in sh bash; do ln -sf "$(command -v $name)" none; done
  PATH=$work/none "$program" submit "${common[@]}" --output none --dry-run >out 2>err || broken "exit code $?"
  grep -q '^note: scontrol does not answer' err || broken 'it does not say that limits are not known'
  PATH=$work/none "$program" submit "${common[@]}" --output without >out 2>err
  expect_code 3 $?
  grep -q 'sbatch is not in PATH' err || broken 'the reason is not told'
  PATH=$work/none "$program" doctor --slurm >out 2>err
  expect_code 3 $?
}

failed=0
for name in $(declare -F | sed -n 's/^declare -f test_//p'); do
  rm -f fake/job fake/comments fake/submitted fake/log fake/nodes out err home/.config/wanfarm/site.yaml
  if ("test_$name"); then echo "ok      $name"; else
    echo "FAILED  $name"
    failed=$((failed + 1))
  fi
done
((failed == 0))
