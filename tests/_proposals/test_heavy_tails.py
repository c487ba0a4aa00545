"""Parts made wider along extras whose posterior falls more slowly than a normal one."""

import numpy as np
import pytest

from skmixreg import Priors
from skmixreg._draws.importance import ImportanceSample
from skmixreg._model.density import LogPosterior
from skmixreg._model.problem import Problem
from skmixreg._proposals.from_modes import LEAST_STRETCH, mixture_over_modes
from skmixreg._proposals.symmetrised import SymmetrisedMixture
from skmixreg._search.search import find_modes
from skmixreg.families import FAMILIES


def problem_of(name, y, X):
    return Problem.from_arrays(
        X, y, family=FAMILIES[name](), n_components=1, priors=Priors().resolve()
    )


@pytest.fixture(scope="module")
def nearly_poisson():
    """Counts whose dispersion may be as good as none: any large shape will do."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=150)
    mean = np.exp(1.5 + 0.4 * x)
    y = rng.negative_binomial(30.0, 30.0 / (30.0 + mean)).astype(float)
    problem = problem_of("negative_binomial", y, x[:, None])
    return problem, find_modes(problem, rng, n_init=5)


def test_the_shape_of_counts_that_are_nearly_poisson_gets_a_wider_part(nearly_poisson):
    problem, modes = nearly_poisson
    narrow, wide = mixture_over_modes(problem, modes, np.random.default_rng(0)).parts
    np.testing.assert_array_equal(narrow.centre, wide.centre)
    sds = [np.sqrt((part.scale**2).sum(axis=1)) for part in (narrow, wide)]
    at = problem.layout.table["shape"].where
    assert (sds[1][at] > LEAST_STRETCH * sds[0][at]).all()
    assert (sds[1] >= sds[0] * (1.0 - 1e-12)).all()


def test_with_it_importance_sampling_is_reliable(nearly_poisson):
    problem, modes = nearly_poisson
    both = mixture_over_modes(problem, modes, np.random.default_rng(0))
    alone = SymmetrisedMixture(problem.layout, both.parts[:1], np.ones(1))
    density = LogPosterior(problem)
    worst = [
        max(
            ImportanceSample.draw(density, mixture, np.random.default_rng(seed), 4000).khat
            for seed in range(3)
        )
        for mixture in (alone, both)
    ]
    assert worst[0] > 0.7 and worst[1] < 0.5


@pytest.mark.parametrize("name", ["gaussian", "poisson", "gamma"])
def test_what_has_no_such_extras_has_one_part(name):
    rng = np.random.default_rng(1)
    x = rng.normal(size=100)
    y = {
        "gaussian": x + rng.normal(size=100),
        "poisson": rng.poisson(np.exp(1.0 + 0.3 * x)).astype(float),
        "gamma": rng.gamma(3.0, np.exp(0.3 * x)),
    }[name]
    problem = problem_of(name, y, x[:, None])
    modes = find_modes(problem, rng, n_init=5)
    assert len(mixture_over_modes(problem, modes, rng).parts) == 1


def test_many_rows_have_none(nearly_poisson, monkeypatch):
    problem, modes = nearly_poisson
    monkeypatch.setattr("skmixreg._proposals.from_modes.MOST_ROWS_WITH_TAILS", problem.n_rows - 1)
    assert len(mixture_over_modes(problem, modes, np.random.default_rng(0)).parts) == 1
