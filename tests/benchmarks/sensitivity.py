"""How far the priors matter: every width doubled and halved, on real data.

Run ``python tests/benchmarks/sensitivity.py``; it rewrites the table in docs/priors.md.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from skmixreg import BayesianMixtureRegressor, Priors

ROOT = Path(__file__).resolve().parents[2]
CASES = ("tonedata", "nodata_no_on_eq", "npreg_yn", "s2_heterosced")
START, END = "<!-- table -->", "<!-- end of table -->"


def settings() -> dict[str, Priors]:
    """The default, then every hyperparameter doubled and halved."""
    out = {"default": Priors()}
    for name, value in Priors().resolve()._asdict().items():
        for factor, word in ((2.0, "x 2"), (0.5, "/ 2")):
            out[f"`{name}` {word}"] = Priors(**{name: value * factor})
    return out


def fit(case: str, priors: Priors) -> BayesianMixtureRegressor:
    """Two components on one reference data set."""
    record = json.loads((ROOT / "tests" / "reference" / f"{case}.json").read_text())
    frame = pd.read_csv(ROOT / "tests" / "reference" / f"{case}.csv")
    model = BayesianMixtureRegressor(2, priors=priors, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tone perception has two solutions, and says so
        return model.fit(frame[record["design"][1:]], frame[record["response"]])


def flat(model: BayesianMixtureRegressor) -> np.ndarray:
    """Draws of all parameters but the redundant last weight: (S, m)."""
    posterior = model.posterior_
    parts = [posterior["weights"][..., :-1], posterior["intercept"], np.log(posterior["sigma"])]
    parts.append(posterior["coef"].reshape(*posterior["intercept"].shape[:2], -1))
    return np.concatenate(parts, axis=-1).reshape(-1, sum(part.shape[-1] for part in parts))


def table() -> str:
    """Markdown: largest shift of a mean in sds, largest change of an sd, change of the evidence."""
    lines = ["| prior | " + " | ".join(CASES) + " |", "|---" * (len(CASES) + 1) + "|"]
    base = {case: fit(case, Priors()) for case in CASES}
    for label, priors in settings().items():
        cells = []
        for case in CASES:
            before = flat(base[case])
            model = base[case] if label == "default" else fit(case, priors)
            after = flat(model)
            shift = np.abs(after.mean(0) - before.mean(0)) / before.std(0)
            ratio = np.abs(after.std(0) / before.std(0) - 1.0)
            evidence = model.log_evidence_ - base[case].log_evidence_
            cells.append(f"{shift.max():.2f} sd, {ratio.max():.0%}, {evidence:+.2f}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    page = ROOT / "docs" / "priors.md"
    text = page.read_text()
    before, rest = text.split(START)
    page.write_text(f"{before}{START}\n\n{table()}\n\n{END}{rest.split(END)[1]}")
