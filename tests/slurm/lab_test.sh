#!/usr/bin/env bash
# tests/slurm/lab_test.sh LAB_SCRIPT: the lab passes an exit code on, and leaves nothing on the machine, however it ends.
set -uo pipefail

lab=$1
mark=LAB_TEST=$$-$RANDOM # in the environment of all that runs in the lab
export PATH=$PATH:/usr/sbin:/sbin

processes() { grep -lsF "$mark" /proc/[0-9]*/environ; } # of the lab; a zombie's environment is empty
machine() { ip -brief link && cat /proc/self/mounts; }
before=$(machine)

broken() {
  echo "  $1"
  exit 1
}

expect_nothing_left() {
  for _ in {1..50}; do
    [[ -z $(processes) ]] && break
    sleep 0.1
  done
  [[ -z $(processes) ]] || broken "left running: $(processes | tr '\n' ' ')"
  [[ $(machine) == "$before" ]] || broken "left behind: $(diff <(echo "$before") <(machine))"
}

test_the_exit_code_is_the_commands() {
  # shellcheck disable=SC2016  # for the shell in the lab
  env "$mark" "$lab" bash -c '(($(sinfo --noheader --states=idle --format=%D) == 4)) && exit 7'
  [[ $? == 7 ]] || broken 'the command had no four nodes, or its exit code was lost'
  expect_nothing_left
}

test_a_lab_that_is_ended_leaves_nothing() { # SIGNAL
  local started
  started=$(mktemp -u)
  env "$mark" "$lab" bash -c "touch $started; srun -N4 sleep 1000" &
  for _ in {1..100}; do
    [[ -e $started ]] && break
    sleep 0.1
  done
  rm "$started" 2>/dev/null || broken 'the lab did not come up'
  sleep 0.5
  (($(processes | wc -l) > 10)) || broken 'the lab is not where it is looked for'
  kill "-$1" $!
  wait $! 2>/dev/null
  expect_nothing_left
}

failed=0
for name in the_exit_code_is_the_commands 'a_lab_that_is_ended_leaves_nothing KILL' 'a_lab_that_is_ended_leaves_nothing TERM'; do
  # shellcheck disable=SC2086  # a test and its argument
  if (test_$name); then echo "ok      $name"; else
    echo "FAILED  $name"
    failed=$((failed + 1))
  fi
done
((failed == 0))
