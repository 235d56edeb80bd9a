"""What the routes of a gateway share."""

from __future__ import annotations

import logging
import traceback
import uuid
from dataclasses import dataclass, field
from functools import cached_property

from ownlm.live.feedback.event import ServedCompletion
from ownlm.serve.answering import Answering
from ownlm.serve.authentication import Keys, NoKeys
from ownlm.serve.config import ServeConfig
from ownlm.serve.feedback import Feedback, NoFeedback
from ownlm.serve.history import History
from ownlm.serve.limits import RateLimit
from ownlm.serve.metrics import Metrics
from ownlm.serve.model import ServedModel
from ownlm.serve.prompt.repository.watched import Repositories
from ownlm.serve.routing import Router
from ownlm.serve.scheduler import Scheduler
from ownlm.serve.supervised import Supervised
from ownlm.serve.versions import Versions

logger = logging.getLogger("ownlm.serve")


@dataclass(frozen=True)
class Gateway:
    """The loaded versions of the model, who gets which, and what is counted and told."""

    versions: Versions
    config: ServeConfig
    scheduler: Scheduler
    router: Router
    feedback: Feedback = field(default_factory=NoFeedback)
    metrics: Metrics = field(default_factory=Metrics)
    history: History = field(default_factory=History)
    keys: Keys = field(default_factory=NoKeys)
    limits: RateLimit = field(default_factory=RateLimit)
    repositories: Repositories = field(default_factory=Repositories)

    @cached_property
    def answering(self) -> Answering:
        """Answers calls of all protocols."""
        return Answering(self)

    @property
    def model(self) -> ServedModel:
        """The version that pages speak of when they speak of one."""
        return self.versions.default

    def tell(self, completion: ServedCompletion) -> None:
        """A completion was served, or not: counted, and told to who keeps it. Nobody's answer waits or fails for it."""
        origin, metrics = completion.origin, self.metrics
        metrics.answers.labels(origin.version, origin.protocol, completion.outcome).inc()
        metrics.answer_seconds.labels(origin.version).observe(completion.total_s)
        self.history.served(completion)
        try:
            self.feedback.served(completion)
        except Exception as error:
            metrics.feedback_errors.inc()
            self.log_internal(error)
        if self.config.log_prompts:
            logger.warning(
                "%s %s of %s: %r <cursor> %r -> %r",
                completion.id,
                completion.outcome,
                origin.user or "nobody known",
                completion.prefix,
                completion.after,
                completion.texts,
            )

    def hung(self, model: ServedModel) -> None:
        """A call of a version's engine hangs: the next ones get a new engine."""
        self.metrics.hung.inc()
        if isinstance(model.engine, Supervised):
            model.engine.replace()

    def log_internal(self, error: BaseException) -> str:
        """Write where an internal error happened to the log.

        The log gets types and places, never messages: a message may quote the code someone is completing.

        Returns:
            The number that finds it again.
        """
        number = uuid.uuid4().hex[:12]
        lines = []
        link: BaseException | None = error
        while link is not None:
            lines += [
                f"{type(link).__name__}, at",
                *(place.rstrip() for place in traceback.format_tb(link.__traceback__)),
            ]
            link = link.__cause__ or link.__context__
        logger.error("internal error %s: %s", number, "\n".join(lines))
        return number
