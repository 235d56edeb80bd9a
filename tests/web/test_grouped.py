from __future__ import annotations

import math
import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from ownlm.web.grouped import MOST_GROUPS, grouped_bar_chart

VALUE = st.floats(min_value=0) | st.just(math.nan) | st.integers(0, 10**20)


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def bars(markup: str) -> list[ElementTree.Element]:
    """The bars of the drawing, without the legend's."""
    return [one for one in parsed(markup).iter("rect") if one.get("rx")]


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), VALUE, max_size=4), max_size=5))
def test_no_values_break_it(groups: dict[str, dict[str, float]]) -> None:
    markup = grouped_bar_chart("t", groups, "u")
    parsed(markup)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', markup)
    for bar in bars(markup):
        assert 0 <= float(bar.attrib["x"]) + float(bar.attrib["width"]) <= 760


def test_bars_are_as_long_as_their_values_and_in_the_order_of_the_legend() -> None:
    markup = grouped_bar_chart("Bytes", {"Go": {"ours": 4.0, "theirs": 2.0}, "C": {"theirs": 1.0}}, "per token")
    widths = [float(bar.attrib["width"]) for bar in bars(markup)]
    assert widths[0] == 2 * widths[1] == 4 * widths[2]
    tops = [float(bar.attrib["y"]) for bar in bars(markup)]
    assert tops == sorted(tops)
    assert [bar.attrib["class"] for bar in bars(markup)] == ["bar c0", "bar c1", "bar c1"]
    assert [one.text for one in parsed(markup).iter("title")] == ["Go, ours: 4", "Go, theirs: 2", "C, theirs: 1"]
    assert "Bytes, per token" in markup
    assert markup.count("<li>") == 2


def test_one_series_needs_no_legend_and_none_says_so() -> None:
    assert "legend" not in grouped_bar_chart("t", {"a": {"x": 1}})
    assert "Nothing to draw" in grouped_bar_chart("t", {})
    assert "Nothing to draw" in grouped_bar_chart("t", {"a": {}})


def test_what_is_left_out_is_counted() -> None:
    markup = grouped_bar_chart("t", {str(n): {"x": n} for n in range(MOST_GROUPS + 7)})
    assert "7 more are not drawn." in markup
    assert len(bars(markup)) == MOST_GROUPS
