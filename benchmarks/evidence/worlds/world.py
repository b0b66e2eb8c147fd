"""A benchmark world: contributors whose faults are known, a target set that valuation sees, and a test set that it does not.

How a contributor of n rows is made, in each part (real, synthetic) apart, so that every planted share holds in both:

    shared   round(overlap n) rows, as they stand in a donor; round(near_copies n) more of its rows, slightly altered
    copies   round(duplicates n) rows, repeats of the others
    fresh    the rest, out of the pool; round(noise fresh) of them are spoilt, and the domain shift is on all of them

A donor shares nothing itself. What came out is counted again, row by row, into the contributor's facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.evidence.worlds.design import Planting, WorldDesign, draw_plantings
from benchmarks.evidence.worlds.disguise import disguised
from benchmarks.evidence.worlds.pools import Pool, check_pools
from benchmarks.evidence.worlds.spoiling import Spoiler
from mixval.config.tasks import Task, spec_of
from mixval.contracts.parts import REAL, SYNTHETIC
from mixval.contracts.rows import accepts
from mixval.errors import ContractError
from mixval.seeds import generator

FLAGS = ("is_noisy", "is_shared", "is_near_copy", "is_copy")


@dataclass(frozen=True)
class PlannedContributor:
    """One contributor of a world."""

    name: str
    table: pa.Table
    """Rows under the row contract with `origin`, `id` and `source`, in a shuffled order."""
    facts: dict[str, Any]
    """`planting`, what was asked for, and what was counted in the rows."""
    ledger: pa.Table
    """Row by row, in the table's order: `id`, `origin`, and whether it `is_noisy`, `is_shared`, `is_near_copy`, `is_copy`."""


@dataclass(frozen=True)
class World:
    """Contributors by name, and two disjoint halves of the held-out rows."""

    design: WorldDesign
    contributors: list[PlannedContributor]
    target: pa.Table
    """T: what valuation may see."""
    test: pa.Table
    """Test rows of truth; no valuation may use them."""


def make_world(design: WorldDesign, real: pa.Table, synthetic: pa.Table, held_out: pa.Table) -> World:
    """The world that `design` draws from the tables, the same to the bit every time.

    The tables hold the contract's columns, `id` and `source`, and `group` where rows have no label to be cut by. Raises
    ContractError for tables that do not fit, ConfigError for a design that asks for more rows than there are.
    """
    for name, rows in ((REAL, real), (SYNTHETIC, synthetic), ("held-out", held_out)):
        _check_contract(name, rows, design.task)
    check_pools(real, synthetic)
    real_pool = Pool(REAL, real)
    pools = (real_pool, Pool(SYNTHETIC, synthetic, real_pool.groups if "label" in real.column_names else ()))
    plantings = draw_plantings(design)
    donors = _donors(design, plantings)
    spoiler = Spoiler(design.task, real_pool.groups)
    built: dict[str, _Parts] = {}
    for planting in sorted(plantings, key=lambda one: one.name in donors):  # donors before those who copy from them
        built[planting.name] = _build(design, planting, pools, spoiler, built.get(donors.get(planting.name, "")))
    target, test = halves(held_out, design.seed)
    contributors = [_finish(design, planting, built[planting.name], donors.get(planting.name)) for planting in plantings]
    return World(design, contributors, target, test)


