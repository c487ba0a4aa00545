"""Proposals that know about labels: mixtures over modes, averaged over relabellings.

For a proposal q in one labelling, the importance weight of a draw is ``p / qbar`` with

    qbar(theta) = (1 / K!) sum over permutations P of q(P theta).

The target is symmetric, so E_q[p / qbar] = integral of p: the mean weight is the evidence, however
the labels of the draws fell, and no factor K! appears anywhere else.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from .._model.layout import Layout
from .._model.raw import Raw
from .._support.arrays import Array
from .._support.sampling import systematic_counts
from .part_kernels import Parts
from .parts import EmptyPart, Part, StudentPart, log_prior_of_components
from .product import NEGLIGIBLE_NATS, ProductPart, with_few_terms
from .split import SplitProposal
from .symmetrised_kernels import symmetrised_log_density


def _simplified(part: Part, n_components: int) -> Part:
    if part.problem.layout.n_gating or len(part.problem.layout.classes) > 1:
        return part
    if isinstance(part, EmptyPart):
        return replace(part, active=_simplified(part.active, n_components))
    return with_few_terms(part, n_components) if isinstance(part, StudentPart) else part


def _without_empty(part: Part) -> tuple[StudentPart | ProductPart, int]:
    """The part in which every component plays a role, and the number of the others."""
    empty = 0
    while isinstance(part, EmptyPart):
        part, empty = part.active, empty + 1
    assert isinstance(part, StudentPart | ProductPart)
    return part, empty


def _own_and_common(layout: Layout, components: Raw) -> tuple[Array, Array]:
    """Lines of each component alone, and extras as kernels take them, (S, K, L) and (S, K, E).

    Own extras come first, then all that components share, in the order of theta, then slopes of
    the log odds.
    """
    columns = list(layout.own_columns)
    lines = components.coef[..., columns]
    shared = [components.coef[..., list(layout.shared_columns)]]
    if layout.fit_intercept:
        intercept = components.intercept[..., None]
        if layout.shared_intercept:
            shared = [intercept, *shared]
        else:
            lines = np.concatenate([intercept, lines], axis=-1)
    own = len(layout.own_extra_names)
    extra = components.extra
    parts = [extra[..., :own], *shared, extra[..., own:], components.logits[..., 1:]]
    return lines, np.concatenate(parts, axis=-1)


class SymmetrisedMixture:
    """Mixture of parts, symmetrised over labels.

    Parameters
    ----------
    layout : Layout
    parts : list of Part
        Their roles are made independent where too many relabellings would count.
    probabilities : ndarray of shape (n_parts,)
    split : SplitProposal, optional
        A density beside the parts, averaged over labels itself.
    split_share : float, default=0.0
        Its probability.
    """

    def __init__(
        self,
        layout: Layout,
        parts: list[Part],
        probabilities: Array,
        split: SplitProposal | None = None,
        split_share: float = 0.0,
    ):
        self.layout = layout
        self.parts = [_simplified(part, layout.n_components) for part in parts]
        self.probabilities = probabilities / probabilities.sum()
        self.split = split
        self.split_share = 0.0 if split is None else split_share

    def with_parts(self, parts: list[Part], probabilities: Array) -> SymmetrisedMixture:
        """Other parts, and the same split."""
        return SymmetrisedMixture(self.layout, parts, probabilities, self.split, self.split_share)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, NDArray[np.intp]]:
        """Draws, each in its part's labelling, and their parts; the split counts as the last.

        Parts get their share of the draws, rounded at random (systematic sampling).
        """
        sources: list[Any] = [*self.parts]
        shares = self.probabilities
        if self.split is not None:
            sources.append(self.split)
            shares = np.append((1.0 - self.split_share) * shares, self.split_share)
        counts = systematic_counts(rng, shares, n)
        thetas = [
            source.sample(rng, int(count))
            for source, count in zip(sources, counts, strict=True)
            if count
        ]
        return np.concatenate(thetas), np.repeat(np.arange(len(sources)), counts)

    @property
    def points(self) -> list[Array | None]:
        """What draws of every part lie around, as `sample` numbers parts; None of no point."""
        points = [part.mode for part in self.parts]
        return points if self.split is None else [*points, None]

    def log_density(self, thetas: Array) -> Array:
        """Symmetrised log density: (S, d) -> (S,).

        Relabelled terms are summed unless an upper bound of theirs lies `NEGLIGIBLE_NATS` below
        the sum of the others: the relative error is at most n_parts K! exp(-18).
        """
        components = self.layout.expand(thetas)
        arguments = self.arguments(components)
        total = symmetrised_log_density(self.arrays, *arguments) - self.layout.log_labellings
        if self.split is None:
            return np.asarray(total)
        total += np.log1p(-self.split_share)
        return self.split.added(components, arguments, np.log(self.split_share), total)

    def arguments(self, components: Raw) -> tuple[Array, ...]:
        """Log weights, lines, extras and log priors of components, as kernels take them."""
        layout = self.layout
        lines = components.line if layout.fit_intercept else components.coef
        extra = components.extra
        if not self.parts[0].problem.plain:
            lines, extra = _own_and_common(layout, components)
        return (
            components.log_weights,
            np.ascontiguousarray(lines),
            np.ascontiguousarray(extra),
            log_prior_of_components(self.parts[0].problem, components),
        )

    @cached_property
    def arrays(self) -> Parts:
        """What the kernels need to know of the parts."""
        problem = self.parts[0].problem
        layout = self.layout
        K, M, d = layout.n_components, len(self.parts), layout.size
        c, n = problem.priors.weight_concentration, problem.unit_weight
        q = layout.own.shape[1]
        roles, sizes = np.empty((2, M), dtype=np.int64)
        df, constants = np.empty((2, M))
        funnel, product = np.zeros((2, M), dtype=bool)
        centres, whiteners = np.zeros((M, d)), np.zeros((M, d, d))
        sigmas, counts = np.zeros((2, M, K))
        locations, role_whiteners = np.zeros((M, K, q)), np.zeros((M, K, q, q))
        shared_extra = np.ones((M, layout.size, 2))
        with np.errstate(divide="ignore"):
            constants[:] = np.log(self.probabilities)
        for m, outer in enumerate(self.parts):
            part, empty = _without_empty(outer)
            joint = part.joint if isinstance(part, ProductPart) else part
            if isinstance(part, ProductPart):
                product[m] = True
                counts[m, : len(part.counts)] = part.counts
                shared_extra[m, : len(joint.common), 0] = joint.centre[joint.common]
                shared_extra[m, : len(joint.common), 1] = part.common_scale
            R, size = joint.problem.layout.n_components, len(joint.centre)
            roles[m], sizes[m], df[m], funnel[m] = R, size, joint.df, joint.funnel
            constants[m] += part.log_constant + gammaln(empty + 1.0)
            more = np.arange(R + 1, K + 1)
            splits = 0.5 * np.log(more / (more - 1.0)) - betaln(c, n + (more - 1) * c)
            constants[m] += splits.sum()
            of_slopes = np.log(problem.priors.coef_scale) + 0.5 * np.log(2.0 * np.pi)
            constants[m] -= empty * layout.n_gating * of_slopes
            centres[m, :size] = joint.centre[joint.by_role]
            whiteners[m, :size, :size] = joint.whitener
            if joint.funnel:
                sigma = layout.extras[problem.family.bend or 0]
                sigmas[m, :R] = joint.centre[joint.problem.layout.table[sigma].where]
                # Of the Jacobian of the funnel, which falls with sigma relative to that of a role.
                constants[m] += layout.own_lines.shape[1] * sigmas[m, :R].sum()
            locations[m, :R] = joint.centre[joint.problem.layout.own]
            role_whiteners[m, :R] = np.linalg.inv(joint.role_scales)
        bases = np.zeros((K + 1, K, K))
        for R in range(2, K + 1):
            bases[R, :R, : R - 1] = replace(layout, n_components=R).gating_basis
        bend = problem.family.bend
        return Parts(
            len(layout.own_extra_names), -1 if bend is None else bend,
            int(layout.fit_intercept and not layout.shared_intercept), layout.n_gating,
            problem.priors.coef_scale, self._classes, c, n, NEGLIGIBLE_NATS, roles, sizes, df,
            funnel, constants, product, counts, bases,
            centres, whiteners, sigmas, locations, role_whiteners, shared_extra,
        )  # fmt: skip

    @property
    def _classes(self) -> NDArray[np.int64]:
        """Which class each component is of, one more that is spare, and what stands for two."""
        out = np.zeros(self.layout.n_components + 2, dtype=np.int64)
        for c, members in enumerate(self.layout.classes):
            out[list(members)] = c
        return out

    def adapted(self, thetas: Array, part: NDArray[np.intp], weights: Array) -> SymmetrisedMixture:
        """The mixture fitted to weighted draws: shares, centres, scales and tails.

        Every part is fitted to the draws it proposed itself, which carry its labels; parts with
        few effective draws keep what they have.
        """
        parts, shares = [], np.empty(len(self.parts))
        for m, old in enumerate(self.parts):
            mine = part == m
            w = weights[mine]
            shares[m] = w.sum()
            parts.append(old.adapted(thetas[mine], w / max(w.sum(), 1e-300)))
        split_share = self.split_share
        if self.split is not None:
            split_share = 0.1 + 0.8 * (1.0 - shares.sum())
        shares = shares / max(shares.sum(), 1e-300)
        return SymmetrisedMixture(
            self.layout, parts, 0.9 * shares + 0.1 / len(shares), self.split, split_share
        )
