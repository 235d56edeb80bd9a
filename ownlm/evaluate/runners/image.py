"""`ownlm eval image`: the recipe of an OCI image with the tools of some languages and what the sandbox needs.

Packages are pinned by a day: Debian keeps its archive of every day, and the same day gives the same packages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ownlm.errors import RecipeError
from ownlm.evaluate.runners.language import Language

BASE = "debian:bookworm-slim"
SNAPSHOT = "20250901T000000Z"
SANDBOX = ("bubblewrap", "perl", "util-linux", "python3", "python3-venv")
"""What contains programs there, and what ownlm itself is installed with."""
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z")

_RECIPE = """\
# Runs programs in: {languages}. Written by `ownlm eval image`; build: podman build -t ownlm-eval -f Containerfile .
FROM {base}
ARG SNAPSHOT={snapshot}
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
RUN rm -f /etc/apt/sources.list.d/debian.sources \\
 && for suite in "debian bookworm" "debian bookworm-updates" "debian-security bookworm-security"; do \\
      set -- $suite; \\
      echo "deb [check-valid-until=no] http://snapshot.debian.org/archive/$1/$SNAPSHOT $2 main"; \\
    done > /etc/apt/sources.list \\
 && apt-get update \\
 && apt-get install --yes --no-install-recommends --allow-downgrades \\
{packages} \\
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home --shell /bin/bash ownlm
USER 10001:10001
WORKDIR /home/ownlm
CMD ["/bin/bash"]
"""


def packages_of(languages: Sequence[Language]) -> list[str]:
    """Debian packages of an image, sorted: the languages' own, their extras, the sandbox's."""
    own = (package for one in languages for package in one.packages)
    extras = (extra.package for one in languages for extra in one.extras)
    return sorted({*own, *extras, *SANDBOX})


def containerfile(languages: Sequence[Language], snapshot: str = SNAPSHOT) -> str:
    """The recipe, for `podman build` or `docker build`; it runs as a user that is not root.

    Args:
        languages: whose tools it brings, at least one.
        snapshot: the day (and time) whose packages it has: 20250901T000000Z.

    Raises:
        RecipeError: that is no such time.
    """
    if _TIMESTAMP.fullmatch(snapshot) is None:
        raise RecipeError(f"{snapshot!r} is no time of Debian's archive.", advice="Write it like 20250901T000000Z.")
    named = ", ".join(one.language for one in languages)
    listed = " \\\n".join(f"      {package}" for package in packages_of(languages))
    return _RECIPE.format(languages=named, base=BASE, snapshot=snapshot, packages=listed)
