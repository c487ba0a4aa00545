"""The examples of docs/coming-from-*.md, in the other system and here.

    python tests/benchmarks/coming_from.py run [PAGE ...]   # flexmix, mixtools, ... as below
    python tests/benchmarks/coming_from.py write            # the tables of the pages

The code is that of the pages, as it stands.  R needs flexmix, mixtools and, for its page, brms;
what R writes for Python is kept in tests/reference/from_r, and all results in
tests/reference/measured/coming_from.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import warnings
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from coming_from_tables import TABLES, pages_with_tables
from records import keep
from xarray import DataTree

from skmixreg import BayesianMixtureRegressor

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FROM_R = ROOT / "tests" / "reference" / "from_r"
RESULTS = ROOT / "tests" / "reference" / "measured" / "coming_from.json"
PAGES = ("flexmix", "mixtools", "stata-fmm", "brms", "pymc")
PYTHON = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def page_of(name: str) -> Path:
    return ROOT / "docs" / f"coming-from-{name}.md"


def results_of_r(name: str) -> dict[str, Any]:
    """Versions, and the fits that the code in R of a page leaves behind."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        subprocess.run(["Rscript", HERE / "coming_from.R", page_of(name), FROM_R, out], check=True)
        return json.loads(out.read_text())


def namespace_of(name: str) -> dict[str, Any]:
    """The variables that the code in Python of a page leaves behind."""
    names: dict[str, Any] = {}
    with chdir(FROM_R), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for code in PYTHON.findall(page_of(name).read_text()):
            exec(compile(code, str(page_of(name)), "exec"), names)
    return names


def of_model(model: Any) -> dict[str, Any]:
    """Attributes, posterior sds and modes of a fit; by solution where there are several."""
    draws = model.posterior_
    record = {
        name: getattr(model, f"{name}_").tolist()
        for name in ("coef", "intercept", "sigma", "weights")
        if hasattr(model, f"{name}_")
    }
    record["sd"] = {name: draws[name].std(axis=(0, 1)).tolist() for name in record if name in draws}
    record["loglik"] = model.modes_["log_likelihood"].tolist()
    record["probability"] = model.modes_["probability"].tolist()
    if len(record["probability"]) > 1 and record["probability"][1] > 0.05:
        table = model.summary(by_mode=True)
        record["by_mode"] = {
            str(mode): table.loc[mode][["mean", "sd"]].to_dict(orient="index")
            for mode in table.index.get_level_values("mode").unique()
        }
    return record


def of_tree(tree: Any) -> dict[str, Any]:
    """Means by chain and R-hat of what PyMC drew."""
    import arviz as az

    posterior = tree.posterior
    slopes = posterior["slope"].to_numpy()
    return {
        **{
            name: posterior[name].to_numpy().mean(axis=1).tolist()
            for name in ("slope", "sigma", "weights")
        },
        "sd": slopes.std(axis=1).tolist(),
        "rhat": [float(az.rhat(slopes[..., k])) for k in range(2)],
        "rhat_sorted": [float(az.rhat(np.sort(slopes, axis=-1)[..., k])) for k in range(2)],
        "divergences": int(tree.sample_stats["diverging"].sum()),
    }


def run(pages: list[str]) -> None:
    """Run pages and keep their results."""
    for name in pages or PAGES:
        theirs: dict[str, Any] = {"versions": {}, "fits": {}}
        if "```r\n" in page_of(name).read_text():
            theirs = results_of_r(name)
        found = namespace_of(name)
        ours = {
            key: of_model(value)
            for key, value in found.items()
            if isinstance(value, BayesianMixtureRegressor)
        }
        trees = {key: of_tree(value) for key, value in found.items() if isinstance(value, DataTree)}
        mine = ("skmixreg", "pymc", "nutpie") if trees else ("skmixreg",)
        versions = {**theirs["versions"], **{package: version(package) for package in mine}}
        keep(RESULTS, name, versions, theirs={**theirs["fits"], **trees}, ours=ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("pages", nargs="*", choices=[*PAGES, []], help="all by default")
    commands.add_parser("write")
    arguments = parser.parse_args()
    if arguments.command == "run":
        FROM_R.mkdir(exist_ok=True)
        os.environ.setdefault("MPLBACKEND", "agg")
        run(arguments.pages)
        return
    pages = {name: page_of(name).read_text() for name in TABLES}
    for name, text in pages_with_tables(pages, json.loads(RESULTS.read_text())).items():
        page_of(name).write_text(text)


if __name__ == "__main__":
    main()
