"""What a registry says: which version each channel has, and which experiments run. Plain values of one revision."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

CHANNELS = ("dev", "staff", "everyone")
"""Those there are by default; any other name makes one."""

DEFAULT_CHANNEL = "everyone"
NAME = r"^[a-z0-9][a-z0-9_.\-]{0,62}$"
NAME_IN_WORDS = "small letters, digits, - _ . (63 at most), a letter or digit first"
Name = Annotated[str, Field(pattern=NAME)]


class Part(BaseModel):
    """A frozen, strict part of the state."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelVersion(Part):
    """A version that can be served.

    Attributes:
        source: folder or URL of its export artifact, as every gateway can reach it.
        model: name of the run it comes from; what clients call it.
        evaluation: its evaluation: artifact, page, headline figures; empty when it was not evaluated.
        number: in MLflow's model registry; "" elsewhere.
    """

    source: str
    model: str
    evaluation: dict[str, JsonValue] = {}
    number: str = ""


class Stage(Part):
    """A new version that a part of a channel's users has.

    Attributes:
        version: the new one.
        percent: of users.
        salt: of their places; the same while the percentage grows.
        since: seconds since 1970 when it began.
    """

    version: str
    percent: Annotated[float, Field(gt=0, lt=100)]
    salt: str
    since: float


class GuardRails(Part):
    """When a new version is taken back by itself; a limit that is null does not count.

    Attributes:
        errors: share of requests that may fail.
        slow_s: seconds within which 95 % of answers must be there.
        acceptance_drop: how much lower its acceptance rate may be than the old version's, as a share of views.
        least: requests before anything is decided.
        watch_s: seconds after a switch in which it is watched.
    """

    errors: Annotated[float, Field(gt=0, lt=1)] | None = 0.05
    slow_s: Annotated[float, Field(gt=0)] | None = None
    acceptance_drop: Annotated[float, Field(ge=0, lt=1)] | None = 0.05
    least: Annotated[int, Field(ge=1)] = 50
    watch_s: Annotated[float, Field(gt=0)] = 7 * 86_400.0

    def in_words(self) -> str:
        """What is allowed."""
        said = [f"errors up to {self.errors:.2%}"] if self.errors is not None else []
        said += [f"p95 up to {self.slow_s:g} s"] if self.slow_s is not None else []
        if self.acceptance_drop is not None:
            said.append(f"acceptance down by {100 * self.acceptance_drop:g} points")
        return ", ".join(said) or "off"


class Channel(Part):
    """What the users of a channel get.

    Attributes:
        version: the version.
        since: seconds since 1970 when it came here.
        stage: a newer one that some of the users have.
        past: versions before, the latest last.
        returned: it came here by going back: it is not watched, or one could fall back again and again.
        guards: see `GuardRails`.
    """

    version: str
    since: float
    stage: Stage | None = None
    past: tuple[str, ...] = ()
    returned: bool = False
    guards: GuardRails = GuardRails()


class Plan(Part):
    """What was said of an experiment before it began.

    Attributes:
        metric: that decides.
        lift: the smallest difference that matters: a share of views for acceptance, else relative.
        users: of both arms together, after which it is seen with the chance `power.POWER`.
        expected: what the test expects (`sequential.difference`), in the unit it works in; None for the lift.
        visible: difference that can be seen with the users there are, where they are fewer; None where they are not.
        assumed: where the figures behind `users` are from, in words.
    """

    metric: str = "acceptance"
    lift: Annotated[float, Field(gt=0, lt=1)] = 0.02
    users: int = 0
    expected: Annotated[float, Field(gt=0)] | None = None
    visible: Annotated[float, Field(gt=0)] | None = None
    assumed: str = ""


class Experiment(Part):
    """Two versions side by side.

    Attributes:
        channel: whose users take part.
        a: version of arm A.
        b: version of arm B.
        share_b: of users in B.
        salt: of their places.
        started: seconds since 1970.
        stopped: seconds since 1970; None while it runs.
        plan: see `Plan`.
    """

    channel: Name
    a: str
    b: str
    share_b: Annotated[float, Field(gt=0, lt=1)]
    salt: str
    started: float
    stopped: float | None = None
    plan: Plan = Plan()


class RolloutState(Part):
    """All of it. Every version that is named is in `versions`."""

    versions: dict[str, ModelVersion] = {}
    channels: dict[Name, Channel] = {}
    experiments: dict[Name, Experiment] = {}

    def running(self, channel: str) -> tuple[str, Experiment] | None:
        """The experiment that runs in a channel, with its name."""
        for name, one in self.experiments.items():
            if one.channel == channel and one.stopped is None:
                return name, one
        return None

    def wanted(self) -> dict[str, str]:
        """Versions somebody may get -> where they lie."""
        names: dict[str, None] = {}
        for channel in self.channels.values():
            names[channel.version] = None
            if channel.stage is not None:
                names[channel.stage.version] = None
        for experiment in self.experiments.values():
            if experiment.stopped is None:
                names[experiment.a] = names[experiment.b] = None
        return {name: self.versions[name].source for name in names}
