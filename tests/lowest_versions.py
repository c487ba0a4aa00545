"""Installs the lowest declared versions in a new environment and fits with every solver there.

    python tests/lowest_versions.py                     # the lowest versions, this Python
    python tests/lowest_versions.py --newest --python python3.13
    python tests/lowest_versions.py --keep /tmp/floors  # and leave the environment there

Ends with 1 where something does not install, warns of what it should not, or finds other lines.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SMOKE = """
import sys, warnings
import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.solvers import SOLVERS

warnings.simplefilter("error")
warnings.simplefilter("ignore", ConvergenceWarning)  # few draws
QUICK = {"nuts": {"draws": 100, "tune": 100}, "smc": {"draws": 500}}
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, 300)
y = np.where(rng.random(300) < 0.5, 3 * x, -x) + rng.normal(0, 0.1, 300)
X = pd.DataFrame({"dose": x})
print(sys.version.split()[0], flush=True)
for name, solver in SOLVERS.items():
    model = BayesianMixtureRegressor(solver=solver(**QUICK.get(name, {})), random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_.ravel(), [-1, 3], atol=0.1)
    assert len(model.summary()) >= 8 and len(model.modes_) >= 1
    print(f"{name}: {model.coef_.ravel().round(2)}", flush=True)
counts = rng.poisson(np.exp(np.where(rng.random(300) < 0.5, 3.0, 1.0)))
model = BayesianMixtureRegressor(family="poisson", random_state=0).fit(X, counts)
np.testing.assert_allclose(model.intercept_, [1, 3], atol=0.2)
model = BayesianMixtureRegressorCV((1, 2), random_state=0).fit(X, y)
assert model.n_components_ == 2, model.criterion_table_
print("poisson, choice of K", flush=True)
model = model.best_estimator_
tree = model.to_datatree(X, y, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))  # PyMC's own plans
    import pymc
    drawn = pymc.sample_posterior_predictive(
        tree, model=model.to_pymc(X, y), progressbar=False, random_seed=0
    )
    pymc.sample_prior_predictive(5, model=model.to_pymc(X, y), random_seed=0)
np.testing.assert_allclose(drawn.posterior_predictive["y"].std(), y.std(), rtol=0.1)
print("predictive draws in PyMC", flush=True)
"""


def lowest() -> list[str]:
    """The declared dependencies, each at its lowest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [requirement.replace(">=", "==") for requirement in project["dependencies"]]


def main() -> int:
    """Install and fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment")
    parser.add_argument("--newest", action="store_true", help="versions as pip takes them")
    parser.add_argument("--keep", type=Path, help="folder in which the environment stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "environment"
        python = folder / "bin" / "python"
        pins = [] if options.newest else lowest()
        for command in (
            [options.python, "-m", "venv", folder],
            [python, "-m", "pip", "install", "--quiet", *pins, ROOT],
            [python, "-m", "pip", "check"],
            [python, "-c", SMOKE],
        ):
            done = subprocess.run([str(part) for part in command], cwd=temporary, check=False)
            if done.returncode:
                print(f"failed: {' '.join(map(str, command[:6]))[:200]}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
