"""Rule: no marker of any model's prompt is part of the text.

A model may spell one out in ordinary characters when it saw prompts as text, and engines behind HTTP may decode their
own. Where a person writes about such markers themselves (one stands around the cursor) they are left alone.
"""

from __future__ import annotations

from ownlm.serve.prompt.trim.rule import Verdict
from ownlm.serve.prompt.trim.site import Site
from ownlm.tokens.vocabulary.special import NAMED

SENTINELS = (
    *NAMED,
    *("<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>", "<file_sep>", "<repo_name>", "<filename>"),
    *("<|endoftext|>", "<|repo_name|>", "<|cursor|>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    *("<PRE>", "<SUF>", "<MID>", "<EOT>", "</s>", "[SUFFIX]", "[PREFIX]", "[MIDDLE]"),
)
_FIRST = frozenset(sentinel[0] for sentinel in SENTINELS)
_LONGEST = max(map(len, SENTINELS))


def sentinels(text: str, site: Site, *, final: bool) -> Verdict:
    """End before a marker; the end of the text that may become one is held back."""
    ends = [
        (place + len(sentinel), place)
        for sentinel in SENTINELS
        if (place := text.find(sentinel)) >= 0 and sentinel not in site.around
    ]
    if ends:
        end, place = min(ends)
        return Verdict(place, end)
    if final:
        return Verdict(len(text))
    for place in range(max(0, len(text) - _LONGEST), len(text)):
        if text[place] in _FIRST and any(one.startswith(text[place:]) for one in SENTINELS):
            return Verdict(place)
    return Verdict(len(text))
