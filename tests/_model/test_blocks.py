"""The unconstrained vector: a bijection that knows about labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skmixreg._model.blocks import Components, ParameterBlocks

layouts = st.builds(
    ParameterBlocks,
    n_components=st.integers(1, 5),
    n_features=st.integers(0, 4),
    fit_intercept=st.booleans(),
    shared_dispersion=st.booleans(),
)


@given(blocks=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_pack_inverts_unpack(blocks, seed):
    theta = np.random.default_rng(seed).normal(size=(3, 2, blocks.size))
    components = blocks.unpack(theta)
    np.testing.assert_allclose(np.exp(components.log_weights).sum(-1), 1.0)
    np.testing.assert_allclose(blocks.pack(components), theta, atol=1e-12)


@given(blocks=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_permute_relabels_components_and_keeps_volume(blocks, seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(4, blocks.size))
    order = rng.permutation(blocks.n_components)
    moved = blocks.unpack(blocks.permute(theta, order))
    for got, expected in zip(moved, blocks.unpack(theta).permuted(order), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    matrix = blocks.permute(np.eye(blocks.size), order)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(blocks.size), atol=1e-12)


@given(blocks=layouts, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_pull_back_is_the_chain_rule(blocks, seed):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=blocks.size)
    K, p = blocks.n_components, blocks.n_features
    outer = Components(
        rng.normal(size=K), rng.normal(size=K), rng.normal(size=(K, p)), rng.normal(size=K)
    )

    def linear(vector):
        inner = blocks.unpack(vector)
        return sum(float((a * b).sum()) for a, b in zip(outer, inner, strict=True))

    gradient = blocks.pull_back(np.exp(blocks.unpack(theta).log_weights), outer)
    step = 1e-6 * np.eye(blocks.size)
    numeric = [(linear(theta + e) - linear(theta - e)) / 2e-6 for e in step]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)


def test_size_is_the_number_of_free_parameters():
    assert ParameterBlocks(2, 1).size == 7
    assert ParameterBlocks(2, 1, fit_intercept=False, shared_dispersion=True).size == 4
    assert ParameterBlocks(1, 0).size == 2


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lines_are_the_first_coordinates_of_a_component(fit_intercept):
    blocks = ParameterBlocks(3, 2, fit_intercept)
    components = blocks.unpack(np.arange(blocks.size, dtype=float))
    expected = components.coef
    if fit_intercept:
        expected = np.concatenate([components.intercept[:, None], expected], axis=1)
    np.testing.assert_array_equal(np.arange(blocks.size)[blocks.line_index], expected)
