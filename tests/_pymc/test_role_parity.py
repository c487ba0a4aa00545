"""The model of columns with roles in PyMC is the compiled one."""

import numpy as np
import pytest
from pymc.blocking import DictToArrayBijection
from role_cases import CASES, problem_of

from skmixreg._model.density import LogPosterior
from skmixreg._pymc.coordinates import log_jacobian, to_values, value_map
from skmixreg._pymc.model import build_model

QUICK = ("gate, shared, groups",)
SLOW = (
    "offset, gaussian",
    "labels",
    "shared slope, intercept",
    "groups, shared sigma, labels",
    "all",
)


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_plain_model_is_the_kernels(name):
    problem = problem_of(CASES[name], n=40)
    model = build_model(problem, "plain")
    function = model.logp_dlogp_function(ravel_inputs=True, mode="FAST_COMPILE")
    function.set_extra_values({})
    density, start = LogPosterior(problem), model.initial_point()
    rng = np.random.default_rng(1)
    for _ in range(2):
        theta = rng.normal(scale=0.6, size=density.size)
        point = to_values(theta, problem.layout, start)
        value, gradient = function(DictToArrayBijection.map(point))
        expected, slope = density.value_and_gradient(theta)
        expected += log_jacobian(problem.layout) - problem.log_scale
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(
            gradient, slope @ value_map(problem.layout), rtol=1e-8, atol=1e-8
        )
