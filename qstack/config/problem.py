"""What is wrong with a configuration file: where, what stands there, why it cannot be, and how to mend it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qstack.base.errors import LocalMisuse

__all__ = ["ConfigurationError", "Problem", "shown"]

_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. `path`: as in `$.link[0].memories`; `value`: what stands there, by `shown`, or `(missing)`."""

    path: str
    value: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value}: {self.fault}; {self.remedy}"


class ConfigurationError(LocalMisuse):
    """A configuration file that cannot be accepted. One line a problem; nothing of the file is in force."""

    def __init__(self, file: Path, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))
        self.file = file
        self.problems = tuple(problems)


def shown(value: Any) -> str:
    """A value of a TOML file as one short text."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
