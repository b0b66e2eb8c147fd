"""Runs of other versions of mixval: read where their tables and manifest can be, else refused by name and version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coalition_run import CoalitionResults, make_both
from corpora_run import make_corpora
from groups_run import make_groups
from parts_run import make_parts
from published_run import NAMES, Results
from truncation_run import make_truncation

from mixval import __version__
from mixval.contracts import schemas
from mixval.contracts.results import MIXTURE_TABLES, published_schemas
from mixval.contracts.schemas import SCHEMAS
from mixval.contracts.sealed import sealed
from mixval.errors import ContractError, SchemaError, SchemaVersionError, StorageError
from mixval.publish.stored_run import open_run, rebuild_report
from mixval.storage.root import open_location
from mixval.storage.tables import decode_table, write_table
from tests.cli.command_line import invoke

RENAMED = {"warnings": "doubts", "paper_deviations": "departures"}
"""Field of a manifest -> its name in schema versions 1 and 2. Version 1 did not have `flow` either."""


def write_run(folder: Path, results: Results, coalitions: CoalitionResults) -> Path:
    """The tables and manifest of a run as this mixval writes them."""
    tables = {name: getattr(results, name) for name in ("ranking", "terms", "rejected")}
    tables |= {name: getattr(coalitions, name) for name in ("coalitions", "redundancy")}
    tables |= {name: getattr(make_parts(results), name) for name in MIXTURE_TABLES}
    tables["groups"] = make_groups(results)
    tables["corpora"] = make_corpora(results.ranking["contributor"].to_pylist())
    tables["truncation"] = make_truncation(results.ranking["contributor"].to_pylist()[:2])
    for name, table in tables.items():
        write_table(open_location(str(folder)).child(f"{name}.parquet"), table, published_schemas()[name])
    (folder / "manifest.json").write_text(results.manifest.to_json())
    return folder


def stamped(file: Path, version: str | None, table: pa.Table | None = None) -> None:
    """Give a table another version in its file, or none, as before tables carried one."""
    table = pq.read_table(file) if table is None else table
    kept = {key: value for key, value in (table.schema.metadata or {}).items() if key not in (b"schema_version", b"schema")}
    pq.write_table(table.replace_schema_metadata(kept | ({} if version is None else {"schema_version": version})), file)


def edited(folder: Path, drop: tuple[str, ...] = (), **fields: object) -> None:
    file = folder / "manifest.json"
    kept = {key: value for key, value in json.loads(file.read_text()).items() if key not in drop}
    file.write_text(json.dumps(sealed(kept | fields)))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path, *make_both(NAMES))


@pytest.fixture
def old_run(run: Path) -> Path:
    """The same results as they were written before tables carried a version."""
    for name in published_schemas():
        stamped(run / f"{name}.parquet", None)
    manifest = json.loads((run / "manifest.json").read_text())
    edited(run, drop=("flow", *RENAMED), schema_version=1, **{old: manifest[new] for new, old in RENAMED.items()})
    return run


@pytest.fixture
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had got another name or meaning since the first versions."""
    for name in ("ranking", "terms", "manifest"):
        monkeypatch.setitem(schemas.SCHEMAS, name, replace(SCHEMAS[name], oldest_read=0))


@pytest.mark.parametrize("name", published_schemas())
def test_every_published_table_carries_its_version(run: Path, name: str) -> None:
    metadata = pq.read_schema(run / f"{name}.parquet").metadata
    assert (metadata[b"schema"], metadata[b"schema_version"]) == (name.encode(), str(SCHEMAS[name].version).encode())


def test_a_run_from_before_versions_is_read_reported_and_explained_where_all_of_it_fits(run: Path, readable: None) -> None:
    for name in published_schemas():
        stamped(run / f"{name}.parquet", None)
    edited(run, drop=("flow",), schema_version=1)
    stored = open_run(str(run))
    assert set(stored.ranking["contributor"].to_pylist()) == set(NAMES)
    assert stored.coalitions is not None
    assert stored.manifest.schema_version == 1
    assert NAMES[0] in rebuild_report(stored).read_bytes().decode()
    said = invoke("explain", run, NAMES[0])
    assert said.exit_code == 0, said.output
    assert "Rank" in said.stdout


@pytest.mark.parametrize("command", [("report",), ("explain", NAMES[0])])
def test_a_run_from_before_versions_is_refused_by_name_where_fields_were_renamed(
    old_run: Path, command: tuple[str, ...]
) -> None:
    said = invoke(command[0], old_run, *command[1:])
    assert said.exit_code == 4
    expected = SCHEMAS["manifest"].version
    assert f"{old_run}: expected `manifest` of schema version {expected}, found version 1, written by an older" in said.stderr


