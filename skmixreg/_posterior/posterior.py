"""Posterior: aligned draws in the user's units, and what the solver reports of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import chdtri

from .._draws.draws import Draws
from .._model._scaling.resolution import Resolution
from .._model.design import Design
from .._model.layout import Layout
from .._model.priors import NumericPriors
from .._model.problem import Problem
from .._model.raw import Model, Raw
from .._search.alignment import (
    AMBIGUITY,
    DEGREES_OF_FREEDOM,
    Pivot,
    component_order,
    permuted_scale,
)
from .._search.mode_table import ModeTable
from .._support.arrays import Array
from .._support.stored_table import StoredTable
from .._support.student import student_log_kernel
from ..families._base import Family
from ..families._priors import BlockPrior
from ._rows.gate_rows import gate_rows, report_of
from ._rows.memberships import Seen
from .datatree import datatree, posterior_datatree
from .filled import ELSEWHERE, empty_components, typical_draws, with_typical
from .mode_summaries import summaries_by_mode
from .moments import Moments
from .parameters import average_memberships, contrasts, differing, named_parameters

if TYPE_CHECKING:
    import xarray

NEGLIGIBLE_MODE = 12.0  # nats below the best: no draw is said to come from such a mode


@dataclass(frozen=True, eq=False, repr=False)
class Posterior(Mapping[str, Array]):
    """Equally weighted draws with aligned labels, in the user's units, by name.

    ``posterior["weights"]`` has shape (chains, draws, K), ``"intercept"`` (chains, draws, K),
    ``"coef"`` (chains, draws, K, p), the dispersion, ``"sigma"`` for the Gaussian family,
    (chains, draws, K).  Per draw, of shape (chains, draws): ``"mode"``, the row of ``modes``
    whose neighbourhood the draw lies in; ``"log_prior"``, the prior density of the
    unconstrained, standardised parameters; ``"log_likelihood"``, unless the rows came in a stream;
    ``"log_proposal"``, on the scale of ``"log_prior"``, if the solver had a proposal; and what
    else the solver counts per draw.  A solver that gives a point has one chain with one draw.

    Attributes
    ----------
    solver : str
        Name of the solver that made the draws.
    report : dict
        What the solver reports of itself.
    failures : list of str
        Why the draws cannot be trusted; empty if they can.
    search_failures : list of str
        Those among them that concern the search for modes.
    modes : DataFrame
        The modes of the posterior, most massive first.
    log_evidence, log_evidence_error : float or None
        Log marginal likelihood of y in the user's units, and its Monte Carlo standard error; both
        nan where the draws failed or nothing bounds the error, None where the solver has none.
    ambiguous_share : float
        Share of draws that would resemble the pivot nearly as much (within a factor of 20 in
        density) with other labels.
    independent : bool
        Whether draws are independent rather than Markov chains.
    family : Family
    layout : Layout
    design : Design
        Between the user's units and the standardised ones.
    priors, resolution : NumericPriors, Resolution or None
        As those of the `Problem`.
    block_priors : dict of BlockPrior
        Prior of every block of the layout but the weights, standardised.
    components : Raw
        Draws in standardised units, leading axes (chains, draws).
    mode_components : Raw
        The modes in standardised units, in the same order of components; leading axis (modes,).
    draw_mode, log_prior : ndarray of shape (chains, draws)
    per_draw : dict of ndarrays of shape (chains, draws)
        Further numbers of every draw: log-likelihood, log proposal, what the solver counted.
    moments : Moments or None
        For predictions; None where the mean is not the linear predictor.
    gate_rows : ndarray of shape (1 + q, m) or None
        Weights and gating columns of units, standardised, over which ``"weights"`` average.
    seen : Seen or None
        Rows of groups that predictions are given.
    """

    solver: str
    report: dict[str, Any]
    failures: list[str]
    search_failures: list[str]
    modes: pd.DataFrame
    log_evidence: float | None
    log_evidence_error: float | None
    ambiguous_share: float
    independent: bool
    family: Family
    layout: Layout
    design: Design
    priors: NumericPriors
    resolution: Resolution | None
    block_priors: dict[str, BlockPrior]
    components: Raw
    mode_components: Raw
    draw_mode: NDArray[np.intp]
    log_prior: Array
    per_draw: dict[str, Array]
    moments: Moments | None
    gate_rows: Array | None = None
    seen: Seen | None = None

    # Mappings compare item by item, and arrays have no truth: a posterior is equal to itself.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @classmethod
    def from_draws(cls, problem: Problem, modes: ModeTable, draws: Draws) -> Posterior:
        """Align draws to the best mode and state them in the user's units.

        Parameters
        ----------
        problem : Problem
        modes : ModeTable
        draws : Draws
            Labelled as they came, standardised.

        Returns
        -------
        Posterior
        """
        layout, shift = problem.layout, problem.log_scale
        K = layout.n_components
        best = modes.best
        order = component_order(layout, best.theta, best.scale, problem.design.own_map)
        pivot = Pivot.from_mode(
            layout, layout.permute(best.theta, order), permuted_scale(layout, best.scale, order)
        )
        shape = draws.theta.shape[:2]
        raw = layout.expand(draws.theta.reshape(-1, layout.size))
        mode_thetas = np.stack([mode.theta for mode in modes.modes])
        mode_raw = layout.expand(mode_thetas)
        if draws.ordered_by is None:
            orders, margin = pivot.align(raw)
            mode_orders, _ = pivot.align(mode_raw)
        else:
            orders = np.broadcast_to(np.arange(K), raw.log_weights.shape)
            margin = np.full(len(orders), np.inf)
            mode_orders = np.argsort(mode_thetas[:, draws.ordered_by], axis=1)
        aligned = raw.permuted(orders)
        evidence, evidence_error = _trusted_evidence(draws)
        draw_mode = _nearest_mode(layout, modes, aligned)
        table = modes.to_frame(problem)
        if draws.weighs_modes:
            # Shares of the draws, which are exact where the draws are; Laplace's masses are not.
            visits = np.bincount(draw_mode[draw_mode >= 0], minlength=len(table))
            table["probability"] = visits / len(draw_mode)
        per_draw = dict(draws.per_draw)
        if draws.log_likelihood is not None:
            per_draw["log_likelihood"] = draws.log_likelihood - shift
        if draws.log_proposal is not None:
            per_draw["log_proposal"] = draws.log_proposal
        components = Raw(*(a.reshape(*shape, *a.shape[1:]) for a in aligned))
        return cls(
            solver=draws.solver,
            report=report_of(problem, draws.report),
            failures=[str(failure) for failure in (*modes.failures, *draws.failures)],
            search_failures=list(modes.failures),
            modes=table,
            log_evidence=None if evidence is None else float(evidence - shift),
            log_evidence_error=evidence_error,
            ambiguous_share=float(np.mean(margin < AMBIGUITY)) if K > 1 else 0.0,
            independent=draws.independent,
            family=problem.family,
            layout=layout,
            design=problem.design,
            priors=problem.priors,
            resolution=problem.resolution,
            block_priors={
                name: prior
                for where, prior in problem.prior_table
                for name, row in layout.table.items()
                if row.where == where
            },
            components=components,
            mode_components=mode_raw.permuted(mode_orders),
            draw_mode=draw_mode.reshape(shape),
            log_prior=np.array(draws.log_prior, dtype=np.float64),
            per_draw=per_draw,
            moments=Moments.of(components, problem.family),
            gate_rows=gate_rows(problem, layout.expand(best.theta)),
        )

    def __getstate__(self) -> dict[str, Any]:
        # Formats that are safe to load know arrays and no data frames.
        state = {name: value for name, value in vars(self).items() if name != "model"}
        return {**state, "modes": StoredTable.of(self.modes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({**state, "modes": state["modes"].frame()})

    @property
    def discrete(self) -> bool:
        """Whether responses are whole numbers."""
        return self.family.discrete

    def response(self, values: Array) -> Array:
        """Responses in the user's units, from standardised ones."""
        return self.design.response(values)

    @cached_property
    def model(self) -> Model:
        """What the kernels need to know beside rows and draws."""
        return Model(self.family.kernel_settings(self.design.location))

    # ------------------------------------------------------------- mapping of named blocks

    def _names(self) -> list[str]:
        gate = [] if self.design.gate is None else ["gating_intercept", "gating_coef"]
        names = ["weights", *gate, "intercept", "coef", *self.family.of_regressions.extra_names]
        return [*names, "mode", "log_prior", *self.per_draw]

    def __getitem__(self, name: str) -> Array:
        per_draw: dict[str, Any] = {
            "mode": self.draw_mode, "log_prior": self.log_prior, **self.per_draw,
        }  # fmt: skip
        if name in per_draw:
            return np.asarray(per_draw[name])
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        chains, draws = self.log_prior.shape
        return (
            f"Posterior(solver={self.solver!r}, n_components={self.layout.n_components}, "
            f"n_features={self.layout.n_features}, chains={chains}, draws={draws})"
        )

    @property
    def parameters(self) -> dict[str, Array]:
        """Parameters of every draw in the user's units, by name: (chains, draws, K, ...)."""
        return self._named(self.components)

    @property
    def mode_parameters(self) -> dict[str, Array]:
        """Parameters of every mode in the user's units, by name; leading axis (modes,)."""
        return self._named(self.mode_components)

    @property
    def most_probable_mode(self) -> Raw:
        """The mode near which most draws are, standardised, without a leading axis."""
        best = int(self.modes["probability"].to_numpy().argmax())
        return Raw(*(values[best] for values in self.mode_components))

    def _named(self, components: Raw) -> dict[str, Array]:
        named = named_parameters(self.design.to_user(components), self.layout, self.family)
        if self.design.gate is None or self.gate_rows is None:
            return named
        intercept, coef = self.design.gate.in_user_units(components.logits)
        weights = average_memberships(components, self.family, self.gate_rows)
        gate = {"weights": weights, "gating_intercept": intercept, "gating_coef": coef}
        return {**gate, **{name: v for name, v in named.items() if name != "weights"}}

    # ---------------------------------------------------------------------------- tables

    def summary(
        self, feature_names: Sequence[str], by_mode: bool = False, probability: float = 0.9
    ) -> pd.DataFrame:
        """Posterior mean, sd, equal-tailed interval and diagnostics of every parameter.

        Parameters
        ----------
        feature_names : sequence of str of length p
        by_mode : bool, default=False
            One block of rows per mode, over the draws near that mode only, without diagnostics
            (which concern whole chains).  Modes with fewer than two draws are left out; where none
            has two, as of a point, every mode has the parameters at it, and nan for the rest.
        probability : float, default=0.9
            Mass of the intervals.

        Returns
        -------
        pandas.DataFrame
            As ``arviz.summary`` writes it, with the share of draws in which a component is
            ``empty``; see `filled.typical_draws`.  Rows ``weights[0]``, ``coef[0, x1]``, ...;
            with ``by_mode`` a first index level ``mode``.
        """
        import arviz as az

        parameters = self.parameters
        if not self.layout.fit_intercept:
            del parameters["intercept"]
        options = {
            "ci_prob": probability, "ci_kind": "eti", "var_names": list(parameters),
            "round_to": "none",
        }  # fmt: skip
        if not by_mode:
            empty = empty_components(self)
            kept = typical_draws(empty)
            tree = self._tree(parameters, feature_names)
            typical = {name: values[kept][None] for name, values in parameters.items()}
            # The weight of a single component does not vary: its diagnostics are nan.
            with np.errstate(invalid="ignore", divide="ignore"):
                table = az.summary(tree, **options)
                near = self._tree(typical, feature_names)
                stats = None if kept.all() else az.summary(near, kind="stats", **options)
            return with_typical(table, stats, empty.mean(axis=(0, 1)))
        return summaries_by_mode(
            parameters, self.draw_mode, self.mode_parameters,
            lambda near: self._tree(near, feature_names), options,
        )  # fmt: skip

    def _tree(self, parameters: dict[str, Array], feature_names: Sequence[str]) -> Any:
        names = self.design.roles.gating_names
        return datatree({"posterior": parameters}, self.layout, feature_names, gating_names=names)

    def contrast(self, feature_names: Sequence[str], probability: float = 0.9) -> pd.DataFrame:
        """Differences between components, coefficient by coefficient.

        Parameters
        ----------
        feature_names : sequence of str of length p
        probability : float, default=0.9
            Mass of the equal-tailed intervals.

        Returns
        -------
        pandas.DataFrame
            Columns ``mean``, ``sd``, ``lower``, ``upper`` and ``P(> 0)`` of the difference
            ``component`` minus ``reference``, in the user's units.  Index levels ``parameter``
            (``intercept``, ``coef[x1]``, ...), ``component``, ``reference``; one row per pair.
        """
        named = differing(self.parameters, self.layout, self.design.roles, feature_names)
        return contrasts(named, self.layout.n_components, probability)

    def to_datatree(self, feature_names: Sequence[str], **data: Array | None) -> xarray.DataTree:
        """The draws as ArviZ wants them, with what `posterior_datatree` takes."""
        return posterior_datatree(self, feature_names, **data)


