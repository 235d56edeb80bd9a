"""One process of a training job: `python -m ownlm.train.worker JOB`, started by the elastic agent.

The agent says in the environment who it is (RANK, LOCAL_RANK, WORLD_SIZE) and where the others are. One GPU a process
(NCCL), or on a CPU the share of the cores that OMP_NUM_THREADS says (gloo).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ownlm.pipeline.tracking.log import MetricLog
from ownlm.train.parallel.failure import tell
from ownlm.train.parallel.job import LOGS, read_job, write_result

if TYPE_CHECKING:
    from ownlm.pipeline.stage import StageContext
    from ownlm.train.config import TrainStage
    from ownlm.train.parallel.layout import Layout


def main(job: Path) -> int:
    """Take part in a job; returns the exit code."""
    rank = int(os.environ["RANK"])
    _print_to(job.parent / LOGS / f"rank-{rank}.log")
    try:
        _work(job)
    except Exception as error:
        tell(error, rank)
        raise
    return 0


def _print_to(path: Path) -> None:
    """Standard output and errors of this process, of C++ code too, go to the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())


def _work(job: Path) -> None:
    from ownlm.train.process import train_in

    context = read_job(job)
    with process_group() as device:
        config, layout = _fitted(context, device)
        context = replace(context, config=config)
        if not layout.is_first:  # every rank counts its own speed
            context = replace(context, metrics=MetricLog(job.parent / LOGS / f"rank-{layout.rank}.jsonl"))
        metrics = train_in(context, layout)
        if layout.is_first:
            write_result(context, metrics)
        layout.barrier()


def _fitted(context: StageContext, device: str) -> tuple[TrainStage, Layout]:
    """The settings for as many processes as there are, which may be fewer than the recipe asks for."""
    from torch import distributed

    from ownlm.tokens.vocabulary.load import Vocabulary
    from ownlm.train.config import TrainStage
    from ownlm.train.fault.shrink import fitted
    from ownlm.train.parallel.layout import MeshLayout

    config = context.config
    assert isinstance(config, TrainStage)
    vocabulary = Vocabulary.load(context.inputs["vocabulary"].path)
    train = fitted(
        config.train, config.model.architecture(vocabulary.size, config.context), distributed.get_world_size()
    )
    return config.model_copy(update={"train": train}), MeshLayout(train.mesh, device)


@contextmanager
def process_group() -> Iterator[str]:
    """The group of all workers; gives the kind of device."""
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        local = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(local)
        distributed.init_process_group("nccl", device_id=local)
    else:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        distributed.init_process_group("gloo")
    yield "cuda" if torch.cuda.is_available() else "cpu"
    distributed.destroy_process_group()  # not after an error: others may wait in it for ever


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
