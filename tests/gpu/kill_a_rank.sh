# tests/gpu/kill_a_rank.sh: the step of many.sh that kills rank 1 within a forward. many.sh sources it.

# Prints the MiB in use on each GPU; nothing on a CPU.
used_memory() { [[ $preset == cpu ]] || nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits; }

# BEFORE...; waits up to ten seconds until each GPU uses no more than before, plus 200 MiB. Fails otherwise.
memory_is_back() {
  local before=("$@") now i back
  for _ in {1..20}; do
    mapfile -t now < <(used_memory)
    back=true
    for i in "${!now[@]}"; do ((now[i] <= before[i] + 200)) || back=false; done
    $back && return 0
    sleep 0.5
  done
  return 1
}

# Prints the process id of rank 1 of the run in $work, if it exists.
rank_1() {
  local process
  for process in /proc/[0-9]*; do
    [[ $process/cwd -ef $work ]] &&
      tr '\0' '\n' <"$process/environ" | grep -qx OMPI_COMM_WORLD_RANK=1 && echo "${process#/proc/}"
  done 2>/dev/null
}

# True once the ranks have done a step of a clip, according to rank 0's line of the display for terminals. (Rank 1's line
# is updated only once a second.)
are_at_work() { grep -aqE 'rank 000 [^ ]+ (high|low) [1-9][0-9]*/' killed.txt; }

shared_render() {
  render killed --placement resident "${apart[@]}" --ulysses "$gpus" "${long[@]}" --verbose --restarts 0
}

kill_a_rank() {
  local before run victim='' code ms begin names=false back=false finished=false ended=false
  mapfile -t before < <(used_memory)
  WANFARM_TERMINAL=24x120 shared_render 2>killed.txt &
  run=$!
  until [[ $victim ]] && are_at_work; do
    [[ $victim ]] || victim=$(rank_1)
    kill -0 $run 2>/dev/null || {
      tail -n 20 killed.txt
      echo 'the run was over before its first step was seen'
      return 1
    }
    sleep 0.05
  done
  begin=$(date +%s%3N)
  kill -KILL "$victim" || return 1
  wait $run
  code=$?
  ms=$(($(date +%s%3N) - begin))
  grep -avE 'rank [0-9]{3} [^ ]+|\[[#-]{20}\]' killed.txt | tail -n 20 # lines that are not part of the display
  ((ms < 15000 && (code == 1 || code == 3))) && ended=true
  grep -aqE 'rank 1([^0-9]|$)' killed.txt && names=true
  memory_is_back "${before[@]}" && back=true
  shared_render && (($(latents_in killed | wc -l) == 3)) && finished=true
  {
    printf '{"step": "kill", "ms_to_the_end": %d, "exit_code": %d, "names_rank_1": %s, ' $ms $code $names
    printf '"memory_is_back": %s, "the_same_command_finishes": %s}\n' $back $finished
  } | tee -a "$out/results.jsonl"
  $ended && $names && $back && $finished
}
