"""What the dashboard of a gateway shows of feedback, rollout and experiments."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from ownlm.live.experiments.report import report as experiment_report
from ownlm.live.feedback.open import open_store
from ownlm.live.feedback.report import Line, report
from ownlm.live.feedback.sums import Dimension
from ownlm.live.rollout.registry import Registry
from ownlm.live.rollout.state import Channel, RolloutState
from ownlm.serve.dashboard import Bar, Panel
from ownlm.serve.feedback import FeedbackConfig

DAYS = 7
MOST_BARS = 10
_BY: tuple[tuple[Dimension, str], ...] = (("language", "language"), ("version", "model version"))


class FeedbackPanels:
    """Acceptance of the last days, by language and by version.

    Args:
        settings: of the store.
        home: the home folder.
        clock: seconds since 1970.
    """

    def __init__(self, settings: FeedbackConfig, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._home, self._clock = settings, home, clock

    def panels(self) -> Sequence[Panel]:
        """See `PanelSource.panels`."""
        with closing(open_store(self._settings, self._home)) as store:
            found = report(store, [name for name, _ in _BY], since=self._clock() - DAYS * 86_400)
        whole = found.whole.sums
        if not whole.shown:
            return [Panel("Acceptance", (f"Nothing was shown to anybody in the last {DAYS} days.",))]
        said = f"Shown in {DAYS} days: {whole.shown:,}; accepted: {100 * (whole.acceptance or 0):.1f} %"
        if whole.followed_characters:
            said += f"; {100 * whole.kept_characters / whole.followed_characters:.0f} % of the accepted text was kept"
        bars = {name: tuple(_bar(line) for line in found.parts[name][:MOST_BARS] if line.sums.shown) for name, _ in _BY}
        return [Panel(f"Acceptance by {words}", (f"{said}.",), bars[name]) for name, words in _BY]


class RolloutPanels:
    """Which version each channel has, and what the running experiments say.

    Args:
        registry: of the rollout.
        settings: of the feedback store; None for none: experiments are then named only.
        home: the home folder.
    """

    def __init__(self, registry: Registry, settings: FeedbackConfig | None, home: Path) -> None:
        self._registry, self._settings, self._home = registry, settings, home

    def panels(self) -> Sequence[Panel]:
        """See `PanelSource.panels`."""
        state = self._registry.read().state
        channels = tuple(_channel(name, channel) for name, channel in state.channels.items())
        return [Panel("Channels", channels or ("No channel has a version yet.",)), *self._experiments(state)]

    def _experiments(self, state: RolloutState) -> list[Panel]:
        running = {name: one for name, one in state.experiments.items() if one.stopped is None}
        if not running or self._settings is None:
            return [Panel(f"Experiment {name}", ("Without a feedback store nothing comes of it.",)) for name in running]
        made = []
        with closing(open_store(self._settings, self._home)) as store:
            for name, one in running.items():
                found = experiment_report(store, name, one)
                users = f"{found.users[0]:,} users in A ({one.a}), {found.users[1]:,} in B ({one.b})."
                made.append(Panel(f"Experiment {name}", (found.verdict.sentence, users)))
        return made


def _bar(line: Line) -> Bar:
    low, high = line.interval or (0.0, 1.0)
    return Bar(line.name or "unknown", line.sums.acceptance, low, high, f"{line.sums.shown:,} shown")


def _channel(name: str, channel: Channel) -> str:
    said = f"{name}: {channel.version}"
    if channel.stage is not None:
        said += f"; {channel.stage.percent:g} % of its users have {channel.stage.version}"
    return said + (", after going back" if channel.returned else "")
