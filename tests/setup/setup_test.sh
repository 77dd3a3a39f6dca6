#!/usr/bin/env bash
# tests/setup/setup_test.sh SCRIPT: tests the script `wanfarm` in small trees of its own, without a network. Every tool
# that it could install, fetch or build with is a stub that records its call in $tree/calls; nothing else is on PATH.
set -uo pipefail

script=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
real_tools=(awk bash cat chmod cp cut dirname env find flock grep mkdir mv nproc readlink realpath rm sed sleep tail touch)
sources=(CMakeLists.txt CMakePresets.json cmake/A.cmake base/a.cpp cluster/a.cpp jobs/a.cpp parallel/a.cpp pipeline/a.cpp launcher/main.cpp)
unset "${!STUB_@}" "${!WF_@}" "${!OMPI_@}" "${!PMIX_@}" "${!SLURM_@}" WANFARM_FA3

# Makes a tree with sources and tools the current folder. The tools in the list are missing.
new_tree() { # [MISSING TOOL...]
  tree=$(mktemp -d "${TMPDIR:-/tmp}/wanfarm-setup.XXXXXX")
  trap 'rm -rf "$tree"' EXIT
  cd "$tree" || exit 1
  mkdir -p tools project/{cmake,base,cluster,jobs,parallel,pipeline,launcher}
  for file in "${sources[@]}"; do echo "$file" >"project/$file"; done
  cp "$script" project/wanfarm
  local tool
  for tool in "${real_tools[@]}"; do ln -s "$(command -v "$tool")" "tools/$tool"; done
  for tool in g++ mpicxx mpiexec cmake ninja pkg-config python3 ctest ffprobe clang++ dpkg-query apt-get id unshare sbatch \
    nvidia-smi; do
    cp --remove-destination "$here/stub_tool.sh" "tools/$tool"
  done
  for tool in "$@"; do rm "tools/$tool"; done
  export CUDA_HOME=$tree/cuda
  # The script counts GPUs with compgen. A function takes precedence over the builtin, so STUB_GPU sets their number.
  # shellcheck disable=SC2317  # the script calls it
  compgen() {
    for ((gpu = 0; gpu < ${STUB_GPU:-0}; ++gpu)); do echo "/dev/nvidia$gpu"; done
    ((gpu > 0))
  }
  export -f compgen
  : >calls
}

# A CUDA toolkit, on PATH (tools) or where it usually lies (cuda/bin).
add_nvcc() { mkdir -p "$1" && cp --remove-destination "$here/stub_tool.sh" "$1/nvcc"; }

wanfarm_as_it_is() { PATH=$tree/tools project/wanfarm "$@" >out 2>err; }
wanfarm() { wanfarm_as_it_is --cpu "$@"; }

# ---- expectations; the first one that fails ends the test ----
broken() {
  echo "  $1"
  for file in out err calls; do sed "s/^/  $file: /" "$tree/$file"; done
  exit 1
}
expect_code() { [[ $1 == "$2" ]] || broken "exit code $1, expected $2"; }
expect_in() { grep -qF -- "$2" "$tree/$1" || broken "$1 lacks: $2"; }
expect_not_in() { ! grep -qF -- "$2" "$tree/$1" || broken "$1 has: $2"; }
expect_calls() { # COUNT WHAT
  local count
  count=$(grep -cF -- "$2" "$tree/calls")
  [[ $count == "$1" ]] || broken "$count calls of: $2; expected $1"
}

# ---- handing over ----

test_builds_and_hands_over_with_arguments_input_and_exit_code() {
  new_tree
  echo 'a line' | wanfarm 'two words' '' exit7
  expect_code $? 7
  expect_in out 'cpu program: <two words> <> <exit7> input: a line'
  expect_calls 1 'cmake --preset cpu'
  expect_calls 1 'cmake --build'
  expect_in calls '--target wanfarm'
  expect_in calls '-DWF_TESTS=OFF'
}

