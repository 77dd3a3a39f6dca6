#!/usr/bin/env bash
# tests/slurm/pools_test.sh PROGRAM MODEL FOLDER: ranks that are not all on like nodes: pools.sbatch of the folder, a
# heterogeneous job with a pool in each component; groups that span nodes; the link between nodes as doctor measures it.
# Runs in the lab (lab/lab.sh).
set -uo pipefail

# shellcheck source=SCRIPTDIR/checks.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/checks.sh" "$@"
scripts=$3
clips=5 # of the list
cat >list.yaml <<'LIST'
defaults: {size: 32x32, frames: 5, steps: 2}
prompts: [a red kite, rain on a window, two cats boxing, a ship at dusk, snow on a roof]
LIST

# A component with two ranks on node n1, and one with a rank on each of n2 and n3: the script's second lines, in place.
adapted() {
  sed -e 's/--partition=h100 --account=project/--partition=main/' -e 's/--partition=l40s --account=project/--partition=main/' \
    -e 's/--nodes=1 --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task=8/--nodes=1 --ntasks-per-node=2 --gpus-per-node=2 --cpus-per-task=1/' \
    -e 's/--nodes=2 --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task=8/--nodes=2 --ntasks-per-node=1 --gpus-per-node=1 --cpus-per-task=2/' \
    "$scripts/pools.sbatch"
}

# The expert that a rank begins with, by its log.
first_expert() { grep -ohE -m 1 '(high|low)_noise_model: ' "pools/log/rank-00$1.log" | cut -d _ -f 1; } # RANK

test_a_heterogeneous_job_has_a_pool_in_each_component() {
  local job rank
  adapted >pools.sbatch
  job=$(sbatch --parsable --output=pools.out pools.sbatch "${common[@]}" -v --output pools --high-ranks 2 --low-ranks 2 \
    --cfg-parallel 1 --ulysses 1 --ring 1) || broken 'sbatch does not take it'
  [[ $(exit_code "$job" 90) == 0:0 ]] || broken "exit code $(exit_code "$job")" pools
  expect_same_frames pools
  grep -q 'placement: pipeline 2:2, groups of 1' pools.out || broken 'there are no two pools' pools
  for rank in 0 1; do [[ $(first_expert "$rank") == high ]] || broken "rank $rank has not the high-noise expert" pools; done
  for rank in 2 3; do [[ $(first_expert "$rank") == low ]] || broken "rank $rank has not the low-noise expert" pools; done
}

test_both_components_are_drained_by_the_signal_before_the_limit() {
  local job
  job=$(sbatch --parsable --output=drain.out pools.sbatch "${common[@]}" --steps 1000 --output drain) ||
    broken 'sbatch does not take it'
  for _ in {1..300}; do
    grep -qs placement drain/log/rank-000.log && break
    sleep 0.1
  done
  sleep 0.5 # into the steps
  scancel --signal=USR1 "$job"
  [[ $(exit_code "$job" 90) == 75:0 ]] || broken "exit code $(exit_code "$job")" drain
  grep -q 'work left' drain.out || broken 'nothing said of what is left' drain
}

# A sequence that two ranks share sums in another order than one rank does, wherever they are.
test_a_group_over_two_nodes_renders_what_it_renders_on_one() {
  local shared=("${common[@]}" --cfg-parallel 1 --ulysses 2 --ring 1)
  own_srun 90 --nodes=1 --ntasks=2 "$program" render "${shared[@]}" --output near >near.out 2>near.err ||
    broken "exit code $?" near
  own_srun 90 --nodes=2 --ntasks=2 "$program" render "${shared[@]}" --output far >far.out 2>far.err ||
    broken "exit code $?" far
  grep -q '1 group of 2 (ulysses 2)' far.err || broken 'the two ranks are not one group' far
  [[ $(hashes far | wc -l) == 5 ]] || broken 'not every clip was rendered' far
  [[ $(hashes far) == "$(hashes near)" ]] || broken "other frames: $(diff <(hashes far) <(hashes near))" far
}

test_doctor_measures_the_link_between_nodes_as_plans_take_it() {
  local rate
  own_srun 90 --nodes=2 --ntasks=2 "$program" doctor --device cpu >doctor.out 2>doctor.err || broken "exit code $?" doctor
  rate=$(sed -n 's/.*between machines: each rank sends .*--link-between-nodes \([^,]*\),.*/\1/p' doctor.out)
  [[ -n $rate ]] || broken 'the link is not measured' doctor
  "$program" plan "${common[@]:0:3}" --gpus 1 --nodes 2 --ulysses 2 --link-between-nodes "$rate" >plan.out 2>plan.err ||
    broken "exit code $?" plan
}

run_tests one_process a_heterogeneous_job_has_a_pool_in_each_component \
  both_components_are_drained_by_the_signal_before_the_limit \
  a_group_over_two_nodes_renders_what_it_renders_on_one doctor_measures_the_link_between_nodes_as_plans_take_it
