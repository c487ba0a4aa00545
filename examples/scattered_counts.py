"""
Counts that scatter: one kind of patient, or two?
=================================================

Attacks in a month scatter more than a Poisson distribution of one mean allows.  Two explanations
are tempting: patients of two kinds, or one kind whose means vary.  A mixture of Poisson
regressions and a negative binomial regression say the one and the other, and evidence compares
them, since both give probabilities to the same counts.  As a script, it writes the picture to a
file::

    python examples/scattered_counts.py [picture.png]
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skmixreg import BayesianMixtureRegressorCV

rng = np.random.default_rng(3)
n = 200
dose = rng.uniform(0, 2, n)
X = dose[:, None]
mean = np.exp(2.0 - 0.5 * dose)
worlds = {
    "one kind that scatters": rng.negative_binomial(2, 2 / (2 + mean)),
    "two kinds": rng.poisson(np.where(rng.random(n) < 0.4, np.exp(2.6 - 0.1 * dose), 0.35 * mean)),
}

# %%
# The choice
# ----------
# Every pair of a family and a number of components is a candidate, and each is as probable as any
# other before the data.

families = ["poisson", "negative_binomial"]
choices = {}
for name, y in worlds.items():
    choice = BayesianMixtureRegressorCV((1, 2), family=families, random_state=0).fit(X, y)
    table = choice.criterion_table_
    print(f"{name}: the truth")
    print(table[["log_evidence", "probability"]].round(2).to_string())
    print(f"chosen: {choice.family_.name}, {choice.n_components_} component(s)\n")
    choices[name] = choice

# %%
# The picture
# -----------
# Counts over dose, and the log evidence of all candidates.

colours = {"poisson": "#0072b2", "negative_binomial": "#d55e00"}
figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained", width_ratios=(3, 2))
for (left, right), (name, y) in zip(axes, worlds.items(), strict=True):
    left.scatter(dose, y + rng.uniform(-0.3, 0.3, n), s=9, alpha=0.6, color="0.3", lw=0)
    left.set(title=f"the truth: {name}", xlabel="dose", ylabel="attacks in a month")
    evidence = choices[name].criterion_table_["log_evidence"]
    for family in families:
        of_family = evidence.loc[family]
        right.plot(of_family.index, of_family, "o-", color=colours[family], label=family)
    right.set(title="log evidence", xlabel="components", xticks=(1, 2))
axes[0, 1].legend(frameon=False)

here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "scattered_counts.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")

# %%
# The sentence for a paper
# ------------------------

table = choices["one kind that scatters"].criterion_table_
print(
    f"Among mixtures of one or two Poisson or negative binomial regressions of attacks on dose\n"
    f"({n} patients), a single negative binomial regression had a posterior probability of "
    f"{table.loc[('negative_binomial', 1), 'probability']:.2f},\nmixtures of Poisson regressions "
    f"together one of {table.loc['poisson', 'probability'].sum():.2f}."
)
