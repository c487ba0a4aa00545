"""Problem: everything a solver may know, and nothing it may change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from .._kernels.prior_kernels import prior_terms
from .._support.arrays import Array
from ..backgrounds._base import Background
from ..backgrounds._contaminated import Contaminated
from ..families._base import Family
from ..families._priors import BlockPrior, NormalPrior
from ._scaling.resolution import Resolution
from .design import Design
from .held_data import HeldData
from .layout import Layout
from .priors import DEFAULT_FLOOR, NumericPriors
from .raw import Model
from .rows import Rows
from .standardisation import Standardisation


class Data(Protocol):
    """Checked rows in the user's units, wherever they are."""

    @property
    def n_features(self) -> int:
        """Columns."""

    def standardised(
        self, family: Family, fit_intercept: bool, given: Standardisation | None
    ) -> tuple[Design, Rows]:
        """The affine map to standardised units, and the rows after it."""


def _check_shared(family: Family, background: Background | None) -> None:
    """Reject extra parameters that are shared beside what no solver was tried with."""
    shared = family.of_regressions.shared_extras
    if shared and not (family.conjugate and background is None):
        raise ValueError(
            f"family={family!r} shares {', '.join(shared)} over components, which goes with normal "
            "errors alone: without a background, known errors or censored rows. Let components "
            "have their own."
        )


def _check_unit(family: Family) -> None:
    """Reject rows in chunks of which some have a density and others a probability."""
    if family.has_density(np.zeros(1), *(np.zeros(1) for _ in family.columns)) is not None:
        raise ValueError(
            f"censored rows of family={family.name!r} must be in memory, and these are in chunks; "
            "use X.compute()."
        )


def _with_background(
    family: Family, background: Background, design: Design, rows: Rows
) -> Contaminated:
    """The family beside a background, standardised as the rows are."""
    if background.discrete != family.discrete:
        what = "a probability" if background.discrete else "a density"
        raise ValueError(
            f"background={background.name!r} is {what} and family={family.name!r} is none: "
            "counts need a background such as 'zero', measurements one such as 'uniform'."
        )
    if background.needs_rows and not rows.in_memory:
        raise ValueError(
            f"background={background!r} takes what is not given from all rows in memory, and these "
            "are in chunks; give every option."
        )
    scale = (design.y_mean, design.y_scale) if design.scales_response else (0.0, 1.0)
    known = rows.in_memory
    y = design.response(rows.target) if known else np.zeros(1)
    weights = rows.weights if known else np.ones(1)
    return Contaminated(family, background.standardised(y, weights, *scale))