def _trusted_evidence(draws: Draws) -> tuple[float | None, float | None]:
    """The evidence and its error, both nan where either cannot be trusted."""
    value, error = draws.log_evidence, draws.log_evidence_error
    if value is None:
        return None, None
    if draws.failures or error is None or not np.isfinite([value, error]).all():
        return np.nan, np.nan
    return value, error


def _nearest_mode(layout: Layout, modes: ModeTable, components: Raw) -> NDArray[np.intp]:
    """The mode each draw belongs to, or `ELSEWHERE`: (S, ...) -> (S,).

    The one with the highest mass times a multivariate t density around it, draws labelled as
    that mode.  Modes of negligible mass are not considered, and draws further from all modes
    than a normal distribution goes (an empty component wandering over its prior) are elsewhere.
    """
    S, d = len(components.log_weights), layout.size
    relevant = np.flatnonzero(modes.log_masses >= modes.log_masses.max() - NEGLIGIBLE_MODE)
    score, distance = np.empty((2, S, len(relevant)))
    for column, index in enumerate(relevant):
        mode = modes.modes[index]
        orders, _ = Pivot.from_mode(layout, mode.theta, mode.scale).align(components, False)
        theta = layout.collapse(components.permuted(orders))
        white = solve_triangular(mode.scale, (theta - mode.theta).T, lower=True)
        log_volume = float(np.log(np.diagonal(mode.scale)).sum())
        distance[:, column] = np.einsum("ds,ds->s", white, white)
        kernel = student_log_kernel(distance[:, column], d, DEGREES_OF_FREEDOM)
        score[:, column] = modes.log_masses[index] + (kernel - log_volume)
    nearest = np.argmax(score, axis=1)
    # Twice the 0.9999 quantile, since posteriors of few rows are wider than Laplace's.
    far = distance[np.arange(S), nearest] > 2.0 * chdtri(d, 1e-4)
    return np.where(far, ELSEWHERE, relevant[nearest])
