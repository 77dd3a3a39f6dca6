#!/usr/bin/env bash
# tests/slurm/lab/lab.sh COMMAND...: a Slurm cluster of four nodes on this machine, there as long as COMMAND runs.
# COMMAND runs on the controller, as root, with Slurm's programs in PATH; the exit code is its own, or 3 when the cluster
# did not come up. `lab.sh bash` is a way to look around: sinfo, `on 2 ps aux` (a command on node n2).
#
# A node is a set of namespaces: network, hostname, mounts, IPC and processes, so each has an address, a /dev/shm and a
# list of processes of its own; disks are shared. Nodes and controller lie in one set more. Its first process is this
# script, and whenever that ends, killed or not, the kernel ends all that is in it: processes, mounts, network. What is
# written under $TMPDIR goes with it, too.
#
# Needs root, and the packages slurmctld slurmd slurm-client munge iproute2.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
lab=/run/lab # as in slurm.conf; everything of the lab; in there /run is a file system of its own, in memory
nodes=(1 2 3 4)
export PATH=$here:$PATH:/usr/sbin:/sbin SLURM_CONF=$lab/slurm.conf

say() { printf 'lab: %s\n' "$*" >&2; }

fail() {
  say "$1"
  tail -n 20 "$lab"/log/* >&2 || true
  exit 3
}

# ---- the machine that all share ----

make_files() {
  mount -t tmpfs -o mode=755 lab /run
  mkdir -p /run/munge /run/netns "$lab"/{log,state,dev,tmp}
  chmod 1777 "$lab/tmp"
  cp "$here"/{slurm,gres}.conf "$lab"
  # Newer versions can do without cgroups, and must be told; older ones do not know the word.
  [[ $(slurmd -V) == *' 22.'* ]] || echo 'CgroupPlugin=disabled' >"$lab/cgroup.conf"
  mknod "$lab/dev/nvidia0" c 1 3 && mknod "$lab/dev/nvidia1" c 1 3 # GPUs to count, not to use: twins of /dev/null
  {
    echo '127.0.0.1 localhost'
    echo '10.77.0.254 ctl'
    printf '10.77.0.%d n%d\n' 1 1 2 2 3 3 4 4
  } >"$lab/hosts"
  mount --bind "$lab/hosts" /etc/hosts
}

make_network() {
  hostname ctl
  ip link set lo up
  ip link add bridge type bridge
  ip address add 10.77.0.254/24 dev bridge
  ip link set bridge up
  local i
  for i in "${nodes[@]}"; do
    ip netns add "n$i"
    ip link add "to-n$i" type veth peer name eth0 netns "n$i"
    ip link set "to-n$i" master bridge up
    ip -n "n$i" address add "10.77.0.$i/24" dev eth0
    ip -n "n$i" link set eth0 up
    ip -n "n$i" link set lo up
  done
}

start_munge() {
  head -c 1024 /dev/urandom >"$lab/munge.key"
  chmod 400 "$lab/munge.key"
  munged --key-file="$lab/munge.key" --log-file="$lab/log/munged" --seed-file="$lab/munge.seed" \
    --pid-file="$lab/munged.pid" >"$lab/log/munged-start" 2>&1 || fail 'munged did not start'
}

# ---- a node ----

# Not `ip netns exec`, which mounts another /sys, without the cgroups that slurmd 22.05 looks for.
start_node() { # NUMBER
  nsenter --net="/run/netns/n$1" unshare --mount --uts --ipc --pid --fork --mount-proc "$0" --node "$1" \
    >"$lab/log/node$1" 2>&1 &
  echo $! >"$lab/node$1.pid"
}

node() { # NUMBER; its first process
  hostname "n$1"
  mount -t tmpfs shm /dev/shm
  mkdir -p "$lab"/{spool,tmpfs}/"n$1"
  slurmd -D -N "n$1" &
  wait # and reap what lost its parent
}

# ---- the whole ----

wait_for_nodes() {
  for _ in {1..100}; do
    [[ $(sinfo --noheader --states=idle --format=%D 2>/dev/null) == "${#nodes[@]}" ]] && return
    sleep 0.2
  done
  fail 'the nodes did not come up'
}

inside() { # COMMAND...; the first process of the lab
  make_files
  make_network
  start_munge
  slurmctld -D >"$lab/log/controller" 2>&1 &
  local i
  for i in "${nodes[@]}"; do start_node "$i"; done
  wait_for_nodes
  export TMPDIR=$lab/tmp OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  "$@"
}

case ${1:-} in
  --inside) inside "${@:2}" ;;
  --node) node "$2" ;;
  '') say 'a command is missing: see the head of lab.sh' && exit 2 ;;
  *)
    unset "${!SLURM_@}" "${!OMPI_@}" "${!PMIX_@}" # this shell may itself be in a job
    export SLURM_CONF=$lab/slurm.conf
    # unshare is deaf to INT and TERM; and it ends when this script does, however that comes.
    setpriv --pdeathsig KILL \
      unshare --mount --uts --ipc --net --pid --fork --kill-child --mount-proc "$0" --inside "$@" <&0 &
    trap 'kill -KILL $! 2>/dev/null' INT TERM
    wait $!
    ;;
esac
