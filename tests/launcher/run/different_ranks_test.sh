#!/usr/bin/env bash
# tests/launcher/run/different_ranks_test.sh PROGRAM MODEL: two ranks that were started with different flags render
# nothing, and the one that differs is named.
set -uo pipefail

program=$1 model=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_plm=isolated OMP_NUM_THREADS=1
cat >list.yaml <<'LIST'
defaults: {size: 32x32, frames: 5, steps: 2}
prompts: [a red kite, rain on a window]
LIST
cp list.yaml other.yaml
cp -r "$model" other-model
failed=0

# LIST FLAGS...
rank() { rank=("$program" render "$1" --model "$model" --device cpu --codec y4m --output out "${@:2}"); }

# CODE PATTERN NAME; runs rank0 and rank1
expect() {
  local code
  rm -rf out
  timeout 60 mpirun --bind-to none --oversubscribe -n 1 "${rank0[@]}" : -n 1 "${rank1[@]}" >out.txt 2>&1
  code=$?
  if [[ $code == "$1" ]] && grep -q -- "$2" out.txt && { [[ $1 == 0 ]] || ! compgen -G 'out/*.json' >/dev/null; }; then
    echo "ok     $3"
  else
    echo "FAILED $3: exit code $code, expected $1 and: $2"
    sed 's/^/  /' out.txt
    failed=1
  fi
}

rank list.yaml && rank0=("${rank[@]}")
rank list.yaml --precision exact && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with --precision exact, and rank 0 with --precision auto' 'another precision'
rank list.yaml --codec ffv1 && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with --codec' 'another codec'
rank list.yaml --model other-model && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with --model' 'another model'
rank list.yaml --lora "$model/Wan2.1_VAE.pth=0.5" && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with LoRA flags lora .*=0.5, and rank 0 with LoRA flags not given' 'another LoRA'
rank other.yaml && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with LIST other.yaml, and rank 0 with LIST list.yaml' 'another list'
rank list.yaml --steps 3 && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with other flags of clips than rank 0' 'other steps'
rank list.yaml --only 1 && rank1=("${rank[@]}")
expect 2 'rank 1 .* was started with --only 1' 'another selection'
rank list.yaml --device cuda && rank1=(env CUDA_VISIBLE_DEVICES= "${rank[@]}")
expect 3 'rank 1 (node [^)]*): .*GPU' 'no GPU on one rank: its own words'
rank list.yaml --threads 2 && rank1=("${rank[@]}")
expect 0 '2 rendered' 'threads may differ'
exit $failed
