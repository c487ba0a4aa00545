"""Tone perception: one musician, two ways of tuning.

Cohen (1980) played a trained musician tones whose overtones were stretched by a known ratio, and
asked for the octave.  Two theories predict two lines: tuning by the overtones follows the
stretching (slope 1), tuning by a learned interval memory ignores it (slope 0, at the octave, 2).
Nobody saw which one was at work in which trial.  Usage::

    python examples/tone_perception.py [picture.png]
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")


HERE = Path(__file__).parent
DATA = HERE.parent / "tests" / "reference" / "tonedata.csv"
