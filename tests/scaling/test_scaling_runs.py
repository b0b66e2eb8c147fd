"""Tables of runs: how they are read, and the errors that bad ones get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mixval.errors import ConfigError, ContractError, MixvalError, SchemaError, StorageError
from mixval.scaling.runs import ALL, Named, number_of, read_runs
from mixval.scaling.table_checks import check_runs

NAMED = Named(loss="loss", tokens="data", params="size")
GOOD = "size,data,loss\n" + "".join(
    f"{n}M,{d}B,{2 + 1 / n**0.3 + 1 / d**0.3:.5f}\n" for n in (100, 200, 400) for d in (1, 2, 4, 8)
)


def written(folder: Path, text: str) -> Path:
    file = folder / "runs.csv"
    file.write_text(text)
    return file


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    (runs,) = read_runs(written(tmp_path, GOOD), NAMED)
    assert runs.mixture == ALL
    assert len(runs) == 12
    assert runs.columns["params"][0] == 1e8
    assert runs.columns["tokens"][1] == 2e9
    assert runs.lines.tolist() == list(range(2, 14))
    assert check_runs(runs) == []


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_marks(tmp_path: Path, separator: str) -> None:
    text = "\ufeff" + GOOD.replace(",", separator) + "\n\n"
    assert len(read_runs(written(tmp_path, text), NAMED)[0]) == 12


def test_mixtures_are_kept_apart_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "mix,data,loss\nweb,1,3.0\nbooks,1,2.9\nweb,2,2.8\n"
    found = read_runs(written(tmp_path, text), Named(loss="loss", tokens="data", mixture="mix"))
    assert [(one.mixture, one.lines.tolist()) for one in found] == [("web", [2, 4]), ("books", [3])]


def test_epochs_give_unique_tokens(tmp_path: Path) -> None:
    text = "data,loss,epochs\n8e9,3.0,4\n1e9,3.5,0.5\n"
    (runs,) = read_runs(written(tmp_path, text), Named(loss="loss", tokens="data", epochs="epochs"))
    assert runs.columns["unique_tokens"].tolist() == [2e9, 1e9]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("a,b\n1,2\n", SchemaError, "found no loss, data, size. The file has: a, b"),
        ("size,data,loss,loss\n1,2,3,4\n", SchemaError, "found loss twice"),
        ("size,data,loss\n", ContractError, "found 1 lines"),
        ("size,data,loss\n1,2,nan\n1,-3,2\n", ContractError, "column 'loss': expected positive numbers, found line 2: 'nan'"),
        ("size,data,loss\n1,-3,2\n", ContractError, "column 'data': expected positive numbers, found line 2: '-3'"),
        ("size,data,loss\n1,0,2\n", ContractError, "found line 2: '0'"),
        ("size,data,loss\n1,2\n", ContractError, "column 'loss': expected positive numbers, found line 2: ''"),
        ("size,data,loss\n1,5B,2\n1,3,2\n", ContractError, "expected one unit, found numbers with and without B"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, error: type[MixvalError], words: str) -> None:
    with pytest.raises(error) as caught:
        read_runs(written(tmp_path, text), NAMED)
    assert words in str(caught.value)


def test_a_missing_file_and_missing_options(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected a CSV file in UTF-8"):
        read_runs(tmp_path / "none.csv", NAMED)
    with pytest.raises(SchemaError, match="Give --data or --params"):
        read_runs(written(tmp_path, GOOD), Named(loss="loss"))
    nameless = written(tmp_path, "mix,data,loss\n,1,3.0\n")
    with pytest.raises(ContractError, match="line 2: expected a mixture in column 'mix'"):
        read_runs(nameless, Named(loss="loss", tokens="data", mixture="mix"))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            "1e8,1e9,3\n1e8,2e9,2.9\n1e8,4e9,2.8\n1e8,8e9,2.7\n",
            "at least 3 values of model size for an exponent and an asymptote",
        ),
        ("1e8,1e9,3\n2e8,1e9,2.9\n4e8,1e9,2.8\n", "at least 3 values of amount of data"),
        ("1e8,1e9,3\n2e8,2e9,2.9\n4e8,4e9,2.8\n1e8,1e9,3\n", "the same inputs and loss again in line 5 (as 2)"),
        ("1e8,1,3\n2e8,2,2.9\n4e8,4e9,2.8\n", "expected one unit for amount of data, found 2 and"),
        ("1e8,1e9,3\n1e8,2e9,3.1\n1e8,4e9,3.2\n2e8,1e9,3\n2e8,2e9,3.1\n4e8,4e9,3\n", "not an accuracy"),
    ],
)
def test_tables_that_no_law_fits_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    (runs,) = read_runs(written(tmp_path, "size,data,loss\n" + lines), NAMED)
    with pytest.raises(ContractError) as caught:
        check_runs(runs)
    assert words in str(caught.value)


def test_more_unique_than_training_tokens_are_refused(tmp_path: Path) -> None:
    text = "data,u,loss\n1e9,2e9,3\n2e9,2e9,2.9\n4e9,2e9,2.8\n"
    (runs,) = read_runs(written(tmp_path, text), Named(loss="loss", tokens="data", unique_tokens="u"))
    with pytest.raises(ContractError, match="no more unique tokens than training tokens"):
        check_runs(runs)


def test_a_few_rising_losses_are_a_warning(tmp_path: Path) -> None:
    (runs,) = read_runs(written(tmp_path, GOOD), NAMED)
    runs.losses[1] = runs.losses[0] * 1.01
    assert check_runs(runs)[0] == f"{ALL}: the loss rises with the amount of data in 1 of 9 steps, by up to 1.00%"


@pytest.mark.parametrize(("text", "value"), [("3e9", 3e9), ("200B", 2e11), (" 1.5 k ", 1500.0), ("10_000", 1e4)])
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    assert number_of(text, "--at-data") == value


@pytest.mark.parametrize("text", ["", "-1", "many", "0", "1e400"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ConfigError, match="--at-data: expected a positive number"):
        number_of(text, "--at-data")


def test_repeated_data_may_raise_a_loss(tmp_path: Path) -> None:
    text = "data,u,loss\n1e9,1e9,3\n2e9,1e9,2.9\n4e9,1e9,3.5\n8e9,1e9,3.9\n"
    (runs,) = read_runs(written(tmp_path, text), Named(loss="loss", tokens="data", unique_tokens="u"))
    assert check_runs(runs) == []
    assert np.all(runs.columns["unique_tokens"] == 1e9)
