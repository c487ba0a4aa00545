"""What a fitted estimator holds can be compared: it is equal to itself."""

import copy
import dataclasses

import pytest
from conftest import two_lines

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg._search.mode_table import Mode, ModeTable
from skmixreg.solvers._cavi.stream import Belief, Stream


def held(value, seen):
    """Objects of this package that can be reached by attributes and items."""
    if id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, (list, tuple)):
        parts = list(value)
    elif isinstance(value, dict):
        parts = list(value.values())
    elif type(value).__module__.startswith("skmixreg"):
        yield value
        parts = list(getattr(value, "__dict__", {}).values())
    else:
        return
    for part in parts:
        yield from held(part, seen)


@pytest.mark.parametrize(
    "model",
    [
        BayesianMixtureRegressor(solver="laplace", random_state=0),
        BayesianMixtureRegressorCV((1, 2), random_state=0),
    ],
    ids=["fit", "choice"],
)
def test_comparing_does_not_raise(model):
    model.fit(*two_lines(100))
    posterior = model.posterior_
    assert posterior == posterior
    assert posterior != copy.copy(posterior)
    assert posterior in [None, posterior]
    assert len({posterior, posterior}) == 1
    for value in held(model, {}):
        assert value == value
        if dataclasses.is_dataclass(value):
            assert isinstance(value == copy.deepcopy(value), bool)


@pytest.mark.parametrize("cls", [Mode, ModeTable, Stream, Belief])
def test_what_holds_arrays_is_compared_by_identity(cls):
    assert cls.__eq__ is object.__eq__
    assert cls.__hash__ is object.__hash__
