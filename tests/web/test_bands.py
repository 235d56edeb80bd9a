from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ownlm.web.bands import MOST_WHISKERS, band_chart, whisker_chart
from ownlm.web.charts import HEIGHT, WIDTH

shares = st.lists(st.floats(0, 100), min_size=3, max_size=3).map(sorted)


@given(st.dictionaries(st.text(max_size=9), st.dictionaries(st.integers(1, 500), shares, min_size=1), min_size=1))
def test_bands_stay_inside_and_hold_their_line(series: dict[str, dict[int, list[float]]]) -> None:
    given_series = {
        name: {float(x): (points[x][1], points[x][0], points[x][2]) for x in sorted(points)}
        for name, points in series.items()
    }
    drawn = band_chart("pass@k", given_series, "k", "%")
    for x, y in re.findall(r"[\" ]([\d.]+),([\d.]+)", drawn):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT
    assert drawn.count("<polygon") == drawn.count("<polyline") == len(series)


@given(st.dictionaries(st.text(max_size=40), shares, max_size=5))
def test_whiskers_run_from_low_to_high(values: dict[str, list[float]]) -> None:
    drawn = whisker_chart("pass@1", {name: (v[1], v[0], v[2]) for name, v in values.items()}, "%")
    whiskers = re.findall(r'class="whisker" d="M([\d.]+) [\d.]+H([\d.]+)', drawn)
    assert len(whiskers) == len(values)
    for low, high in whiskers:
        assert 0 <= float(low) <= float(high) <= WIDTH


def test_nothing_and_too_much_are_said() -> None:
    assert "Nothing to draw" in band_chart("pass@k", {}, "k", "%")
    assert "Nothing to draw" in whisker_chart("pass@1", {})
    many = whisker_chart("pass@1", {f"m{n}": (1.0, 0.5, 2.0) for n in range(MOST_WHISKERS + 3)})
    assert "3 more are not drawn." in many


def test_names_are_text() -> None:
    drawn = band_chart("<b>", {"<i>": {1.0: (1, 0, 2)}, "<u>": {1.0: (1, 0, 2)}}, "<k>", "<%>")
    assert not re.search(r"<[biku%]>", drawn + whisker_chart("<b>", {"<i>": (1, 0, 2)}, "<u>"))
