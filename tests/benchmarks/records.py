"""Records of measurements, part by part, in one file, and seconds of the processor."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def keep(path: Path, part: str, versions: dict[str, str], **found: Any) -> None:
    """Write what a part gave, with today's date, beside what is there of the others."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[part] = {"date": time.strftime("%Y-%m-%d"), "versions": versions, **found}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def cpu_seconds() -> float:
    """CPU time of this process and of the ended children."""
    return sum(os.times()[:4])
