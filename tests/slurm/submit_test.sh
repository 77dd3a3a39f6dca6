#!/usr/bin/env bash
# tests/slurm/submit_test.sh PROGRAM MODEL: what `wanfarm submit` writes is what Slurm takes and runs. Runs in the lab
# (lab/lab.sh); the nodes see one disk, $TMPDIR.
set -uo pipefail

# shellcheck source=SCRIPTDIR/checks.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh" "$@"
clips=5 # of the list
export HOME=$work
cat >list.yaml <<'LIST'
defaults: {size: 32x32, frames: 5, steps: 2}
prompts: [a red kite, rain on a window, two cats boxing, a ship at dusk, snow on a roof]
LIST
printf 'partition: main\ngpu: cpu\ngpus_per_node: 1\n' >srun.yaml
printf 'partition: main\ngpu: cpu\ngpus_per_node: 2\nlauncher: mpirun\nscratch: /tmp\n' >mpirun.yaml
printf 'account: lab\nmodules: [gcc, openmpi/4.1]\ncontainer: /images/wanfarm.sif\ngpu: h100\nsbatch: [--mem=500, --exclusive]\n' >container.yaml

test_sbatch_takes_the_scripts_of_three_sites() {
  local site
  for site in srun mpirun container; do
    "$program" submit "${common[@]}" --site "$site.yaml" --nodes 2 --output "in $site" --dry-run >"$site.sbatch" 2>"$site.err" ||
      broken "exit code $?" "$site"
    sbatch --test-only "$site.sbatch" 2>>"$site.err" || broken "sbatch does not take it" "$site"
  done
}

expect_submitted_run() { # SITE FLAGS...
  timeout 60 "$program" submit "${common[@]}" --site "$1.yaml" "${@:2}" --output "$1" --follow >"$1.out" 2>"$1.err" ||
    broken "exit code $?" "$1"
  expect_same_frames "$1"
  grep -q 'COMPLETED, exit code 0' "$1.out" || broken 'the end is not told' "$1"
  local job
  job=$(sed -n 's/^job \([0-9]*\): 5 clips.*/\1/p' "$1.out")
  [[ $(scontrol show job --oneliner "$job") == *' Comment=5/5, ended '* ]] || broken 'the comment does not tell it' "$1"
}
test_a_job_of_srun_renders_what_one_process_does() { expect_submitted_run srun --nodes 4; }
test_a_job_of_mpirun_renders_what_one_process_does() { expect_submitted_run mpirun --nodes 2; }

test_an_array_is_followed_to_the_end_of_its_last_task() {
  timeout 90 "$program" submit "${common[@]}" --site srun.yaml --array 3 --output array --follow >array.out 2>array.err ||
    broken "exit code $?" array
  mkdir together && cp array/shard-*-of-3/*.json together
  expect_same_frames together
  grep -q '5 clips of 3 of 3 shards: 5 done' array.out || broken 'the shards are not shown as one run' array
}

test_a_drained_job_is_followed_to_75() {
  timeout 60 "$program" submit "${common[@]}" --site srun.yaml --nodes 2 --steps 1000 --output drain --follow >drain.out 2>drain.err &
  local job
  for _ in {1..300}; do
    grep -qs placement drain/log/rank-000.log && break
    sleep 0.1
  done
  job=$(sed -n 's/^job \([0-9]*\): 5 clips.*/\1/p' drain.out)
  sleep 0.5 # into the steps
  scancel --signal=USR1 "$job" || broken "there is no job '$job'" drain
  wait $!
  local code=$?
  [[ $code == 75 ]] || broken "exit code $code" drain
}

test_doctor_proposes_a_site_for_this_cluster() {
  "$program" doctor --slurm --output site.yaml >/dev/null || broken "exit code $?"
  for line in 'partition: main' 'launcher: srun' 'gpus_per_node: 2' 'cpus_per_node: 2'; do
    grep -qx "$line" site.yaml || broken "no $line in: $(<site.yaml)"
  done
}

run_tests one_process sbatch_takes_the_scripts_of_three_sites a_job_of_srun_renders_what_one_process_does \
  a_job_of_mpirun_renders_what_one_process_does an_array_is_followed_to_the_end_of_its_last_task a_drained_job_is_followed_to_75 doctor_proposes_a_site_for_this_cluster
