#!/bin/bash
# One run on all GPUs of several nodes: `sbatch docs/distributed/slurm_job.sh` from the
# checkout's folder, which all nodes must see. Adapt the #SBATCH lines and the command.
#
# Ten minutes before the time limit the run saves a checkpoint and the job returns to
# the queue, where the same command resumes the run.
#SBATCH --job-name=acgan_cifar
#SBATCH --nodes=2
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@600
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

export PATH="$PWD/.venv/bin:$PATH"

# SIGTERM to the job's steps, not to this script.
stopped=
trap 'stopped=yes; scancel --signal=TERM "$SLURM_JOB_ID"' USR1

srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \
    python main.py --distributed --config=configs/acgan_cifar.py --workdir=runs/acgan_cifar \
    --config.batch_size=96 --config.data.source=files --config.data.dir=data &
run=$!
wait "$run" # USR1 ends this wait early
status=$?
if [[ -n $stopped ]]; then
    wait "$run"
    status=$?
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