test_does_nothing_when_nothing_changed() {
  new_tree
  wanfarm
  : >calls
  wanfarm
  expect_code $? 0
  [[ ! -s calls && ! -s err ]] || broken 'it did something'
}

test_adds_less_than_100_ms_when_nothing_changed() {
  new_tree
  for i in {1..300}; do touch "project/pipeline/file$i.hpp"; done # as large as the project is
  wanfarm
  local best=1000000 start took
  for _ in {1..10}; do
    start=${EPOCHREALTIME/[.,]/}
    wanfarm
    took=$((${EPOCHREALTIME/[.,]/} - start))
    ((took < best)) && best=$took
  done
  echo "  $((best / 1000)) of 100 ms"
  ((best < 100000)) || broken 'too slow'
}

test_builds_again_after_every_kind_of_change() {
  new_tree
  wanfarm
  local change
  for change in 'echo more >>project/jobs/a.cpp' 'touch project/jobs/new.cpp' 'rm project/jobs/new.cpp' \
    'touch -d 2001-01-01 project/cluster/a.cpp' 'echo more >>project/base/a.cpp' 'mv project/cluster/a.cpp project/cluster/b.cpp' \
    'echo "# more" >>project/wanfarm' 'rm project/build/cpu/bin/wanfarm' 'export WF_BUILD_TYPE=Debug'; do
    : >calls
    eval "$change"
    wanfarm
    expect_calls 1 'cmake --build'
  done
}

test_finds_itself_through_a_link_and_keeps_the_cwd() {
  new_tree
  mkdir elsewhere
  ln -s ../project/wanfarm elsewhere/link
  (cd elsewhere && PATH=$tree/tools ./link --cpu relative.yaml >"$tree/out" 2>"$tree/err")
  expect_in out "<relative.yaml> input: in $tree/elsewhere"
}

test_a_folder_that_was_moved_is_configured_anew() {
  new_tree
  wanfarm
  mv project moved && ln -s moved project
  touch moved/build/cpu/left_over
  wanfarm
  expect_code $? 0
  [[ ! -e moved/build/cpu/left_over ]] || broken "CMake's old folder is still there"
}

# ---- ranks ----

test_a_rank_only_hands_over() {
  new_tree
  wanfarm
  echo changed >>project/jobs/a.cpp
  : >calls
  local variable
  for variable in OMPI_COMM_WORLD_RANK=0 PMI_RANK=0 PMIX_RANK=0 SLURM_STEP_NUM_TASKS=2; do
    env "$variable" PATH="$tree/tools" project/wanfarm --cpu verb >out 2>err
    expect_code $? 0
    expect_in out 'cpu program: <verb>'
  done
  [[ ! -s calls ]] || broken 'it built'
}

test_a_rank_exits_3_when_nothing_is_built() {
  new_tree
  OMPI_COMM_WORLD_RANK=1 wanfarm verb
  expect_code $? 3
  expect_in err "$(readlink -f project/wanfarm) --cpu --version"
  [[ ! -s calls && ! -e project/build ]] || broken 'it built'
  OMPI_COMM_WORLD_RANK=1 wanfarm_as_it_is verb
  expect_code $? 3
  expect_in err "$(readlink -f project/wanfarm) --version"
}

test_a_rank_on_a_gpu_does_not_take_the_build_without_cuda() {
  new_tree
  wanfarm # as on a login node without GPU and toolkit
  : >calls
  OMPI_COMM_WORLD_RANK=1 STUB_GPU=8 wanfarm_as_it_is verb
  expect_code $? 3
  expect_not_in out 'cpu program:'
  expect_in err 'the build with CUDA is not there (--cpu takes the one without)'
  expect_in err "$(readlink -f project/wanfarm) --cuda --version"
  OMPI_COMM_WORLD_RANK=1 wanfarm_as_it_is --cuda verb
  expect_code $? 3
  OMPI_COMM_WORLD_RANK=1 STUB_GPU=8 wanfarm verb
  expect_in out 'cpu program: <verb>'
  OMPI_COMM_WORLD_RANK=1 wanfarm_as_it_is verb
  expect_in out 'cpu program: <verb>'
  [[ ! -s calls ]] || broken 'it built'
}

