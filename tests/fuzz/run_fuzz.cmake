# tests/fuzz/run_fuzz.cmake: runs PROGRAM on its CORPUS, then on mutations of it. The seed is fixed, so a failure repeats in
# the next run; the input that failed is left in WORK. With WANFARM_LONG=1 in the environment it tries ten times as many.
set(mutations 10000)
if("$ENV{WANFARM_LONG}" STREQUAL "1")
  set(mutations 100000)
endif()
file(REMOVE_RECURSE "${WORK}")  # findings of an earlier run would change what this one tries
file(MAKE_DIRECTORY "${WORK}/found")
set(limits -timeout=10 -rss_limit_mb=1024 -max_len=8192 -verbosity=0 "-artifact_prefix=${WORK}/")

foreach(step IN ITEMS "-runs=0;${CORPUS}" "-runs=${mutations};-seed=20240722;-print_final_stats=1;${WORK}/found;${CORPUS}")
  execute_process(COMMAND "${PROGRAM}" ${limits} ${step} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} failed (${result}); the input is in ${WORK}, run the program on that file to see it again")
  endif()
endforeach()
