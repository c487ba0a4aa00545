"""Solvers, families and data for all tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from skmixreg.families import FAMILIES, Family
from skmixreg.solvers import SOLVERS

REFERENCE = Path(__file__).parent / "reference"
REFERENCE_NAMES = sorted(path.stem for path in REFERENCE.glob("*.json"))

QUICK_NUTS = {"draws": 50, "tune": 50, "chains": 2}
QUICK_SMC = {"draws": 200, "chains": 2}


def quick_solver(name: str) -> Any:
    """A solver by name whose NUTS draws little, for tests of its plumbing.

    On data such as five rows in ten dimensions even ``auto`` ends with NUTS, for minutes.
    """
    if name == "nuts":
        return SOLVERS[name](**QUICK_NUTS)
    if name == "smc":
        return SOLVERS[name](**QUICK_SMC)
    if name == "auto":
        return SOLVERS[name](nuts=SOLVERS["nuts"](**QUICK_NUTS))
    return SOLVERS[name]()


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """As in a fit: on matrices this small, BLAS threads only wait for each other."""
    with threadpool_limits(1, user_api="blas"):
        yield


class ReferenceCase(NamedTuple):
    """Real data with fits computed elsewhere."""

    name: str
    X: pd.DataFrame
    y: pd.Series
    fits: dict[int, dict[str, Any]]


def load_reference(name: str) -> ReferenceCase:
    """A data set of tests/reference."""
    record = json.loads((REFERENCE / f"{name}.json").read_text())
    frame = pd.read_csv(REFERENCE / f"{name}.csv")
    fits = {int(K): fit for K, fit in record["fits"].items()}
    return ReferenceCase(name, frame[record["design"][1:]], frame[record["response"]], fits)


@pytest.fixture(scope="session")
def tone() -> ReferenceCase:
    """Tone perception: 150 rows, one column."""
    return load_reference("tonedata")


@pytest.fixture(scope="session")
def npreg() -> ReferenceCase:
    """A line and a parabola: 200 rows, two columns."""
    return load_reference("npreg_yn")


def two_lines(n: int, seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The seed problem: y = 3x or y = -x."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    slope = np.where(rng.random(n) < 0.5, 3.0, -1.0)
    return x[:, None], slope * x + rng.normal(0, noise, n)


def with_checks(fit: Any, checks: pd.DataFrame) -> Any:
    """What is written up of a fit, with other diagnostics."""
    own = fit.estimator
    return replace(fit, estimator=SimpleNamespace(
        summary=own.summary, contrast=own.contrast, diagnostics=lambda: checks
    ))  # fmt: skip


def responses_of(family: Family, numbers: np.ndarray) -> np.ndarray:
    """Responses that a family can have, which grow with the numbers."""
    low, high = family.support[:2]
    y = numbers if np.isinf(low) else np.exp(numbers)
    y = y if np.isinf(high) else y / (1.0 + y)
    return np.rint(y) if family.discrete else y


# These take seconds where others take milliseconds.
DEAR = dict.fromkeys(("advi", "fullrank_advi", "smc"), pytest.mark.slow)


@pytest.fixture(params=[pytest.param(name, marks=DEAR.get(name, ())) for name in sorted(SOLVERS)])
def solver_name(request: pytest.FixtureRequest) -> str:
    """Every row of the table of solvers."""
    return str(request.param)


@pytest.fixture(params=sorted(FAMILIES))
def family_name(request: pytest.FixtureRequest) -> str:
    """Every row of the table of families."""
    return str(request.param)
