"""pass@k: the chance that at least one of k answers to a problem is right, estimated from n >= k answers.

    pass@k = 1 - C(n - c, k) / C(n, k) = 1 - prod over i from n - c + 1 to n of (1 - k / i)

of which c are right (Chen et al. 2021, arXiv 2107.03374, equation 1). The estimate has no bias; 1 - (1 - c / n)^k has.
With fewer answers than k nothing can be said: that is refused, not rounded up to 1.
"""

from __future__ import annotations

import math

from ownlm.errors import EvaluationError


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """The unbiased estimate for one problem.

    Args:
        samples: answers that were judged, n.
        passed: of these, right ones, c.
        k: answers one may give.

    Raises:
        EvaluationError: there are fewer answers than k.
        ValueError: the counts make no sense.
    """
    if k < 1 or not 0 <= passed <= samples:
        raise ValueError(f"pass@{k} of {passed} right answers in {samples} has no meaning")
    if samples < k:
        raise EvaluationError(
            f"pass@{k} cannot be told from {samples} {'answer' if samples == 1 else 'answers'} a problem.",
            advice=f"Ask for at least {k} samples (--samples {k}), or for a smaller k.",
        )
    if passed == samples:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(samples - passed + 1, samples + 1))
