#!/bin/bash
# A sweep shared by the tasks of a job array, one GPU each:
# `sbatch docs/distributed/slurm_array.sh` from the checkout's folder, which all nodes
# must see. Adapt the #SBATCH lines and the command.
#
# Every task gives the same command and takes the next run that no other task has taken.
# Five minutes before the time limit a task saves its run and returns to the queue.
#SBATCH --job-name=report_d
#SBATCH --array=0-3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

export PATH="$PWD/.venv/bin:$PATH"

stopped=
trap 'stopped=yes; kill -TERM "$sweep"' USR1

python main.py --mode=sweep --sweep=sweeps/report_d.py:table_3 --workdir=runs/report_d \
    --set=data.source=files --set=data.dir=data &
sweep=$!
wait "$sweep" # USR1 ends this wait early
status=$?
if [[ -n $stopped ]]; then
    wait "$sweep"
    status=$?
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
