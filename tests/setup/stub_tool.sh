#!/usr/bin/env bash
# tests/setup/stub_tool.sh: stands in for any tool, by the name it was copied to; writes its call into ../calls.
#   STUB_FAIL     calls that contain it fail
#   STUB_SLOW     calls that contain it take half a second
#   STUB_MISSING  packages that dpkg-query, and modules that pkg-config, does not have
#   STUB_USER     what `id -u` says (0)
#   STUB_CUDA     the CUDA version that nvcc says (13.0)
#   STUB_CAP      the compute capability that nvidia-smi says (9.0)
name=${0##*/}
call="$name $*"
[[ $name == id ]] && echo "${STUB_USER:-0}" && exit
[[ $name == nvidia-smi ]] && echo "${STUB_CAP:-9.0}" && exit
[[ $name == ctest ]] && call+=" WANFARM_LONG=${WANFARM_LONG:-}"
[[ $name == nvcc ]] && echo "Cuda compilation tools, release ${STUB_CUDA:-13.0}, V${STUB_CUDA:-13.0}.88"
echo "$call" >>"${0%/*}/../calls"
[[ -n ${STUB_SLOW:-} && $call == *"$STUB_SLOW"* ]] && sleep 0.5
failing=0
[[ -n ${STUB_FAIL:-} && $call == *"$STUB_FAIL"* ]] && failing=8 && echo 'stub: failed as asked'

is_missing() { [[ " ${STUB_MISSING:-} " == *" $1 "* ]]; }

program() { # KIND: a program that shows how it was called
  cat <<PROGRAM
#!/usr/bin/env bash
printf '$1 program:'
((\$# == 0)) || printf ' <%s>' "\$@"
[[ -t 0 ]] || read -r -t 0.2 line || line="in \$PWD"
printf ' input: %s\n' "\${line:-}"
echo "FlashAttention-3: \${WANFARM_FA3-none}"
for last; do [[ \$last == exit* ]] && exit "\${last#exit}"; done
exit 0
PROGRAM
}

option_after() { # OPTION ARGUMENT...
  local wanted=$1 last=
  shift
  for word; do
    [[ $last == "$wanted" ]] && echo "$word" && return
    last=$word
  done
}

((failing == 0)) && case $call in
  'cmake --preset'*)
    folder=$PWD/build/$(option_after --preset "$@")
    mkdir -p "$folder"
    echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >"$folder/CMakeCache.txt"
    ;;
  'cmake --build'*)
    folder=$(option_after --build "$@")
    mkdir -p "$folder/bin"
    program "${folder##*/}" >"$folder/bin/wanfarm"
    chmod +x "$folder/bin/wanfarm"
    ;;
  'python3 -m venv'*)
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    sed -i "s#\${0%/\*}/../calls#${0%/*}/../calls#" "$3/bin/python"
    ;;
  'python -m pip install'*--target*)
    folder=$(option_after --target "$@")
    mkdir -p "$folder"/fa3_fwd{,-0.0.3.dist-info}
    touch "$folder/fa3_fwd/_C.abi3.so"
    ;;
  'python -m pip install'*) touch "${0%/*}/../installed" ;;
  dpkg-query*)
    for package in "${@:3}"; do is_missing "$package" || printf '|installed %s|' "$package"; done
    ;;
  pkg-config*)
    for module in $2; do ! is_missing "$module" || failing=1; done
    ;;
esac
[[ $name == nvidia-smi ]] && echo "${STUB_CAP:-9.0}" && exit
[[ $name == ctest ]] && echo 'stub: summary'
exit $failing