test_a_rank_takes_the_build_with_cuda_wherever_it_was_built() {
  new_tree
  wanfarm
  wanfarm_as_it_is --cuda
  OMPI_COMM_WORLD_RANK=1 STUB_GPU=8 wanfarm_as_it_is verb
  expect_in out 'cuda program: <verb>'
  rm -r project/build/cpu
  OMPI_COMM_WORLD_RANK=1 wanfarm_as_it_is verb
  expect_in out 'cuda program: <verb>'
}

test_a_batch_script_and_a_shell_of_slurm_may_build() {
  new_tree
  SLURM_JOB_ID=7 SLURM_PROCID=0 SLURM_NTASKS=4 wanfarm
  expect_calls 1 'cmake --build'
  echo changed >>project/jobs/a.cpp
  SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 PMIX_RANK=0 wanfarm
  expect_calls 2 'cmake --build'
}

test_settings_of_an_mpi_make_no_rank() {
  new_tree
  OMPI_MCA_btl=self PMIX_MCA_gds=hash wanfarm
  expect_calls 1 'cmake --build'
}

# ---- packages ----

test_missing_packages_are_installed_by_root_and_only_those() {
  new_tree
  export STUB_MISSING='libhdf5-dev libyaml-cpp-dev hdf5 yaml-cpp' STUB_USER=0
  cp --remove-destination "$here/stub_tool.sh" tools/id
  wanfarm
  expect_calls 1 'dpkg-query'
  expect_in calls 'install -y --no-install-recommends libhdf5-dev libyaml-cpp-dev'
  expect_in err 'libyaml-cpp-dev      prompt lists'
  expect_not_in calls sudo
}

test_tests_bring_their_own_packages() {
  new_tree
  export STUB_MISSING='libgtest-dev gtest libclang-rt-dev' STUB_USER=0
  cp --remove-destination "$here/stub_tool.sh" tools/id
  wanfarm
  expect_calls 0 'apt-get'
  wanfarm test
  expect_in calls 'install -y --no-install-recommends libgtest-dev libclang-rt-dev'
}

test_sudo_is_used_where_it_is_needed() {
  new_tree
  export STUB_MISSING='libhdf5-dev hdf5' STUB_USER=1000
  cp --remove-destination "$here/stub_tool.sh" tools/sudo
  wanfarm
  expect_in calls 'sudo env DEBIAN_FRONTEND=noninteractive apt-get'
  expect_in err 'with sudo apt-get'
}

