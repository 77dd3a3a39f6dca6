# tests/fuzz/run_fuzz.cmake: PROGRAM over its CORPUS, then over mutations of it. The seed is fixed, so a failure comes back
# in the next run; what crashed is left in WORK. WANFARM_LONG=1 in the environment: ten times as many mutations.
set(mutations 10000)
if("$ENV{WANFARM_LONG}" STREQUAL "1")
  set(mutations 100000)
endif()
file(REMOVE_RECURSE "${WORK}")  # finds of an earlier run would change what this one tries
file(MAKE_DIRECTORY "${WORK}/found")
set(limits -timeout=10 -rss_limit_mb=1024 -max_len=8192 -verbosity=0 "-artifact_prefix=${WORK}/")

foreach(step IN ITEMS "-runs=0;${CORPUS}" "-runs=${mutations};-seed=20240722;-print_final_stats=1;${WORK}/found;${CORPUS}")
  execute_process(COMMAND "${PROGRAM}" ${limits} ${step} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} failed (${result}); the input is in ${WORK}, run the program on that file to see it again")
  endif()
endforeach()