def halves(held_out: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    """Target and test: disjoint halves with as nearly as many rows of each label in one as in the other."""
    order = generator(seed, "world", "halves").permutation(held_out.num_rows)
    rows = held_out.append_column("origin", pa.array([REAL] * held_out.num_rows, pa.string())).take(pa.array(order))
    if "label" in rows.column_names:
        rows = rows.take(pa.array(np.argsort(rows["label"].to_numpy(), kind="stable")))
    first, second = (np.arange(start, rows.num_rows, 2) for start in (0, 1))
    shuffle = generator(seed, "world", "halves", "order")
    return rows.take(pa.array(shuffle.permutation(first))), rows.take(pa.array(shuffle.permutation(second)))


@dataclass(frozen=True)
class _Parts:
    """A contributor in the making: each part's rows with their flags, and which of them are its own fresh ones."""

    rows: tuple[pa.Table, pa.Table]
    fresh: tuple[pa.Table, pa.Table]


def _donors(design: WorldDesign, plantings: list[Planting]) -> dict[str, str]:
    """Who copies -> from whom: another contributor that copies nothing."""
    copiers = [one.name for one in plantings if one.overlap > 0 or one.near_copies > 0]
    originals = [one.name for one in plantings if one.name not in copiers]
    picks = generator(design.seed, "world", "donors").permutation(len(originals))
    return {name: originals[picks[at % len(originals)]] for at, name in enumerate(copiers)}


def _build(design: WorldDesign, planting: Planting, pools: tuple[Pool, Pool], spoiler: Spoiler, donor: _Parts | None) -> _Parts:
    n_real = round(planting.n_rows * planting.real_share)
    parts = [
        _build_part(design, planting, pools[at], n, spoiler, None if donor is None else donor.fresh[at])
        for at, n in enumerate((n_real, planting.n_rows - n_real))
    ]
    return _Parts((parts[0][0], parts[1][0]), (parts[0][1], parts[1][1]))


def _build_part(
    design: WorldDesign, planting: Planting, pool: Pool, n: int, spoiler: Spoiler, donated: pa.Table | None
) -> tuple[pa.Table, pa.Table]:
    """All rows of one part, and the fresh ones among them, with `origin` and flags."""

    def random(what: str) -> np.random.Generator:
        return generator(design.seed, "world", planting.name, pool.name, what)

    n_shared = 0 if donated is None else min(round(planting.overlap * n), donated.num_rows)
    n_near = 0 if donated is None else min(round(planting.near_copies * n), donated.num_rows - n_shared)
    n_copies = min(round(planting.duplicates * n), max(0, n - n_shared - n_near - 1))
    n_fresh = n - n_shared - n_near - n_copies
    is_real = pool.name == REAL
    of_family = generator(design.seed, "world", planting.family, pool.name, "sources")
    sources = None if is_real else _sources(planting, pool, of_family)
    n_groups = planting.n_real_groups if is_real else planting.n_synthetic_groups
    drawn = pool.draw(n_fresh, random("rows"), n_groups, sources, keep=design.pools == "independent")
    fresh = pool.rows.take(pa.array(drawn, pa.int64()))
    noisy = np.sort(random("noise").permutation(n_fresh)[: round(planting.noise * n_fresh)])
    fresh = spoiler.shift(spoiler.spoil(fresh, noisy, planting, random("wrong")), planting, random("shift"))
    fresh = _flagged(fresh, pool.name, noisy)
    if donated is None:
        whole = fresh
    else:
        order = random("shared").permutation(donated.num_rows)
        lent, seen = (donated.take(pa.array(places)) for places in (order[:n_shared], order[n_shared : n_shared + n_near]))
        altered = disguised(seen, design.task, random("near-copies")) if n_near else seen
        whole = pa.concat_tables([fresh, _marked(lent, "is_shared"), _marked(altered, "is_near_copy")])
    repeated = random("copies").integers(max(whole.num_rows, 1), size=n_copies)
    return pa.concat_tables([whole, _marked(whole.take(pa.array(repeated)), "is_copy")]), fresh


def _sources(planting: Planting, pool: Pool, random: np.random.Generator) -> list[str] | None:
    if planting.n_sources is None:
        return None
    return sorted(random.permutation(pool.sources)[: planting.n_sources].tolist())


def _flagged(rows: pa.Table, origin: str, noisy: np.ndarray) -> pa.Table:
    flags = {name: np.zeros(rows.num_rows, dtype=bool) for name in FLAGS}
    flags["is_noisy"][noisy] = True
    rows = rows.append_column("origin", pa.array([origin] * rows.num_rows, pa.string()))
    for name in FLAGS:
        rows = rows.append_column(name, pa.array(flags[name]))
    return rows


def _marked(rows: pa.Table, flag: str) -> pa.Table:
    return rows.set_column(rows.column_names.index(flag), flag, pa.array(np.ones(rows.num_rows, dtype=bool)))


def _finish(design: WorldDesign, planting: Planting, parts: _Parts, donor: str | None) -> PlannedContributor:
    rows = pa.concat_tables(parts.rows)
    rows = rows.take(pa.array(generator(design.seed, "world", planting.name, "order").permutation(rows.num_rows)))
    ledger = rows.select(["id", "origin", *FLAGS]).combine_chunks()
    table = rows.drop_columns(list(FLAGS)).combine_chunks()
    return PlannedContributor(planting.name, table, _facts(planting, table, ledger, donor), ledger)


def _facts(planting: Planting, table: pa.Table, ledger: pa.Table, donor: str | None) -> dict[str, Any]:
    n_rows = table.num_rows
    n_real = int(pc.sum(pc.equal(ledger["origin"], REAL)).as_py() or 0)
    facts: dict[str, Any] = {"n_rows": n_rows, "n_real": n_real, "real_share": n_real / n_rows if n_rows else 0.0}
    facts |= {f"n_{flag.removeprefix('is_')}": int(pc.sum(ledger[flag]).as_py() or 0) for flag in FLAGS}
    facts["donor"] = donor
    facts["sources"] = _tally(table, "source")
    if "label" in table.column_names:
        facts["labels"] = _tally(table, "label")
    return facts | {"planting": planting.model_dump(mode="json")}


def _tally(table: pa.Table, name: str) -> dict[str, int]:
    counts = pc.value_counts(table[name].combine_chunks()).to_pylist()
    return {str(one["values"]): one["counts"] for one in sorted(counts, key=lambda one: str(one["values"]))}


def _check_contract(name: str, rows: pa.Table, task: Task) -> None:
    for column in spec_of(task).columns:
        found = rows.schema.field(column.name).type if column.name in rows.column_names else None
        if found is None or not accepts(column, found):
            raise ContractError(
                f"the {name} rows: column {column.name!r} must be {column.expected} for the task {task!r}, found "
                f"{found or 'none'}. Map or cast it."
            )
