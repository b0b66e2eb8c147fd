"""docs/api.md names what is exported, with the arguments that it has."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import mixval

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_exported_name_has_its_place() -> None:
    assert [name for name in mixval.__all__ if name != "__version__" and f"mixval.{name}" not in PAGE] == []


def test_the_arguments_of_value_are_those_it_has() -> None:
    signature = re.search(r"\nmixval\.value\((.*?)\) -> ", PAGE, re.DOTALL)
    assert signature is not None
    written = [part.strip() for part in re.sub(r"\s+", " ", signature[1]).split(",") if part.strip() != "*"]
    real = inspect.signature(mixval.value).parameters.values()
    shown = [one.name if one.default is one.empty else f"{one.name}={one.default!r}".replace("'", '"') for one in real]
    assert written == shown
    table = PAGE.partition("| argument |")[2].partition("\n\n")[0]
    assert {one.name for one in real} <= set(re.findall(r"`(\w+)`", table))


def test_members_of_a_result_are_all_there() -> None:
    table = PAGE.partition("## mixval.ValuationResult")[2].partition("\n## ")[0]
    members = {name for name in vars(mixval.ValuationResult) if not name.startswith("_")}
    assert members <= set(re.findall(r"`(\w+)", table))


def test_arguments_of_an_own_module_are_named() -> None:
    text = PAGE.partition("## An own module")[2]
    assert [name for name in inspect.signature(mixval.OwnModule).parameters if name not in text] == []
