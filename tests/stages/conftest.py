"""Small worlds laid out once a session, with their dense references."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.dense_rows import DenseRows
from benchmarks.exactness import world_reference
from benchmarks.worlds import WORLDS, lay_out


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with a world in it, by the world's name and whether the contributor is all real. Its store is shared."""

    @cache
    def make(name: str, only_real: bool = False) -> Path:
        folder = tmp_path_factory.mktemp(f"{name}-{'real' if only_real else 'mixed'}")
        lay_out(folder, WORLDS[name], only_real=only_real)
        return folder

    return make


@pytest.fixture(scope="session")
def reference(world_folder: Callable[..., Path]) -> Callable[..., tuple[DenseRows, DenseRows]]:
    """A world's contributor and target, dense. Gradients are taken when first asked for."""

    @cache
    def make(name: str, only_real: bool = False) -> tuple[DenseRows, DenseRows]:
        return world_reference(world_folder(name, only_real), name)

    return make
