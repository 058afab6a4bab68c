#!/usr/bin/env bash
#SBATCH --job-name=semcom
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#
# A run on the nodes of a Slurm job: Ray's head on the first, workers on the others, the command on the first.
#
#   sbatch suite/cluster/slurm.sh --grid full --data-dir DATA --out /shared/runs/full
#
# The arguments are those of `python -m suite.run`; --out must be a folder that every node sees, or a bucket. Called again, it goes on.
# The environment on the nodes is that of the submitting shell: activate it first. Where there is no Slurm, SEMCOM_NODES names how many nodes
# this machine is to stand for, which is how the script is tested.
set -euo pipefail

nodes=${SLURM_JOB_NUM_NODES:-${SEMCOM_NODES:-1}}
port=${SEMCOM_PORT:-6379}
if command -v scontrol > /dev/null && [ -n "${SLURM_JOB_NODELIST:-}" ]; then
    hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
    head=$(head -n 1 <<< "$hosts")
    head_ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
    # In the place of the shell that calls it, so that a signal reaches the node itself.
    on() { exec srun --overlap --nodes=1 --ntasks=1 --nodelist="$1" "${@:2}"; }
else
    hosts=$(seq 1 "$nodes" | sed 's/^/node/')
    head=node1
    head_ip=127.0.0.1
    on() { exec "${@:2}"; }
fi

# Whoever shows the token runs code on the nodes; it is this job's own and leaves it with the job.
token=$(mktemp "${SEMCOM_TOKENS:-$HOME}/.semcom-token-XXXXXX")
chmod 600 "$token"
python -c 'import secrets; print(secrets.token_hex(32))' > "$token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 RAY_USAGE_STATS_ENABLED=0
unset RAY_AUTH_TOKEN

started=()
ended() {
    # Blocking `ray start` ends its own node alone when it is ended; `ray stop` would end those of others on a shared machine too.
    rm -f "$token"
    kill -TERM "${started[@]}" 2> /dev/null || true
    for _ in $(seq 1 30); do
        kill -0 "${started[@]}" 2> /dev/null || return 0
        sleep 1
    done
    kill -KILL "${started[@]}" 2> /dev/null || true
}
trap ended EXIT
trap 'exit 143' TERM INT

# The head offers no CPU where there are others, so that the driver and the book-keeping never run out of memory.
read -r -a own <<< "${SEMCOM_RAY_HEAD_OPTIONS:-$([ "$nodes" -gt 1 ] && echo --num-cpus=0)}"
on "$head" ray start --head --block --node-ip-address="$head_ip" --port="$port" --include-dashboard=false "${own[@]}" > /dev/null &
started+=($!)
for _ in $(seq 1 60); do
    ray status --address="$head_ip:$port" > /dev/null 2>&1 && break
    sleep 1
done
read -r -a workers <<< "${SEMCOM_RAY_WORKER_OPTIONS:-}"
for host in $(tail -n +2 <<< "$hosts"); do
    on "$host" ray start --block --address="$head_ip:$port" "${workers[@]}" > /dev/null &
    started+=($!)
done

code=0
on "$head" python -m suite.run --address "$head_ip:$port" "$@" &
run=$!
wait "$run" || code=$?
exit "$code"
