"""Standardising the data, and the way back to the user's units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .._support.arrays import Array, mean_and_spread
from ..families._base import Family
from ._roles.column_roles import ColumnRoles
from ._roles.gate import Gate
from ._scaling.column_moments import column_moments, every, means, root_mean_squares, scale_of
from ._scaling.outlying import settled
from ._scaling.whitening import Products, applied, prior_map_of_blocks
from .raw import Raw
from .standardisation import LARGEST, RESCALE, Standardisation, check_range, check_size


def middle(offset: Array, weights: Array, link: str) -> float:
    """By how much offsets move the linear predictor of all rows together."""
    if link != "log":
        return float(np.average(offset, weights=weights))
    top = float(offset.max())
    return top + float(np.log(np.average(np.exp(offset - top), weights=weights)))


def measured_apart(family: Family, roles: ColumnRoles, X: Array, y: Array) -> Array:
    """`Family.measured` responses less offsets, where these are on the same scale."""
    measured = family.measured(y)
    offset = roles.predictor_offset(X)
    return measured if offset is None or family.response_scale == "none" else measured - offset


@dataclass(frozen=True, eq=False)
class Design:
    """Affine map between the user's units and the standardised ones.

    Standardised columns are ``x_map @ (x - x_mean) / x_scale``, of the regressors x: the columns
    of X with slopes.

    Parameters
    ----------
    x_mean, x_scale : ndarray of shape (p,)
    y_mean, y_scale : float
        Of what the linear predictor is of: y, or log y.  Means are 0 without an intercept.  Of a
        response that is taken as it is, ``y_mean`` is the linear predictor of all rows together
        and ``y_scale`` is 1.
    fit_intercept : bool
    response_scale : {"affine", "log", "none"}, default="affine"
        As the `Family` has it.
    extra_units : tuple of bool, default=(True,)
        Which extra parameters of the family grow with ``y_scale``.
    x_map : ndarray of shape (r, p) or None, default=None
        See `whitening`; None is the identity.
    roles : ColumnRoles, default=None
        Which columns of X do what; None is a slope per component for every column.
    gate : Gate or None, default=None
        Of the columns that weights depend on, if there are any.
    shared_directions : tuple of int, default=()
        Standardised columns with one slope for all components.
    scales_columns : bool, default=False
        Whether these are in units of y.
    """

    x_mean: Array
    x_scale: Array
    y_mean: float
    y_scale: float
    fit_intercept: bool
    response_scale: Literal["affine", "log", "none"] = "affine"
    extra_units: tuple[bool, ...] = (True,)
    x_map: Array | None = None
    roles: ColumnRoles = None  # type: ignore[assignment]
    gate: Gate | None = None
    shared_directions: tuple[int, ...] = ()
    scales_columns: bool = False

    def __post_init__(self) -> None:
        if self.roles is None:
            object.__setattr__(self, "roles", ColumnRoles.of_family(len(self.x_mean)))

    @classmethod
    def fit(
        cls,
        X: Array,
        y: Array,
        weights: Array,
        family: Family,
        fit_intercept: bool,
        given: Standardisation | None = None,
    ) -> tuple[Design, Array]:
        """Weighted means and standard deviations (root mean squares without an intercept).

        Returns
        -------
        Design
        ndarray of shape (r, n)
            The standardised columns.

        Raises
        ------
        ValueError
            If slopes or intercepts could leave the range of floating point numbers.
        """
        given = given or Standardisation()
        roles = given.roles or ColumnRoles.of_family(X.shape[1])
        given = given._replace(roles=roles)
        offset = roles.predictor_offset(X)
        measured = measured_apart(family, roles, X, y)
        moments, total = column_moments(X, measured, weights)[None], np.array([weights.sum()])
        design = cls.from_moments(moments, total, family, fit_intercept, given)
        design, far = design._settled(X, measured, weights, family, given)
        columns = design.columns(X)
        if design.wants_products(given):
            products = Products.of(columns, design.bounded(measured), np.where(far, 0.0, weights))
            design = design.mapped(products, moments, total, given)
            if design.x_map is not None:
                columns = applied(design.x_map, columns)
        if offset is not None and family.response_scale == "none" and given.y_location is None:
            design = replace(design, y_mean=design.y_mean - middle(offset, weights, family.link))
        return design, columns

    def with_gate(
        self, X: Array, y: Array, weights: Array, family: Family, given: Gate | None
    ) -> Design:
        """The same for weights that depend on columns, from a row of every unit."""
        if not self.roles.gating:
            return self
        if given is None:
            response = self.bounded(family.measured(y))
            given = Gate.fit(X[:, list(self.roles.gating)].astype(np.float64), response, weights)
        return replace(self, gate=given)

    @classmethod
    def from_moments(
        cls,
        moments: Array,
        totals: Array,
        family: Family,
        fit_intercept: bool,
        given: Standardisation | None = None,
    ) -> Design:
        """As `fit`, from the moments (C, 4, p + 1) and total weights (C,) of C parts of rows.

        Moments are those of X and, last, of `Family.measured` responses.
        """
        given = given or Standardisation()
        largest = moments[:, 0].max(axis=0)
        check_size("X", float(largest[:-1].max(initial=0.0)))
        check_size("y", float(largest[-1]))
        as_it_is = family.response_scale == "none"
        location = means(moments, totals) if fit_intercept else np.zeros(len(largest))
        roles = given.roles or ColumnRoles.of_family(len(largest) - 1)
        if fit_intercept and as_it_is:
            location[-1] = family.location(
                float(location[-1]), float(totals.sum()), *location[list(roles.family)].tolist()
            )
        kept = [*roles.slopes, len(largest) - 1]
        moments, largest, location = (a[..., kept] for a in (moments, largest, location))
        if given.x_location is not None:
            location[:-1] = given.x_location
        if given.y_location is not None:
            location[-1] = given.y_location
        spread = root_mean_squares(moments, totals, location)
        scale = np.array([scale_of(*pair) for pair in zip(spread, largest, strict=True)])
        x_scale = scale[:-1] if given.x_scale is None else given.x_scale
        y_scale = float(scale[-1]) if given.y_scale is None else given.y_scale
        if as_it_is:
            y_scale = 1.0
        # Squares of means have to be numbers above 0.
        if family.link == "log" and fit_intercept and abs(location[-1]) > np.log(LARGEST):
            raise ValueError(f"y has values of size {np.exp(location[-1]):.3g}. {RESCALE}")
        check_range(location[:-1], x_scale, y_scale)
        units = tuple(extra.in_units_of_y for extra in family.extras)
        known = given.x_whitening if isinstance(given.x_whitening, np.ndarray) else None
        return cls(
            location[:-1], x_scale, float(location[-1]), y_scale, fit_intercept,
            family.response_scale, units, known, roles, given.gate, roles.shared_slopes,
            family.columns_in_units_of_y,
        )._with_shared_directions()  # fmt: skip

    def _settled(
        self, X: Array, y: Array, weights: Array, family: Family, given: Standardisation
    ) -> tuple[Design, Array]:
        """The same with scales that are not those of a few rows, and which rows these are."""
        X, columns = self.regressors(X), self.of_family(X, standardised=False)
        far = np.zeros(len(y), dtype=bool)
        x_mean, x_scale = self.x_mean.copy(), self.x_scale.copy()
        y_mean, y_scale, near = self.y_mean, self.y_scale, weights
        for j in () if given.columns_are_given else range(len(x_mean)):
            found = settled(X[:, j], weights, x_mean[j], x_scale[j], self.fit_intercept)
            if found is not None:
                x_mean[j], x_scale[j] = found[:2]
                far |= found[2]
        if given.y_location is None and given.y_scale is None:
            mean, spread = self._of_response(y, weights)
            found = settled(y, weights, mean, spread, self.fit_intercept)
            near = weights if found is None else np.where(found[2], 0.0, weights)
            if found is not None and self.response_scale != "none":
                y_mean, y_scale = found[:2]
            elif found is not None and self.fit_intercept:
                y_mean = family.location(
                    found[0], float(weights.sum()), *np.average(columns, axis=1, weights=near)
                )
        new = replace(self, x_mean=x_mean, x_scale=x_scale, y_mean=y_mean, y_scale=y_scale)
        if new.wants_latent(family, given):
            some = slice(None, None, every(len(y)))
            new = new.with_latent(family, y[some], near[some], columns[:, some])
        return new, far

    def wants_latent(self, family: Family, given: Standardisation) -> bool:
        """Whether rows may tell the scale of the response in part only."""
        known = given.y_location is not None or given.y_scale is not None or not family.columns
        return self.response_scale != "none" and not known

    def with_latent(self, family: Family, y: Array, weights: Array, columns: Array) -> Design:
        """The same with location and scale of a response that these rows tell in part."""
        found = family.latent_moments(y, weights, self.fit_intercept, *columns)
        return self if found is None else replace(self, y_mean=found[0], y_scale=found[1])

    def _of_response(self, y: Array, weights: Array) -> tuple[float, float]:
        """Mean and spread of all `Family.measured` responses."""
        if self.response_scale != "none":
            return self.y_mean, self.y_scale
        return mean_and_spread(y, weights, self.fit_intercept)

    def wants_products(self, given: Standardisation) -> bool:
        """Whether columns are mapped as their `Products` say."""
        if len(self.x_mean) == 0 or isinstance(given.x_whitening, np.ndarray):
            return False
        if given.x_whitening is None:
            return not given.columns_are_given
        return given.x_whitening

    def mapped(
        self, products: Products, moments: Array, totals: Array, given: Standardisation
    ) -> Design:
        """The same with the map that `whitening.prior_map` gives."""
        share = 0.0 if given.x_whitening else None
        largest = self.regressors(moments[:, 0, :-1]).max(axis=0)
        noise = np.finfo(float).eps * largest / self.x_scale
        total = float(totals.sum())
        blocks = self.roles.blocks_of_slopes
        x_map = prior_map_of_blocks(products, total, noise, share, given.x_axis, blocks)
        return replace(self, x_map=x_map)._with_shared_directions()

    def _with_shared_directions(self) -> Design:
        """The same, with the standardised columns that are made of shared columns."""
        shared = list(self.roles.shared_slopes)
        if not shared or self.x_map is None:
            return replace(self, shared_directions=tuple(shared))
        of_shared = (self.x_map[:, shared] != 0.0).any(axis=1)
        return replace(self, shared_directions=tuple(np.flatnonzero(of_shared).tolist()))

    @property
    def standardisation(self) -> Standardisation:
        """The same for other rows."""
        whitening = False if self.x_map is None else self.x_map
        return Standardisation(
            self.x_mean, self.x_scale, self.y_mean, self.y_scale, whitening,
            roles=self.roles, gate=self.gate,
        )  # fmt: skip

    @property
    def n_directions(self) -> int:
        """Standardised columns r."""
        return len(self.x_mean if self.x_map is None else self.x_map)

    def regressors(self, X: Array) -> Array:
        """The columns that lines are over, (n, p)."""
        return self.roles.regressors(X)

    @property
    def family_columns(self) -> tuple[int, ...]:
        """Positions of the columns that the family needs, in its order."""
        return self.roles.family

    @property
    def own_map(self) -> Array | None:
        """`x_map` of the columns with a slope per component."""
        if self.x_map is None or not self.shared_directions:
            return self.x_map
        own = np.delete(np.arange(len(self.x_map)), self.shared_directions)
        return np.delete(self.x_map[own], self.roles.shared_slopes, axis=1)

    def offset(self, X: Array) -> Array | None:
        """What is added to standardised linear predictors, (n,), or None."""
        out = self.roles.predictor_offset(X)
        return out if out is None or self.response_scale == "none" else out / self.y_scale

    def gating(self, X: Array) -> Array | None:
        """Standardised columns that weights depend on, (r, n), or None."""
        return None if self.gate is None else self.gate.columns(X[:, list(self.roles.gating)])

    def of_family(self, X: Array, standardised: bool = True) -> Array:
        """The columns that the family needs, (c, n)."""
        out = np.array(X[:, list(self.family_columns)].T, dtype=np.float64, order="C")
        return out / self.y_scale if standardised and self.scales_columns else out

    @property
    def centre(self) -> Array:
        """A row at the mean of the regressors, with ones in columns that must be positive."""
        ones = np.ones((len(self.family_columns), 1))
        row = self.joined(self.x_mean[None], ones)[0]
        if self.roles.exposure is not None:
            row[self.roles.exposure] = 1.0
        return row

    def joined(self, regressors: Array, columns: Array) -> Array:
        """X from both: the way back from `regressors` and standardised `of_family`."""
        out = np.zeros((len(regressors), self.roles.n_columns))
        out[:, list(self.roles.slopes)] = regressors
        unit = self.y_scale if self.scales_columns else 1.0
        out[:, list(self.family_columns)] = unit * columns.T
        return out

    def columns(self, X: Array) -> Array:
        """Standardised columns, feature-major: (r, n), C-contiguous."""
        X = self.regressors(X)
        out = np.ascontiguousarray(X.T, dtype=np.float64)
        if np.shares_memory(out, X):
            out = out.copy()
        out -= self.x_mean[:, None]
        out /= self.x_scale[:, None]
        return out if self.x_map is None else applied(self.x_map, out)

    def standardised(self, X: Array) -> Array:
        """Standardised columns of rows: (n, r)."""
        out: Array = (self.regressors(X) - self.x_mean) / self.x_scale
        return out if self.x_map is None else out @ self.x_map.T

    def of_standardised(self, Z: Array) -> Array:
        """Rows in the user's units, (n, p), with these standardised columns (n, r)."""
        if self.x_map is not None:
            Z = Z @ np.linalg.pinv(self.x_map).T
        return Z * self.x_scale + self.x_mean

    def slopes(self, coef: Array) -> Array:
        """Slopes (..., p) in the user's units, from standardised ones (..., r)."""
        if self.x_map is not None:
            coef = coef @ self.x_map
        return coef * (self.y_scale / self.x_scale)

    def standardised_slopes(self, coef: Array) -> Array:
        """The way back from `slopes`, (..., r): of what they say of the rows."""
        coef = coef * (self.x_scale / self.y_scale)
        return coef if self.x_map is None else coef @ np.linalg.pinv(self.x_map)

    def bounded(self, measured: Array) -> Array:
        """A response of order one, which tells columns apart, from `Family.measured` ones."""
        if self.response_scale == "none":
            return np.log1p(np.abs(measured)) - 1.0
        return self._centred(measured)

    def _centred(self, values: Array) -> Array:
        out = np.subtract(values, self.y_mean, dtype=np.float64)
        out /= self.y_scale
        return out

    @property
    def scales_response(self) -> bool:
        """Whether the response itself is standardised."""
        return self.response_scale == "affine"

    @property
    def unit(self) -> float:
        """What `target` is in units of: densities of y are those of the target over it."""
        return self.y_scale if self.scales_response else 1.0

    def target(self, y: Array) -> Array:
        """Standardised response, or a copy of one that is taken as it is."""
        return self._centred(y) if self.scales_response else np.array(y, dtype=np.float64)

    def response(self, values: Array) -> Array:
        """Responses in the user's units, from standardised ones."""
        return self.y_mean + self.y_scale * values if self.scales_response else values

    @property
    def location(self) -> float:
        """What is added to standardised linear predictors of a response that is taken as it is."""
        return self.y_mean if self.response_scale == "none" else 0.0

    def to_user(self, raw: Raw) -> Raw:
        """Parameters in the user's units."""
        coef = self.slopes(raw.coef)
        intercept = self.y_mean + self.y_scale * raw.intercept - coef @ self.x_mean
        units = np.where(self.extra_units, np.log(self.y_scale), 0.0)
        return Raw(
            raw.logits,
            np.concatenate([intercept[..., None], coef], axis=-1),
            raw.extra + units if units.size else raw.extra,
        )
