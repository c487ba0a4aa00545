"""How a distribution is written in LaTeX and in words."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Notation(NamedTuple):
    r"""What a family says of itself in a formula and in a sentence.

    Attributes
    ----------
    words : str
        What responses of a component are, after "responses are": "normal, with ...".
    density : str
        LaTeX of the density, or probability, of the response :math:`y_i` of a row in component k,
        such as ``\mathrm{N}(y_i \mid \mu_{ik}, \sigma_k^2)``.
    link : str
        LaTeX of what the linear predictor is of row i in component k, such as
        ``\log \mu_{ik}``.
    """

    words: str
    density: str
    link: str


def upright(name: str) -> str:
    """A name as one upright symbol of a formula; what LaTeX would read otherwise is escaped."""
    return rf"\mathrm{{{''.join(_ESCAPED.get(letter, letter) for letter in name)}}}"


def scale_of(symbol: str, power: float, least: float, unit: float) -> str:
    """The exponential of the coordinate of an `Extra`, which has its prior, from its symbol."""
    inside = f"{symbol} - {least:g}" if least else symbol
    exponent = Fraction(1.0 / power).limit_denominator(12)
    grouped = f"({inside})" if least and (unit != 1.0 or exponent != 1) else inside
    if unit != 1.0:
        grouped = f"{grouped} / {unit:g}"
        grouped = f"({grouped})" if exponent != 1 else grouped
    return grouped if exponent == 1 else f"{grouped}^{{{exponent}}}"


_ESCAPED = {
    **{letter: f"\\{letter}" for letter in "_%$#&{}"},
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    "'": r"\prime ",
    "`": r"\prime ",
    **dict.fromkeys(" \t\r\n", r"\ "),
}
