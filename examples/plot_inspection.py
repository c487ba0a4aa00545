"""
Pictures of a fit
=================

Half of these 200 rows follow a line and half a parabola (Leisch 2004), and nothing says which row
follows which.  The number of components, the components, the rows' memberships, the predictions
and the residuals each have a picture, in scikit-learn's convention: a display is computed and
drawn by ``from_estimator``, and drawn again, in other axes or another style, by ``plot``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from skmixreg import BayesianMixtureRegressor, BayesianMixtureRegressorCV
from skmixreg.inspection import (
    ComponentLinesDisplay,
    CriterionDisplay,
    PredictiveDensityDisplay,
    ResidualQuantileDisplay,
    ResponsibilityDisplay,
)

HERE = Path(sys.argv[0]).resolve().parent
frame = pd.read_csv(HERE.parent / "tests" / "reference" / "npreg_yn.csv")
X, y = frame[["x"]], frame["yn"]


def with_square(regressor):
    """The regressor on x and its square."""
    return make_pipeline(PolynomialFeatures(2, include_bias=False), regressor)


# %%
# How many components
# -------------------
# Differences from the best, since only these mean something.  What lies too far off to be drawn to
# scale is an arrow with a number.

chooser = with_square(BayesianMixtureRegressorCV(range(1, 5), random_state=0)).fit(X, y)
CriterionDisplay.from_estimator(chooser)

# %%
# The components
# --------------
# The pipeline is asked about x alone, so that the parabola is a curve.  A row has the marker of its
# more probable component, and is the emptier the less sure that is: where the two curves cross,
# nothing can tell whose rows these are.  Bands hold each curve with probability 0.9.

model = with_square(BayesianMixtureRegressor(2, random_state=0)).fit(X, y)
ComponentLinesDisplay.from_estimator(model, X, y)

# %%
# How well the components part
# ----------------------------
# A rootogram, as R's flexmix draws it: bars near 0 and 1 are rows that are sure, those in between
# could belong to either.  Hatched are the rows assigned to the parabola.

ResponsibilityDisplay.from_estimator(model, X, y, mark=1)

# %%
# Where new rows will be
# ----------------------
# The density of y at each x, with the smallest sets that hold half of new rows and 90% of them.
# They are in two pieces where the components are apart, and in one where they cross.

PredictiveDensityDisplay.from_estimator(model, X, y)

# %%
# Whether the model fits
# ----------------------
# If it does, the residuals, turned to a normal scale by the predictive distribution, are within
# the band, all of them at once, with probability 0.95.  Those of a single parabola bend away from
# the line, too steep in the middle and too flat at the ends, and the lowest, a cross, leaves it.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
one = with_square(BayesianMixtureRegressor(1, random_state=0)).fit(X, y)
ResidualQuantileDisplay.from_estimator(model, X, y, ax=axes[0])
ResidualQuantileDisplay.from_estimator(one, X, y, ax=axes[1])
axes[0].set_xlabel("normal quantile, two components")
axes[1].set(xlabel="normal quantile, one component", ylabel="")

# %%
# The sentence for a paper
# ------------------------

table = chooser[-1].criterion_table_
squares = ["coef[0, x1]", "coef[1, x1]"]  # the second column of the polynomial
rows = model[-1].summary().loc[squares].iloc[:, [0, 2, 3]].to_numpy()
flat, bent = (f"{mean:.2f} (90% interval {low:.2f} to {high:.2f})" for mean, low, high in rows)
print(
    f"The {len(y)} rows followed one of two quadratic regressions on x (posterior probability "
    f"{table.loc[2, 'probability']:.2f}\namong one to four), with coefficients of the square of "
    f"{flat},\nwhich is a line, for {model[-1].weights_[0]:.0%} of the rows and of {bent}\n"
    "for the others."
)

# %%
plt.show()