@pytest.mark.parametrize("name", published_schemas())
def test_its_tables_are_read_but_for_those_that_mean_something_else_by_now(old_run: Path, name: str) -> None:
    file = open_location(str(old_run)).child(f"{name}.parquet")
    if name in ("ranking", "terms"):
        with pytest.raises(SchemaVersionError, match=f"`{name}` of schema version {SCHEMAS[name].version}, found version 0"):
            decode_table(file, file.read_bytes(), published_schemas()[name])
    else:
        assert decode_table(file, file.read_bytes(), published_schemas()[name]).schema.equals(
            published_schemas()[name], check_metadata=True
        )


@pytest.mark.parametrize("command", [("report",), ("explain", NAMES[0])])
@pytest.mark.parametrize("name", published_schemas())
def test_a_table_of_a_newer_mixval_is_refused_by_name(run: Path, name: str, command: tuple[str, ...]) -> None:
    stamped(run / f"{name}.parquet", "7")
    said = invoke(command[0], run, *command[1:])
    assert said.exit_code == 4
    file, version = run / f"{name}.parquet", SCHEMAS[name].version
    assert f"{file}: expected `{name}` of schema version {version} or older, found version 7" in said.stderr
    assert "run `mixval value` again" in said.stderr


def test_a_newer_table_is_refused_before_its_columns_are_looked_at(run: Path) -> None:
    file = run / "ranking.parquet"
    newer = SCHEMAS["ranking"].version + 1
    stamped(file, str(newer), pq.read_table(file).drop_columns(["rank"]))
    with pytest.raises(SchemaVersionError, match=f"found version {newer}"):
        decode_table(open_location(str(file)), file.read_bytes(), published_schemas()["ranking"], columns=["rank"])


def test_an_older_table_whose_columns_do_not_fit_is_refused_with_column_and_versions(run: Path) -> None:
    file = run / "rejected.parquet"
    stamped(file, None, pq.read_table(file).rename_columns({"count": "n"}))
    with pytest.raises(SchemaVersionError) as caught:
        open_run(str(run))
    for words in (str(file), "`rejected` of schema version 1, found version 0", "column 'count' is expected once, found none"):
        assert words in str(caught.value)
    assert str(caught.value).endswith("or read it with the mixval that wrote it (`mixval_version` in manifest.json).")
    assert "Make the table" not in str(caught.value)


def test_a_table_of_this_version_with_other_columns_is_no_matter_of_versions(run: Path) -> None:
    file = run / "terms.parquet"
    stamped(file, str(SCHEMAS["terms"].version), pq.read_table(file).drop_columns(["n"]))
    with pytest.raises(SchemaError, match="column 'n' is expected once"):
        open_run(str(run))


def test_a_version_that_is_no_number_is_damage(run: Path) -> None:
    stamped(run / "terms.parquet", "new")
    with pytest.raises(StorageError, match=r"terms\.parquet"):
        open_run(str(run))


def test_a_manifest_of_a_newer_mixval_is_refused_by_its_version(run: Path) -> None:
    edited(run, schema_version=9, mixval_version="7.1.0", surprise=1)
    said = invoke("report", run)
    assert said.exit_code == 4
    version = SCHEMAS["manifest"].version
    assert f"expected `manifest` of schema version {version} or older, found version 9, written by mixval 7.1.0" in said.stderr


def test_an_unknown_field_is_named_with_who_wrote_it(run: Path) -> None:
    edited(run, mixval_version="7.1.0", surprise=1)
    words = f"expected a manifest of mixval {__version__}, found an unknown field `surprise`; it was written by mixval 7.1.0"
    with pytest.raises(ContractError, match=words):
        open_run(str(run))


def test_an_older_manifest_that_does_not_fit_is_refused_by_its_version(old_run: Path, readable: None) -> None:
    with pytest.raises(
        SchemaVersionError, match=r"found version 1, written by an older mixval: an unknown field `(doubts|departures)`"
    ):
        open_run(str(old_run))


def test_a_run_of_another_flow_is_named(run: Path) -> None:
    edited(run, flow="calibration")
    with pytest.raises(ContractError, match="expected a run of the flow `valuation`, found one of `calibration`"):
        open_run(str(run))


@pytest.mark.parametrize("text", ["", "[]", "{", '"manifest"'])
def test_a_file_that_is_no_manifest_is_said_so(run: Path, text: str) -> None:
    (run / "manifest.json").write_text(text)
    with pytest.raises(ContractError, match="expected a manifest, found"):
        open_run(str(run))
