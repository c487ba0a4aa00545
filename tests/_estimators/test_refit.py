"""Another solver on what an earlier fit found."""

import numpy as np
import pytest
from conftest import load_reference, quick_solver, two_lines

from skmixreg import BayesianMixtureRegressor
from skmixreg._search import search
from skmixreg.solvers import Laplace


def forbid_search(monkeypatch):
    """A search from here on is an error."""

    def searched(*_):
        raise AssertionError("modes were searched again")

    monkeypatch.setattr(search._Search, "run", searched)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_solver_goes_on_from_the_modes_of_another(solver_name, monkeypatch):
    X, y = two_lines(500)
    first = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    forbid_search(monkeypatch)
    again = first.refit_as(quick_solver(solver_name), X, y)
    assert again is not first and again.posterior_.solver in (solver_name, "laplace")
    np.testing.assert_allclose(again.coef_.ravel(), first.coef_.ravel(), atol=0.05)
    np.testing.assert_allclose(again.modes_["log_posterior"], first.modes_["log_posterior"])
    assert (again.modes_["starts"] == first.modes_["starts"]).all()


@pytest.mark.filterwarnings("ignore::skmixreg.MultimodalPosteriorWarning")
def test_draws_are_those_of_a_fit_of_its_own(monkeypatch):
    """Two modes, and sample weights: the same posterior as from a search."""
    case = load_reference("tonedata")
    weights = 1 + np.arange(len(case.y)) % 2
    own = BayesianMixtureRegressor(solver="laplace", random_state=0)
    own.fit(case.X, case.y, sample_weight=weights)
    forbid_search(monkeypatch)
    again = own.refit_as(Laplace(draws=8000), case.X, case.y, sample_weight=weights)
    sd = own.posterior_["coef"].std(axis=(0, 1))
    assert (np.abs(again.coef_ - own.coef_) < 0.1 * sd).all()
    assert again.log_evidence_ == pytest.approx(own.log_evidence_, abs=0.1)


def test_other_rows_are_refused():
    X, y = two_lines(300)
    model = BayesianMixtureRegressor(solver="map", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"rows are not those of the fit.*Pass the same X, y"):
        model.refit_as("laplace", X[:-1], y[:-1])
    with pytest.raises(ValueError, match="rows are not those of the fit"):
        model.refit_as("laplace", X, y, sample_weight=np.full(300, 2))
