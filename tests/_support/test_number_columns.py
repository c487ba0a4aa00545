"""What is no number is refused by the name of its column, in whatever it is stored."""

import datetime
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from skmixreg._support.number_columns import check_columns_of_numbers, check_numbers

N = 4
DAYS = pd.date_range("2020-01-01", periods=N)
NUMBERS = np.arange(float(N))
WORDS = ["a", "b", "a", "c"]

HELD = {
    "text": {
        "text": WORDS,
        "digits": ["1", "2", "3", "4"],
        "missing": [None, "b", np.nan, "c"],
        "bytes": [b"a"] * N,
    },
    "categories": {
        "words": pd.Categorical(WORDS),
        "numbers": pd.Categorical([1, 2, 3, 1]),
        "intervals": [pd.Interval(i, i + 1) for i in range(N)],
    },
    "dates": {
        "days": DAYS,
        "seconds": DAYS.as_unit("s"),
        "zone": DAYS.tz_localize("UTC"),
        "objects": DAYS.date.tolist(),
        "periods": pd.period_range("2020-01", periods=N, freq="M"),
        "arrow": pd.array(DAYS, dtype=pd.ArrowDtype(pa.timestamp("s"))),
        "times": [datetime.time(i) for i in range(N)],
    },
    "durations": {
        "durations": DAYS - DAYS[0],
        "objects": [datetime.timedelta(i) for i in range(N)],
    },
}
IN_PANDAS = [(kind, values) for kind, cases in HELD.items() for values in cases.values()]
IDS = [f"{kind}: {case}" for kind, cases in HELD.items() for case in cases]


@pytest.mark.parametrize(("kind", "values"), IN_PANDAS, ids=IDS)
def test_pandas(kind, values):
    frame = pd.DataFrame({"ok": NUMBERS, "odd one": values})
    with pytest.raises(ValueError, match=f"X must hold numbers, but column 'odd one' holds {kind}"):
        check_columns_of_numbers(frame)
    with pytest.raises(ValueError, match=f"^y must hold numbers.* but it holds {kind}"):
        check_numbers(frame["odd one"], "y")
    with pytest.raises(ValueError, match=f"^y must hold numbers.* but it holds {kind}"):
        check_numbers(values, "y")


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("text", pl.Series(WORDS)),
        ("categories", pl.Series(WORDS, dtype=pl.Categorical)),
        ("categories", pl.Series(WORDS, dtype=pl.Enum(["a", "b", "c"]))),
        ("dates", pl.Series(DAYS.date.tolist())),
        ("dates", pl.Series(DAYS.to_list())),
        ("dates", pl.Series([datetime.time(i) for i in range(N)])),
        ("durations", pl.Series((DAYS - DAYS[0]).to_list())),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_polars_and_pyarrow(kind, column):
    frame = pl.DataFrame({"ok": NUMBERS, "odd": column})
    for data in (frame, frame.to_arrow()):
        with pytest.raises(ValueError, match=f"column 'odd' holds {kind}"):
            check_columns_of_numbers(data)
        with pytest.raises(ValueError, match=f"it holds {kind}"):
            check_numbers(data["odd"], "sample_weight")


@pytest.mark.parametrize(
    ("kind", "X", "columns"),
    [
        ("text", np.column_stack([NUMBERS.astype(str), WORDS]), "column 1 holds"),
        ("text", np.column_stack([NUMBERS, NUMBERS]).astype(str), "columns 0, 1 hold"),
        ("text", np.column_stack([NUMBERS.astype(object), WORDS]), "column 1 holds"),
        ("text", [[float(i), word] for i, word in enumerate(WORDS)], "column 1 holds"),
        ("text", np.full((N, 9), "a"), "columns 0, 1, 2, 3, 4 and 4 more hold"),
        ("dates", DAYS.to_numpy()[:, None], "column 0 holds"),
        ("dates", [[day] for day in DAYS], "column 0 holds"),
        ("durations", (DAYS - DAYS[0]).to_numpy()[:, None], "column 0 holds"),
    ],
)
def test_arrays_and_lists(kind, X, columns):
    with pytest.raises(ValueError, match=f"{columns} {kind}"):
        check_columns_of_numbers(X)


def test_every_kind_is_said():
    frame = pd.DataFrame({"site": WORDS, "ok": NUMBERS, "day": DAYS, "town": WORDS})
    with pytest.raises(ValueError) as raised:
        check_columns_of_numbers(frame)
    message = str(raised.value)
    assert "columns 'site', 'town' hold text: encode" in message
    assert "OneHotEncoder(sparse_output=False), ['site', 'town'])" in message
    assert "And column 'day' holds dates" in message


def follow_advice(X):
    with pytest.raises(ValueError, match="of your choice") as raised:
        check_columns_of_numbers(X)
    advice = re.search(r"choice, (.*)\.$", str(raised.value))[1]
    return np.asarray(eval(advice, {"X": X, "numpy": np}), dtype=float)


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_the_advice_on_dates_and_durations_works(unit):
    days = DAYS.as_unit(unit)
    since_2000 = 20 * 365 + 5 + np.arange(N)
    np.testing.assert_allclose(follow_advice(pd.DataFrame({"day": days})), since_2000)
    np.testing.assert_allclose(follow_advice(days.to_numpy()[:, None]), since_2000)
    waits, hours = days - days[0], 24 * np.arange(N)
    np.testing.assert_allclose(follow_advice(pd.DataFrame({"wait": waits})), hours)
    np.testing.assert_allclose(follow_advice(waits.to_numpy()[:, None]), hours)


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"a": NUMBERS, "b": [True, False] * 2, "c": pd.array([1, 2, None, 4])}),
        pd.DataFrame({"a": [Decimal(i) for i in range(N)], "b": pd.array([True] * N, "boolean")}),
        pd.DataFrame({0: NUMBERS.astype(object), ("u", "v"): NUMBERS}),
        pd.DataFrame(index=range(N)),
        pl.DataFrame({"a": NUMBERS, "b": [True] * N, "c": [None] * N}),
        pa.table({"a": NUMBERS, "b": [Decimal(i) for i in range(N)]}),
        np.array([[{"no": "number"}, 1.0]], dtype=object),
        sparse.eye_array(3),
        [[1, 2], [3]],
        np.ones((2, 2, 2)),
        np.array([1 + 1j]),
        "text",
        None,
    ],
    ids=lambda X: type(X).__name__,
)
def test_numbers_and_what_scikit_learn_refuses_pass(X):
    check_columns_of_numbers(X)
    check_numbers(X, "y")
