"""Start the processes of a mesh and wait for them: torch's elastic agent, which is torchrun's own code.

    ownlm run ─► train stage ─► job.json ─► agent ─┬─► python -m ownlm.train.worker job.json    (rank 0: writes all)
                     ▲                             ├─► ...
                     └── metrics.jsonl, result ◄───┘
    other machines:  ownlm train join job.json --rendezvous HOST:PORT

The first machine holds the meeting place (c10d). What a worker prints goes to scratch/logs/rank-N.log.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from ownlm.errors import OwnlmError, TrainingError
from ownlm.pipeline.stage import StageContext
from ownlm.train.config import FaultConfig, TrainStage
from ownlm.train.fault.network import address_towards, use_interface
from ownlm.train.fault.refused import REFUSED
from ownlm.train.monitor.console import show
from ownlm.train.parallel.check import check_machine
from ownlm.train.parallel.config import MeshConfig
from ownlm.train.parallel.failure import failed
from ownlm.train.parallel.follow import Follower
from ownlm.train.parallel.job import LOGS, read_job, read_result, write_job

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

_HERE = "127.0.0.1:0"


def launch(context: StageContext) -> dict[str, JsonValue]:
    """Train in the places of the recipe's mesh; returns what the stage returns.

    Raises:
        RecipeError: more places than this machine has room for.
        OwnlmError: what a worker ended with.
        PreemptedError: a signal told it to stop; all processes have ended, after a checkpoint.
    """
    config = context.config
    assert isinstance(config, TrainStage)
    job = write_job(context)
    (job.parent / REFUSED).unlink(missing_ok=True)
    with _shown(context, config):
        run_workers(job, config.train.mesh, config.train.fault)
    return read_result(context)


def join(job: Path, rendezvous: str) -> None:
    """Take part in a job of another machine, until it ends.

    Args:
        job: its job.json.
        rendezvous: HOST:PORT of the machine that runs the recipe.

    Raises:
        ArtifactError: the job cannot be read.
        OwnlmError: what a worker of this machine ended with.
    """
    config = read_job(job).config
    assert isinstance(config, TrainStage)
    mesh = config.train.mesh.model_copy(update={"rendezvous": rendezvous})
    run_workers(job, mesh, config.train.fault, joins=True)


def run_workers(job: Path, mesh: MeshConfig, fault: FaultConfig, *, joins: bool = False) -> None:
    """Start this machine's workers and wait for them; start them again where that helps (`ownlm.train.fault.agent`).

    Args:
        job: its job.json.
        mesh: the recipe's, with where its machines meet.
        fault: what is done about lost processes.
        joins: another agent runs the recipe and holds the meeting place, be it on this very machine.
    """
    import torch
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous.api import RendezvousError

    from ownlm.train.fault.agent import run_agent
    from ownlm.train.fault.stop import stopped_by

    check_machine(mesh, torch.cuda.device_count(), cores())
    logs = job.parent / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    local = mesh.places // mesh.nodes
    # The agent reports a worker's failure in its own words, with traces; ours follow.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    with _threads(max(1, cores() // local)):
        try:
            run_agent(
                _config(job, mesh, fault, logs, joins),
                sys.executable,
                ["-m", "ownlm.train.worker", str(job)],
                job.parent,
            )
        except ChildFailedError as error:
            raise failed(error, logs) from error
        except SignalException as error:
            raise stopped_by(error.sigval) from error
        except (RendezvousError, TimeoutError, ConnectionError, RuntimeError) as error:
            raise _nobody_met(mesh, error) from error


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def _config(job: Path, mesh: MeshConfig, fault: FaultConfig, logs: Path, joins: bool) -> LaunchConfig:
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    address, is_host = _reachable(mesh) if mesh.nodes > 1 else ("127.0.0.1", True)
    return LaunchConfig(
        min_nodes=min(fault.min_nodes, mesh.nodes) or mesh.nodes,
        max_nodes=mesh.nodes,
        nproc_per_node=mesh.places // mesh.nodes,
        run_id=job.parent.parent.name,
        rdzv_backend="c10d",
        rdzv_endpoint=mesh.rendezvous or _HERE,
        rdzv_configs={"last_call_timeout": max(1, int(fault.wait_for_nodes_s)), "is_host": is_host and not joins},
        local_addr=address,
        max_restarts=fault.max_restarts,
        logs_specs=DefaultLogsSpecs(log_dir=str(logs)),
        shutdown_timeout=fault.grace_s,
    )


def _reachable(mesh: MeshConfig) -> tuple[str, bool]:
    """This machine's address, as the others see it, and whether they meet here; processes talk over that interface."""
    try:
        address, is_host = address_towards(mesh.rendezvous)
    except (OSError, ValueError) as error:
        raise _nobody_met(mesh, error) from error
    use_interface(address)
    return address, is_host


def _nobody_met(mesh: MeshConfig, error: Exception) -> OwnlmError:
    return TrainingError(
        f"the machines of this job did not meet: {error}",
        where=mesh.rendezvous or _HERE,
        advice="start `ownlm train join` on the other machines, and let them reach this address",
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Workers inherit how many threads each of them may use."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def _shown(context: StageContext, config: TrainStage) -> Iterator[None]:
    """The first rank's log lines, as progress here and to the stage's trackers."""
    sizes, done = config.train.batch_sizes(), [0]
    with context.progress.task("train", total=config.train.all_windows() * config.context, unit="tokens") as task:

        def seen(step: int, when: float, values: dict[str, float]) -> None:
            tokens = sizes.samples(step).start * config.context
            task.advance(tokens - done[0])
            done[0] = tokens
            show(task, context.metrics.path.parent, step, values, config.train.currency)
            context.metrics.forward(step, when, values)

        with Follower(context.metrics.path, seen):
            yield