@dataclass(frozen=True)
class Problem:
    """A posterior to be explored, on the standardised scale.

    Attributes
    ----------
    rows : Rows
        The standardised rows: sums over them, wherever they are.
    family : Family
    layout : Layout
    priors : NumericPriors
    design : Design
        The way back to the user's units.
    resolution : Resolution or None
        Of the target, where it raised the floor of sigma.
    """

    rows: Rows
    family: Family
    layout: Layout
    priors: NumericPriors
    design: Design
    resolution: Resolution | None = None

    @classmethod
    def from_data(
        cls,
        data: Data,
        *,
        family: Family,
        n_components: int,
        priors: NumericPriors,
        fit_intercept: bool = True,
        standardisation: Standardisation | None = None,
        background: Background | None = None,
        shared_intercept: bool = False,
        fixed_labels: tuple[int, ...] = (),
    ) -> Problem:
        """Rows, standardised.

        Parameters
        ----------
        data : Data
            Such as `HeldData`.
        standardisation : Standardisation, optional
            Locations and scales that are given; those of the data by default.
        background : Background, optional
            In units of the data; a family that has one already needs none.
        shared_intercept : bool, default=False
            One intercept for all components.
        fixed_labels : tuple of int, default=()
            Components of which labels of rows say which they are.
        """
        design, rows = data.standardised(family, fit_intercept, standardisation)
        _check_shared(family, background)
        if not rows.in_memory and design.unit != 1.0:
            _check_unit(family)
        family = family.standardised(design.y_mean, design.y_scale)
        if background is not None:
            family = _with_background(family, background, design, rows)
            units = tuple(extra.in_units_of_y for extra in family.extras)
            design = replace(design, extra_units=units)
        layout = Layout(
            n_components,
            design.n_directions,
            fit_intercept,
            extras=family.extra_names,
            shared_extras=family.shared_extras,
            n_gating=0 if design.gate is None else design.gate.n_directions,
            shared_columns=design.shared_directions,
            shared_intercept=shared_intercept and fit_intercept,
            fixed_labels=fixed_labels,
        )
        return cls(rows, family, layout, priors, design)

    @classmethod
    def from_arrays(
        cls,
        X: Array,
        y: Array,
        weights: Array | None = None,
        *,
        n_threads: int = 1,
        **options: Any,
    ) -> Problem:
        """As `from_data`, from rows in memory."""
        return cls.from_data(HeldData(X, y, weights, n_threads), **options)

    def with_something_seen(self) -> Problem:
        """The problem, of which some row must be a response and no bound.

        Raises
        ------
        ValueError
        """
        seen = self._rows_with_density
        if seen is not None and not seen.any():
            raise ValueError(
                "Every row is censored, so that nothing says where responses are; there must "
                "be rows of which y is the response."
            )
        return self

    def with_default_floor(self) -> Problem:
        """The problem with the floor of sigma that `Priors` states, where users give none."""
        factor = self.family.floor_factor(self.design.location)
        floor = factor * self.priors.sigma_floor
        problem = replace(self, priors=self.priors._replace(sigma_floor=floor))
        return problem.with_floor_of_rounding()

    def with_floor_of_rounding(self) -> Problem:
        """The problem with a higher floor of sigma, where y looks rounded."""
        floor_of = self.family.floor_of_rounding
        found = None if floor_of is None else self.rows.resolution()
        if floor_of is None or found is None:
            return self
        floor = getattr(found, floor_of)
        if floor_of == "relative_floor":
            floor /= self.design.y_scale
        floor = min(floor, 0.5 * self.priors.sigma_ceiling)
        if floor <= self.priors.sigma_floor:
            return self
        return replace(self, priors=self.priors._replace(sigma_floor=floor), resolution=found)

    @property
    def least_sigma(self) -> float:
        """A residual sd that starts do not fall below, nor modes of a few rows."""
        if self.resolution is None or self.family.response_scale != "affine":
            return self.priors.sigma_floor
        return min(self.priors.sigma_floor, max(DEFAULT_FLOOR, self.resolution.sd))

    def with_components(self, n_components: int) -> Problem:
        """The same data and priors with another number of components."""
        rows = self.rows.for_components(n_components)
        return replace(self, rows=rows, layout=replace(self.layout, n_components=n_components))

    def subset(self, index: np.ndarray, weights: Array | None = None) -> Problem:
        """The problem on some of the rows, standardised as the whole; for searches."""
        return replace(self, rows=self.rows.subset(index, weights))

    @cached_property
    def plain(self) -> bool:
        """Whether components differ in all lines, and every row is for itself, alike a priori."""
        return not self.layout.has_roles and self.rows.plain

    @property
    def conjugate(self) -> bool:
        """Whether lines and extras have the full conditional distributions of normal errors."""
        return self.family.conjugate and self.plain

    @property
    def unimodal(self) -> bool:
        """Whether there is one mode, as far as is known."""
        return self.layout.n_components == 1 and self.family.unimodal

    @property
    def separate(self) -> bool:
        """Whether given labels components are regressions of their own, and weights constant."""
        shares = self.layout.has_roles or bool(self.family.of_regressions.shared_extras)
        return self.conjugate or not shares

    @cached_property
    def model(self) -> Model:
        """What the kernels need to know beside rows and parameters."""
        return Model(self.family.kernel_settings(self.design.location))

    @cached_property
    def parted_model(self) -> tuple[Any, Array | None]:
        """Settings of the family of the regressions, and log densities of a background (n,)."""
        family = self.family
        if family.background is None:
            return self.model.family, None
        return self.model.family.family, np.ascontiguousarray(
            family.background.log_density(self.target)
        )

    @cached_property
    def extra_priors(self) -> tuple[BlockPrior, ...]:
        """Priors of the extra parameters, in the order of the family."""
        return tuple(self.family.extra_priors(self.priors))

    @property
    def own_extra_priors(self) -> tuple[BlockPrior, ...]:
        """Of the extra parameters that components do not share, which come first."""
        return self.extra_priors[: len(self.layout.own_extra_names)]

    @cached_property
    def prior_table(self) -> tuple[tuple[slice, BlockPrior], ...]:
        """Where each prior holds; the weights, which have Dirichlet's, are not among them."""
        table, slopes = self.layout.table, NormalPrior(self.priors.coef_scale)
        priors: dict[str, BlockPrior] = {
            "intercept": NormalPrior(self.priors.intercept_scale),
            "coef": slopes,
            "shared_coef": slopes,
            **dict(zip(self.layout.extras, self.extra_priors, strict=True)),
        }
        out = [(table[name].where, prior) for name, prior in priors.items() if name in table]
        if self.layout.n_gating:
            out.append((slice(self.layout.n_components - 1, table["gating"].where.stop), slopes))
        return tuple(out)

    @cached_property
    def prior_rows(self) -> Array:
        """The same for compiled code: (d, 3), zeros for the weights."""
        rows = np.zeros((self.layout.size, 3))
        for where, prior in self.prior_table:
            rows[where] = prior.row()
        return rows

    @cached_property
    def prior_constants(self) -> Array:
        """What compiled log priors leave out, by coordinate: (d,)."""
        out = np.zeros(self.layout.size)
        for where, prior in self.prior_table:
            left = prior_terms(np.array(prior.row()), 0.0)[0]
            out[where] = float(prior.terms(np.zeros(1))[0][0]) - left
        return out

    @cached_property
    def component_priors(self) -> Array:
        """Priors of the coordinates of one component, for compiled code: (P + E, 3)."""
        return self._rows_of_priors(len(self.layout.own_extra_names))

    @cached_property
    def priors_apart(self) -> Array:
        """The same of a component that shares nothing: with all extras of the regressions."""
        return self._rows_of_priors(len(self.family.of_regressions.extras))

    def _rows_of_priors(self, n_extras: int) -> Array:
        slopes = NormalPrior(self.priors.coef_scale).row()
        intercept = NormalPrior(self.priors.intercept_scale).row()
        extras = [prior.row() for prior in self.extra_priors[:n_extras]]
        return np.array([intercept, *[slopes] * self.layout.n_features, *extras])

    @property
    def mean_design(self) -> Array:
        """Standardised columns, (p, n), feature-major and C-contiguous; no column of ones."""
        return self.rows.observations.columns

    @property
    def target(self) -> Array:
        """Standardised response, or y where that is taken as it is: (n,)."""
        return self.rows.observations.target

    @property
    def family_columns(self) -> Array:
        """Values of the columns that the family needs: (c, n)."""
        auxiliary, count = self.rows.observations.auxiliary, len(self.design.family_columns)
        return np.empty((0, self.n_rows)) if auxiliary is None else auxiliary[:count]

    @cached_property
    def working_target(self) -> Array:
        """Responses on the standardised scale of the linear predictor, for starts: (n,)."""
        response = self.family.working_response(self.target, *self.family_columns)
        offset = self.rows.observations.offset
        return response - self.design.location - (0.0 if offset is None else offset)

    @property
    def weights(self) -> Array:
        """Positive frequencies: row i counts as ``weights[i]`` rows."""
        return self.rows.observations.weights

    @property
    def n_rows(self) -> int:
        """Rows held, after merging."""
        return self.rows.n_rows

    @property
    def total_weight(self) -> float:
        """The number of observations: the sum of the weights."""
        return self.rows.total_weight

    @cached_property
    def unit_weight(self) -> float:
        """The number of memberships: the sum of the weights of units."""
        return self.rows.unit_weight

    @property
    def log_scale(self) -> float:
        """What to subtract from a log-likelihood of the target to have that of y."""
        return self._weight_of_densities * float(np.log(self.design.unit))

    @cached_property
    def _weight_of_densities(self) -> float:
        """Of the rows whose likelihood has a unit."""
        rows = self._rows_with_density
        return self.total_weight if rows is None else float(self.weights @ rows)

    @property
    def _rows_with_density(self) -> Array | None:
        """As `Family.has_density`; rows in chunks are all alike."""
        if not self.rows.in_memory or not len(self.design.family_columns):
            return None
        return self.family.has_density(*self.family_columns)
