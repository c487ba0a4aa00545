"""Block functions of every family against SciPy and finite differences."""

from __future__ import annotations

from typing import NamedTuple

import block_functions
import numpy as np
import pytest
from log_densities import COLUMNS, KNOWN_ERRORS, family_of, log_density_of

from skmixreg._kernels.vector_kernels import BLOCK
from skmixreg.families import FAMILIES, Family, StudentT

K = 3


LOCATION = 0.7


# Families whose information is bounded from above, and how far above the bound may be.
BOUNDED = {"negative_binomial": 3.0}


class Case(NamedTuple):
    """Predictors and coordinates at which blocks of rows are looked at; extras (K, E).

    Columns that the family needs (c, BLOCK).
    """

    family: Family
    y: np.ndarray
    eta: np.ndarray
    extra: np.ndarray
    columns: np.ndarray

    @property
    def location(self) -> float:
        return 0.0 if self.family.response_scale == "affine" else LOCATION

    @property
    def aux(self) -> np.ndarray | None:
        return self.family.of_rows(self.y, self.columns)

    @property
    def natural(self) -> list[np.ndarray]:
        return [value[:, None] for value in self.family.natural(self.extra)]

    def log_density(self, eta: np.ndarray, extra: np.ndarray) -> np.ndarray:
        natural = self._replace(extra=extra).natural
        return log_density_of(self.family)(self.y, eta + self.location, *natural, *self.columns)


def case_of(name: str, family: Family | None = None) -> Case:
    rng = np.random.default_rng(0)
    family = family or family_of(name)
    columns = rng.choice(COLUMNS.get(name, KNOWN_ERRORS), size=(len(family.columns), BLOCK))
    eta, extra = rng.normal(size=(K, BLOCK)), 0.5 * rng.normal(size=(K, len(family.extras)))
    case = Case(family, np.ones(BLOCK), eta, extra, columns)
    at = rng.integers(K, size=BLOCK)
    natural = [value[at, 0] for value in case.natural]
    return case._replace(y=family.sample(rng, eta[0] + case.location, *natural, *columns))


def name_of(case: Case) -> str:
    estimated = ", estimated df" if "df" in case.family.extra_names else ""
    known = ", known errors" if getattr(case.family, "known_error", None) == 0 else ""
    return case.family.name + estimated + known


CASES = [
    *(case_of(name) for name in FAMILIES),
    *(case_of(name, FAMILIES[name](known_error=0)) for name in ("gaussian", "student_t")),
    *(case_of("student_t", StudentT(df=None, known_error=known)) for known in (None, 0)),
]


def evaluate(what: str, case: Case, y: np.ndarray | None = None) -> list[np.ndarray]:
    case = case if y is None else case._replace(y=y)
    settings = case.family.kernel_settings(case.location)
    return block_functions.evaluate(what, case.y, case.aux, case.eta, case.extra, settings)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_values_and_derivatives(case: Case) -> None:
    eta, extra, f = case.eta, case.extra, case.log_density
    value = f(eta, extra)
    (out,) = evaluate("density", case)
    np.testing.assert_allclose(out, value, rtol=1e-13, atol=1e-13)
    out, d_eta, d_extra = evaluate("gradient", case)
    np.testing.assert_allclose(out, value, rtol=1e-13, atol=1e-13)
    step = 1e-5
    np.testing.assert_allclose(
        d_eta, (f(eta + step, extra) - f(eta - step, extra)) / (2 * step), rtol=1e-7, atol=1e-7
    )
    for e in range(extra.shape[1]):
        h = step * np.eye(extra.shape[1])[e]
        slope = (f(eta, extra + h) - f(eta, extra - h)) / (2 * step)
        np.testing.assert_allclose(d_extra[e], slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_second_derivatives_are_those_of_the_first(case: Case) -> None:
    step = 1e-5
    _, d_eta, _, d_eta2, d_eta_extra, d_extra2 = evaluate("hessian", case)
    np.testing.assert_array_equal(d_eta, evaluate("gradient", case)[1])
    up, down = (
        evaluate("gradient", case._replace(eta=case.eta + sign * step)) for sign in (1.0, -1.0)
    )
    np.testing.assert_allclose(d_eta2, (up[1] - down[1]) / (2 * step), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(d_eta_extra, (up[2] - down[2]) / (2 * step), rtol=1e-7, atol=1e-7)
    E, at = case.extra.shape[1], 0
    for e in range(E):
        h = step * np.eye(E)[e]
        up, down = (
            evaluate("gradient", case._replace(extra=case.extra + sign * h)) for sign in (1.0, -1.0)
        )
        for f in range(e, E):
            slope = (up[2][f] - down[2][f]) / (2 * step)
            np.testing.assert_allclose(d_extra2[at], slope, rtol=1e-7, atol=1e-6)
            at += 1


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_information_is_the_expected_curvature(case: Case) -> None:
    """Minus the mean Hessian over draws of the response from every component, to 5 errors."""
    rng = np.random.default_rng(1)
    case = case._replace(
        eta=np.repeat(case.eta[:, :1], BLOCK, axis=1),
        columns=np.repeat(case.columns[:, :1], BLOCK, axis=1),
    )
    information = evaluate("information", case)
    np.testing.assert_array_equal(information[1], evaluate("gradient", case)[1])
    for k in range(K):
        eta = np.full(BLOCK, case.eta[k, 0] + case.location)
        curvatures = []
        for _ in range(20):
            natural = [value[k] for value in case.natural]
            y = case.family.sample(rng, eta, *natural, *case.columns)
            curvatures.append(
                [
                    -part[:, k] if part.ndim == 3 else -part[None, k]
                    for part in evaluate("hessian", case, y)[3:]
                ]
            )
        for at in range(3):
            values = np.concatenate([part[at] for part in curvatures], axis=-1)
            if not values.size:
                continue
            error = values.std(axis=-1) / np.sqrt(values.shape[-1]) + 1e-12
            expected = information[3 + at]
            expected = expected[:, k, 0] if expected.ndim == 3 else expected[None, k, 0]
            mean, above = values.mean(axis=-1), BOUNDED.get(case.family.name, 1.0)
            assert (mean < expected + 5.0 * error).all()
            assert (mean > expected / above - 5.0 * error).all()