test_proxies_go_to_apt_through_sudo() {
  new_tree
  export STUB_MISSING='libhdf5-dev hdf5' STUB_USER=1000
  cp --remove-destination "$here/stub_tool.sh" tools/sudo
  unset {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY
  http_proxy=http://proxy:1 HTTPS_PROXY=http://proxy:2 no_proxy='a b' wanfarm
  expect_in calls 'env DEBIAN_FRONTEND=noninteractive http_proxy=http://proxy:1 no_proxy=a b HTTPS_PROXY=http://proxy:2 apt-get'
}

test_nothing_is_fetched_where_the_program_cannot_be_built() {
  local needed
  for needed in g++ cmake ninja mpicxx pkg-config; do
    new_tree "$needed" clang++ dpkg-query
    STUB_FAIL=apt-get wanfarm
    expect_code $? 3
    expect_in err 'cannot be built without'
    expect_in err 'setup.log'
    expect_calls 0 'pip install'
    rm -rf "$tree"
  done
  new_tree apt-get dpkg-query
  STUB_MISSING=libutf8proc wanfarm test
  expect_code $? 3
  expect_in err 'cannot be built without libutf8proc-dev: install'
  expect_calls 0 'pip install'
}

test_without_apt_the_missing_are_named_and_the_build_goes_on() {
  new_tree apt-get dpkg-query
  export STUB_MISSING='hdf5 yaml-cpp libavcodec'
  wanfarm
  expect_code $? 0
  expect_in err 'libhdf5-dev libyaml-cpp-dev libavcodec-dev'
  expect_not_in err libspdlog-dev
  expect_in calls '-DWF_FFMPEG=OFF'
  expect_in err 'Y4M'
}

test_without_sudo_no_user_installs() {
  new_tree
  export STUB_MISSING='libhdf5-dev hdf5' STUB_USER=1000
  wanfarm
  expect_code $? 0
  expect_in err 'Ask for them'
  expect_calls 0 'apt-get'
}

test_ffmpeg_can_be_left_out() {
  new_tree
  WF_FFMPEG=OFF wanfarm
  expect_in calls '-DWF_FFMPEG=OFF'
}

# ---- LibTorch ----

test_an_interrupted_fetch_leaves_no_deps_and_is_healed() {
  new_tree
  STUB_FAIL='pip install' wanfarm
  expect_code $? 3
  expect_in err 'WF_TORCH_ROOT'
  [[ ! -e project/.deps ]] || broken '.deps is there'
  wanfarm
  expect_code $? 0
  [[ -f project/.deps/installed && ! -e project/.deps.part ]] || broken '.deps is not complete'
}

test_deps_that_nobody_completed_are_fetched_anew() {
  new_tree
  mkdir -p project/.deps/half
  wanfarm
  [[ -f project/.deps/installed && ! -e project/.deps/half ]] || broken '.deps is not complete'
}

test_an_existing_torch_is_taken() {
  new_tree
  mkdir torch
  WF_TORCH_ROOT=torch wanfarm
  expect_in calls "-DWF_TORCH_ROOT=$tree/torch"
  expect_calls 0 'pip install'
}

test_cuda_takes_all_of_its_packages_and_cpu_is_content_with_them() {
  new_tree
  wanfarm
  expect_not_in calls nvidia-nccl
  wanfarm_as_it_is --cuda
  expect_in out 'cuda program:'
  expect_in calls nvidia-nccl-cu13==
  : >calls
  touch project/jobs/new.cpp
  wanfarm
  expect_in out 'cpu program:'
  expect_calls 0 'pip install'
}

# ---- CUDA ----

test_without_gpu_and_toolkit_it_is_the_cpu_build() {
  new_tree
  wanfarm_as_it_is
  expect_in out 'cpu program:'
}

test_a_gpu_makes_it_the_cuda_build() {
  new_tree
  STUB_GPU=1 wanfarm_as_it_is
  expect_in out 'cuda program:'
  STUB_GPU=1 wanfarm
  expect_in out 'cpu program:'
}

test_a_toolkit_makes_it_the_cuda_build() {
  new_tree
  add_nvcc tools
  wanfarm_as_it_is
  expect_in out 'cuda program:'
  mv tools/nvcc . && mkdir -p cuda/bin && mv nvcc cuda/bin
  wanfarm_as_it_is
  expect_in out 'cuda program:'
}

test_a_toolkit_is_not_asked_when_nothing_changed() {
  new_tree
  add_nvcc tools
  wanfarm_as_it_is
  : >calls
  wanfarm_as_it_is
  [[ ! -s calls ]] || broken 'it did something'
  rm tools/nvcc # a compute node, where the toolkit is not: what was built before is taken as it is
  STUB_GPU=1 wanfarm_as_it_is
  expect_in out 'cuda program:'
  [[ ! -s calls ]] || broken 'it built again'
}

test_an_own_torch_without_cuda_makes_it_the_cpu_build() {
  new_tree
  add_nvcc tools
  mkdir -p torch/lib venv/lib/python3.11/site-packages/torch/lib
  touch venv/lib/python3.11/site-packages/torch/lib/libtorch_cuda.so
  WF_TORCH_ROOT=torch wanfarm_as_it_is
  expect_in out 'cpu program:'
  WF_TORCH_ROOT=venv wanfarm_as_it_is
  expect_in out 'cuda program:'
}

test_nvcc_is_fetched_only_where_none_fits() {
  new_tree
  wanfarm_as_it_is --cuda
  expect_in calls nvidia-cuda-nvcc==13.
  rm -r project/.deps project/build
  : >calls
  add_nvcc tools
  wanfarm_as_it_is --cuda
  expect_in calls nvidia-nccl
  expect_not_in calls nvidia-cuda-nvcc
  rm -r project/build
  STUB_CUDA=12.0 wanfarm_as_it_is --cuda
  expect_in calls nvidia-cuda-nvcc==13.
}

test_the_cpu_build_fetches_no_nvcc() {
  new_tree
  wanfarm
  expect_not_in calls nvidia-cuda-nvcc
}

# ---- FlashAttention-3 ----

test_flash_attention_is_fetched_on_request_alone() {
  new_tree
  wanfarm
  expect_in out 'FlashAttention-3: none'
  expect_not_in calls fa3
  wanfarm_as_it_is --with-fa3 --cpu verb
  expect_code $? 0
  expect_in out 'cpu program: <verb>'
  expect_in calls fa3-fwd==0.0.3
  expect_in out "FlashAttention-3: $tree/project/.deps/fa3/fa3_fwd/_C.abi3.so"
}

test_flash_attention_is_fetched_once_and_stays() {
  new_tree
  wanfarm --with-fa3
  : >calls
  wanfarm --with-fa3
  [[ ! -s calls ]] || broken 'it was fetched again'
  wanfarm_as_it_is --cuda # makes .deps anew
  expect_in calls nvidia-nccl
  expect_not_in calls fa3-fwd
  expect_in out "FlashAttention-3: $tree/project/.deps/fa3/fa3_fwd/_C.abi3.so"
}

test_an_own_flash_attention_is_taken() {
  new_tree
  WANFARM_FA3=/own wanfarm --with-fa3
  expect_in out 'FlashAttention-3: /own'
}

test_a_failed_fetch_of_flash_attention_is_an_error() {
  new_tree
  STUB_FAIL=fa3-fwd wanfarm --with-fa3
  expect_code $? 3
  expect_in err 'FlashAttention-3 could not be fetched'
  [[ ! -e project/.deps/fa3 ]] || broken '.deps/fa3 is there'
}

test_flash_attention_goes_beside_an_own_torch() {
  new_tree
  mkdir torch
  WF_TORCH_ROOT=torch wanfarm --with-fa3
  expect_in out "FlashAttention-3: $tree/project/.deps/fa3/fa3_fwd/_C.abi3.so"
  expect_calls 1 'pip install'
}

# ---- builds ----

test_a_broken_build_shows_its_end_and_is_tried_again() {
  new_tree
  STUB_FAIL='cmake --build' wanfarm
  expect_code $? 3
  expect_in err 'stub: failed as asked'
  wanfarm
  expect_code $? 0
}

test_two_at_once_build_once() {
  new_tree
  export STUB_SLOW='cmake --build'
  wanfarm &
  sleep 0.2
  PATH=$tree/tools project/wanfarm --cpu >out2 2>err2
  wait
  expect_calls 1 'cmake --build'
  grep -q 'another ./wanfarm is building' err2 || broken 'the second did not say that it waits'
}

test_a_disk_without_locks_builds_with_a_warning() {
  new_tree
  cp --remove-destination "$here/stub_tool.sh" tools/flock
  STUB_FAIL=flock wanfarm verb
  expect_code $? 0
  expect_in out 'cpu program: <verb>'
  expect_in err 'has no locks'
  expect_not_in err 'another ./wanfarm is building'
}

# ---- tests ----

test_test_builds_all_and_ends_with_ctest() {
  new_tree
  STUB_FAIL=ctest wanfarm test -- -R name
  expect_code $? 8
  expect_in calls '-DWF_TESTS=ON'
  expect_in calls '--target all'
  expect_in calls '--output-on-failure'
  expect_in calls ' -R name'
  [[ $(tail -n 1 out) == 'stub: summary' ]] || broken 'the last line is not the summary'
  expect_in calls 'libgtest-dev'
}

test_test_long_adds_the_sanitizers() {
  new_tree
  wanfarm test --long
  expect_code $? 0
  expect_calls 3 'ctest --test-dir'
  expect_in calls 'cmake --preset asan'
  expect_calls 3 'WANFARM_LONG=1'
}

test_test_long_asks_the_thread_sanitizer_about_tests_of_threads_alone() {
  new_tree
  wanfarm test
  expect_not_in calls tsan
  STUB_USER=1000 wanfarm test --long -- -R name
  expect_calls 1 'cmake --preset tsan'
  expect_in calls 'build/tsan --target thread_tests'
  expect_calls 1 ' -L ^threads$ -R name'
  expect_calls 2 ' -LE lab -R name'
}

test_test_leaves_out_gpu_tests_where_there_is_no_gpu() {
  new_tree
  wanfarm_as_it_is --cuda test
  expect_in calls ' -LE gpu'
  expect_in err 'no NVIDIA GPU here'
  : >calls
  STUB_GPU=2 wanfarm_as_it_is --with-fa3 test
  expect_in calls 'ctest --test-dir'
  expect_not_in calls '-LE'
  expect_not_in err 'skipping'
}

test_test_leaves_out_tests_of_two_gpus_where_there_is_one() {
  new_tree
  STUB_GPU=1 wanfarm_as_it_is --with-fa3 test
  expect_in calls ' -LE gpu2'
  expect_in err 'one NVIDIA GPU here'
}

test_test_leaves_out_hopper_where_it_is_not() {
  new_tree
  STUB_GPU=2 STUB_CAP=8.0 wanfarm_as_it_is --with-fa3 test
  expect_in calls ' -LE hopper'
  expect_in err 'no Hopper GPU here'
}

test_test_leaves_out_flash_attention_where_it_is_not() {
  new_tree
  STUB_GPU=2 wanfarm_as_it_is test
  expect_in calls ' -LE fa3'
  expect_in err 'no FlashAttention-3 here'
}

test_test_brings_slurm_for_virtual_nodes_where_they_can_be() {
  new_tree
  wanfarm test
  expect_in calls 'slurmctld slurmd slurm-client munge'
  expect_not_in calls '-LE'
}

test_test_leaves_out_virtual_nodes_without_root_and_namespaces() {
  new_tree
  STUB_USER=1000 wanfarm test
  expect_in calls ' -LE lab'
  expect_in err 'no virtual nodes here'
  expect_not_in calls slurmctld
  STUB_FAIL=unshare wanfarm test
  expect_in err 'no virtual nodes here'
  rm tools/sbatch
  PATH=$tree/tools project/wanfarm --cpu test >out 2>err
  expect_in err 'no virtual nodes here'
  STUB_FAIL=unshare wanfarm_as_it_is --cuda test
  expect_in calls ' -LE gpu|lab'
}

test_test_of_the_cpu_build_says_nothing_of_gpus() {
  new_tree
  wanfarm test
  expect_not_in calls '-LE'
  expect_not_in err GPU
}

test_test_refuses_what_it_does_not_know() {
  new_tree
  wanfarm test --lnog
  expect_code $? 2
  expect_in err '--lnog'
}

test_a_program_after_tests_keeps_the_tests_configured() {
  new_tree
  wanfarm test
  : >calls
  echo more >>project/jobs/a.cpp
  wanfarm
  expect_not_in calls WF_TESTS
}

test_the_script_is_sound() {
  new_tree
  bash -n "$script" || broken 'bash -n'
}

failed=0 count=0
for name in $(compgen -A function test_); do
  count=$((count + 1))
  if ("$name"); then echo "ok      ${name#test_}"; else
    echo "FAILED  ${name#test_}"
    failed=$((failed + 1))
  fi
done
echo "$((count - failed)) of $count passed"
((failed == 0 && count > 0))
