"""What a valuation gives to Python: the ranking as a table, with warnings, report and explanations."""

from __future__ import annotations

import html
import shutil
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixval.contracts.warnings import RunWarning
from mixval.publish.explain import Explanation, explain
from mixval.publish.names import shortened, visible
from mixval.publish.ranking import ranking_rows
from mixval.publish.stored_run import StoredRun, open_run
from mixval.publish.verdict_words import headline, verdicts_in_words
from mixval.publish.warning_words import warning_words
from mixval.publish.writers.report import REPORT

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NAME_LIMIT = 60


class ValuationResult:
    """A published run: the ranking of the contributors, with its warnings, report and explanations.

    The tables are those of the run's folder (docs/data.md). Where no `output` was given the folder is temporary, and goes with
    this object.
    """

    def __init__(self, run: StoredRun, temporary: Path | None = None) -> None:
        """Of a stored run. A `temporary` output folder is deleted with the object."""
        self._run = run
        if temporary is not None:
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)

    @property
    def url(self) -> str:
        """The run's folder."""
        return self._run.folder.url

    @property
    def config(self) -> dict[str, Any]:
        """The whole configuration of the run, as `mixval value` takes it from YAML."""
        return dict(self._run.manifest.config)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """One row a contributor that was ranked, best first: the columns of ranking.parquet."""
        return _frame(self._run.ranking)

    @cached_property
    def terms(self) -> pd.DataFrame:
        """One row a contributor, term and part: the columns of terms.parquet."""
        return _frame(self._run.terms)

    @cached_property
    def rejected(self) -> pd.DataFrame:
        """One row a reason for which a contributor was not ranked: the columns of rejected.parquet."""
        return _frame(self._run.rejected)

    @cached_property
    def coalitions(self) -> pd.DataFrame | None:
        """Shapley values, leave-one-out differences and the greedy order; None with `ntk.method: exact` or one contributor."""
        return None if self._run.coalitions is None else _frame(self._run.coalitions)

    @cached_property
    def redundancy(self) -> pd.DataFrame | None:
        """How redundant two contributors are, a pair a row; None where there are no coalitions."""
        return None if self._run.redundancy is None else _frame(self._run.redundancy)

    @cached_property
    def parts(self) -> pd.DataFrame | None:
        """What real and synthetic rows are worth alone and add to each other; None where there are no coalitions."""
        return None if self._run.parts is None else _frame(self._run.parts)

    @cached_property
    def mixture(self) -> pd.DataFrame | None:
        """Values with the synthetic rows at other weights, a weight a row; None likewise."""
        return None if self._run.mixture is None else _frame(self._run.mixture)

    @cached_property
    def mixture_best(self) -> pd.DataFrame | None:
        """The best of those weights, and what it gains; None likewise."""
        return None if self._run.mixture_best is None else _frame(self._run.mixture_best)

    @cached_property
    def groups(self) -> pd.DataFrame | None:
        """What groups of rows are worth alone and add, by the columns in `value.groups`; None where rows are not grouped."""
        return None if self._run.groups is None else _frame(self._run.groups)

    @property
    def truncation(self) -> pd.DataFrame | None:
        """Where synthetic rows stop, by labels, clusters and tokens; None where nobody has any."""
        return None if self._run.truncation is None else _frame(self._run.truncation)

    @property
    def warnings(self) -> list[RunWarning]:
        """Reasons to be careful, worst first: `kind`, `severity`, `words`, `contributors` concerned (none: the whole run)."""
        return list(self._run.manifest.warnings)

    def explain(self, contributor: str) -> Explanation:
        """Why a contributor has its rank, or why it was rejected; `print` shows it in words.

        Raises:
            ConfigError: the run has no contributor of that name; the message offers similar names.
        """
        run = self._run
        tables = (run.ranking, run.terms, run.rejected)
        more = (run.coalitions, run.redundancy, run.parts, run.mixture, run.mixture_best, run.groups, run.truncation)
        return explain(*tables, contributor, run.manifest.warnings, *more)

    def value_of(self, contributors: Sequence[str]) -> float:
        """The value of these contributors' rows together, from the stored sufficient statistics; no model and no row is read.

        Raises:
            ConfigError: a name is not ranked, or the run has no sufficient statistics (`ntk.method: exact`).
            StorageError: the statistics are no longer below the output.
        """
        from mixval.stages.coalition_value import coalition_value

        return coalition_value(self._run, [contributors] if isinstance(contributors, str) else contributors).value

    def interval_of(self, contributors: Sequence[str]) -> tuple[float | None, float | None]:
        """Both ends of the interval of `value_of`, at `value.confidence`; None by Eq. 8 and without replicates.

        Raises as `value_of`.
        """
        from mixval.stages.coalition_value import coalition_value

        found = coalition_value(self._run, [contributors] if isinstance(contributors, str) else contributors)
        return found.low, found.high

    def report(self, path: str | Path | None = None) -> str:
        """The URL of the HTML report, in one file; with `path`, of a copy that is written there."""
        stored = self._run.folder.child(REPORT)
        if path is None:
            return stored.url
        file = Path(path).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(stored.read_bytes())
        return str(file)

    def __repr__(self) -> str:
        """Whether it is a ranking, the values in a few columns, then the warnings."""
        rows = self._shown()
        heads = list(rows[0]) if rows else []
        cells = [heads, *([str(row[head]) for head in heads] for row in rows)]
        widths = [max(len(line[place]) for line in cells) for place in range(len(heads))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
        warned = [f"{one.severity}: {warning_words(one)}" for one in self.warnings]
        return "\n".join([*self._says(), *(lines if rows else []), *self._left_out(), *warned])

    def _repr_html_(self) -> str:
        """The same for a notebook; names are data, so they are escaped."""
        rows = self._shown()
        heads = "".join(f"<th>{html.escape(head)}</th>" for head in (rows[0] if rows else {}))
        lines = ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row.values()) for row in rows]
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>"
        notes = [*self._left_out(), *(f"{one.severity}: {warning_words(one)}" for one in self.warnings)]
        says = "".join(f"<p>{html.escape(line)}</p>" for line in self._says())
        words = "".join(f"<li>{html.escape(one)}</li>" for one in notes)
        return says + (table if rows else "") + (f"<ul>{words}</ul>" if words else "")

    def _says(self) -> list[str]:
        """What the run says first, and whom to take."""
        ranking = self._run.ranking
        return [headline(ranking).plain(), *([verdicts_in_words(ranking).plain()] if ranking.num_rows else [])]

    def _left_out(self) -> list[str]:
        """A line for each contributor that was not ranked."""
        reasons = {row["contributor"]: row for row in reversed(self._run.rejected.to_pylist())}
        return [f"{shortened(name, NAME_LIMIT)}: {row['verdict']}. {visible(row['reason'])}" for name, row in reasons.items()]

    def _shown(self) -> list[dict[str, Any]]:
        rows = [dict(row) for row in ranking_rows(self._run.ranking, self._run.coalitions, in_words=False)]
        return [{head: shortened(str(cell), NAME_LIMIT) for head, cell in row.items()} for row in rows]


def open_result(url: str | Path) -> ValuationResult:
    """A stored run: by the URL of its folder, or of an output root (its latest run).

    Raises:
        ConfigError: neither exists.
        ContractError: manifest or tables are not as this mixval reads them.
    """
    return ValuationResult(open_run(str(url)))


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
