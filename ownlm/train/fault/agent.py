"""The elastic agent of one machine: torchrun's, which also knows what starting again cannot help.

    a process is lost (killed, its machine gone, stuck) ─► all start again from the last checkpoint, max_restarts times
    a process refuses (a loss that is not a number, a full disk, a stop signal) ─► the job ends with its error

Machines meet again before each start: with `fault.min_nodes` the job goes on with those that are left.
"""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Any

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous import registry as rendezvous
from torch.distributed.launcher.api import LaunchConfig

from ownlm.train.fault.refused import REFUSED
from ownlm.train.parallel.failure import reason, refused

_STOPPED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
_log = logging.getLogger("ownlm.train")


class Agent(LocalElasticAgent):
    """Starts this machine's workers, again where that may help.

    Args:
        spec: what to start.
        folder: the job's.
        settings: torch's agent's.
    """

    def __init__(self, spec: WorkerSpec, folder: Path, **settings: Any) -> None:
        super().__init__(spec, **settings)
        self._folder = folder

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result: RunResult = super()._monitor_workers(worker_group)
        if result.state == WorkerState.FAILED:
            if refused(result.failures):
                (self._folder / REFUSED).touch()
            if (self._folder / REFUSED).exists():
                self._remaining_restarts = 0
            elif self._remaining_restarts > 0:
                rank, why = reason(result.failures)
                _log.warning(
                    "the training process of rank %d ended (%s): all start again from the last checkpoint (%d of %d)",
                    rank,
                    why,
                    worker_group.spec.max_restarts - self._remaining_restarts + 1,
                    worker_group.spec.max_restarts,
                )
        return result

    def _stop_workers(self, worker_group: WorkerGroup) -> None:
        self._shutdown(signal.SIGTERM, self._shutdown_timeout)


def run_agent(config: LaunchConfig, program: str, arguments: list[str], folder: Path) -> None:
    """Start workers and wait until all have ended; `torch.distributed.launcher.api.launch_agent` with our agent.

    Raises:
        ChildFailedError: some failed, and were not started again.
        SignalException: this process was told to stop; the workers have ended.
        RuntimeError: machines did not meet; so do TimeoutError and ConnectionError.
    """
    parameters = RendezvousParameters(
        backend=config.rdzv_backend,
        endpoint=config.rdzv_endpoint,
        run_id=config.run_id,
        min_nodes=config.min_nodes,
        max_nodes=config.max_nodes,
        local_addr=config.local_addr,
        **config.rdzv_configs,
    )
    handler = rendezvous.get_rendezvous_handler(parameters)
    spec = WorkerSpec(
        role=config.role,
        local_world_size=config.nproc_per_node,
        entrypoint=program,
        args=tuple(arguments),
        rdzv_handler=handler,
        max_restarts=config.max_restarts,
        monitor_interval=config.monitor_interval,
        local_addr=config.local_addr,
    )
    agent = Agent(spec, folder, logs_specs=config.logs_specs, shutdown_timeout=config.shutdown_timeout)
    # Workers that meet in the agents' store find the addresses of those before them there, and wait for these.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = ",".join(number.name for number in _STOPPED_BY)
    before = {number: signal.getsignal(number) for number in _STOPPED_BY}
    to_close = True
    try:
        result = agent.run()
        if result is not None and result.is_failed():
            raise ChildFailedError(program, result.failures)
    except SignalException:
        to_close = False  # a machine that is taken away leaves the job to the others
        raise
    finally:
        for number, previous in before.items():  # the agent leaves its own behind
            signal.signal(number, previous)
        if to_close:
            handler.shutdown()
