#!/bin/sh
# tests/gpu/each_its_gpu.sh PROGRAM ARGUMENTS...: one rank of an MPI run, which sees one GPU of its machine, as its first.
CUDA_VISIBLE_DEVICES=$OMPI_COMM_WORLD_LOCAL_RANK exec "$@"
