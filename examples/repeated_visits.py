"""
Repeated visits, and the next one predicted
===========================================

Sixty patients are seen every three months.  Some decline fast and some slowly, nobody wrote down
who, and a patient is the one or the other at all visits.  ``group_feature`` says which rows are of
one patient.  For a new patient every visit tells more of which kind he is, and the prediction of
the visit after a year gets narrower.  As a script, it writes the picture to a file::

    python examples/repeated_visits.py [picture.png]
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skmixreg import BayesianMixtureRegressor

MONTHS = np.array([0.0, 3.0, 6.0, 9.0, 12.0])
rng = np.random.default_rng(3)


def study(n_patients: int, prefix: str) -> tuple[pd.DataFrame, pd.Series, np.ndarray]:
    """Visits of some patients, their scores, and who truly declines fast."""
    fast = rng.random(n_patients) < 0.4
    age = np.repeat(rng.normal(60, 8, n_patients).round(), len(MONTHS))
    month = np.tile(MONTHS, n_patients)
    patient = np.repeat([f"{prefix}{i:02d}" for i in range(n_patients)], len(MONTHS))
    visits = pd.DataFrame({"month": month, "age": age, "patient": patient})
    slope = np.where(np.repeat(fast, len(MONTHS)), -1.5, -0.2)
    score = 60 + slope * month - 0.1 * (age - 60) + rng.normal(0, 3, len(visits))
    return visits, pd.Series(score, name="score"), fast


visits, score, fast = study(60, "p")

# %%
# One membership per patient
# --------------------------
# Age has the same slope in both components; months have one in each.

model = BayesianMixtureRegressor(
    n_components=2, shared_features=["age"], group_feature="patient", random_state=0
).fit(visits, score)
print(model.contrast().round(2).to_string())

# %%
# Who is who
# ----------
# Rows of a patient have the same probabilities.  ``entropy`` is 1 where memberships are certain.

probability = model.predict_proba(visits, score)[:: len(MONTHS), 0]
print(f"patients: {len(fast)}; told right: {np.mean((probability > 0.5) == fast):.0%}")
print(f"entropy: {model.entropy(visits, score):.2f}")
table = model.component_table(visits, score)
print(table.loc[(slice(None), ["share", "units", "mean response"]), :].round(2).to_string())

columns = ["month", "age"]
alone = BayesianMixtureRegressor(n_components=2, random_state=0).fit(visits[columns], score)
print(f"entropy, every visit by itself: {alone.entropy(visits[columns], score):.2f}")

# %%
# The next visit of new patients
# ------------------------------
# ``given`` are the visits that were seen.  Before any, a patient is of either kind, and the first
# visit, at which both kinds are alike, says next to nothing.

new_visits, new_score, new_fast = study(40, "new")
last = (new_visits["month"] == 12.0).to_numpy()
widths, regions = [], []
for seen in range(len(MONTHS)):
    before = (new_visits["month"] < 3.0 * seen).to_numpy()
    given = (new_visits[before], new_score[before]) if seen else None
    interval = model.predict_interval(new_visits[last], coverage=0.9, given=given)
    inside = (interval[:, 0] <= new_score[last]) & (new_score[last] <= interval[:, 1])
    widths.append(np.diff(interval).ravel())
    regions.append(model.predict_hdr(new_visits[last], coverage=0.9, given=given))
    print(f"visits seen: {seen}; width {widths[-1].mean():.1f}; held {inside.mean():.0%} of scores")

# %%
# The sentence for a paper
# ------------------------

draws = model.posterior_
named = {
    "share": 100 * draws["weights"][..., 0],
    "fast": -draws["coef"][..., 0, 0],
    "slow": -draws["coef"][..., 1, 0],
}
text = {}
for name, values in named.items():
    low, high = np.quantile(values, [0.05, 0.95])
    digits = 0 if name == "share" else 1
    text[name] = f"{values.mean():.{digits}f} (90% interval {low:.{digits}f} to {high:.{digits}f})"
sentence = (
    "A mixture of two regressions of the score on months, with one membership per patient and a "
    f"common effect of age ({len(fast)} patients, {len(visits)} visits), found that "
    f"{text['share']} percent of the patients declined by {text['fast']} points a month and the "
    f"others by {text['slow']}; for 40 new patients the 90% interval of the score after a year "
    f"narrowed from {widths[0].mean():.0f} points before the first visit to "
    f"{widths[4].mean():.0f} after four."
)
print(textwrap.fill(sentence, 90))

# %%
# The picture
# -----------
# Left, highest-density regions of the last score of a new patient who declines fast: two
# intervals become one.  Right, widths of equal-tailed intervals, of all new patients.

chosen = int(np.flatnonzero(new_fast)[0])
own = slice(chosen * len(MONTHS), (chosen + 1) * len(MONTHS))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for seen in range(len(MONTHS)):
    for low, high in regions[seen][chosen]:
        left.plot([seen, seen], [low, high], color="#0072b2", lw=7, solid_capstyle="butt")
left.axhline(new_score[own].iloc[-1], color="0.4", ls="--", label="the score after a year")
left.plot([], [], color="#0072b2", lw=7, label="90% region")
left.plot(range(1, 5), new_score[own].iloc[:4], "o", color="#d55e00", label="the visit seen last")
left.set(
    xlabel="visits seen", ylabel="score", xticks=range(len(MONTHS)),
    title=f"patient {new_visits['patient'][own.start]}",
)  # fmt: skip
left.set_ylim(left.get_ylim()[0], left.get_ylim()[1] + 12)  # room for the legend
left.legend(frameon=False, loc="upper right")
for kind, colour, name in ((True, "#d55e00", "decline fast"), (False, "#0072b2", "slowly")):
    of_kind = np.array(widths)[:, new_fast == kind]
    right.plot(of_kind, color=colour, alpha=0.25, lw=1)
    right.plot(of_kind.mean(axis=1), color=colour, lw=2.5, label=f"{name}: mean")
right.set(
    xlabel="visits seen", ylabel="width of the 90% interval", xticks=range(len(MONTHS)),
    title="all 40 new patients", ylim=(0, None),
)  # fmt: skip
right.legend(frameon=False)

here = Path(sys.argv[0]).resolve().parent
path = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "output" / "repeated_visits.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=120)
print(f"picture: {path}")
