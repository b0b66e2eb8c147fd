"""Schemas of the tables that a valuation publishes. Units are in the field metadata, versions in
`mixval/contracts/schemas.py`.
"""

from typing import Literal

import pyarrow as pa

from mixval.contracts.corpora import CORPORA
from mixval.contracts.schemas import table_schema
from mixval.contracts.terms import TERMS
from mixval.contracts.truncation import TRUNCATION


def _field(name: str, kind: pa.DataType, unit: str, words: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"unit": unit, "description": words})


NTK_REGRESSION = "ntk-regression"
"""The NTK-regression value in `terms.parquet`; it is no term of Eq. 8."""
VALUE_KINDS = ("eq-8-score", "minus-cross-entropy-nats", "log-probability-gain-score", "trained-log-probability-gain-score")
"""What a value is: minus Eq. 8's weighted terms; or by ridge regression on the contributor's rows with the NTK, minus
the cross-entropy on T, or the gain in mean log-probability of T's answer tokens, to first order or from training. A gain is a
score: no training of a stated length gains as many nats."""
EARLIER_KINDS = {"log-probability-gain-nats": VALUE_KINDS[2], "trained-log-probability-gain-nats": VALUE_KINDS[3]}
"""Names in rankings of version 3 -> those of today."""

Verdict = Literal["take", "leave", "cannot say"]
"""What a run says to who could buy a contributor's rows; defined in `mixval/valuation/verdict.py`."""
TAKE: Verdict = "take"
LEAVE: Verdict = "leave"
CANNOT_SAY: Verdict = "cannot say"
VERDICTS: tuple[Verdict, ...] = (TAKE, LEAVE, CANNOT_SAY)
Standing = Literal["ordered", "one", "no-intervals", "at-chance", "none-helps", "all-tied", "unread"]
"""Whether a run's contributors have an order, or why they have none: only one was measured; no value has an interval; none can
be told from training on no rows; none is better than that; none can be told from the one with the highest value; the model does
not read answers."""


def ranking_schema() -> pa.Schema:
    """One row a contributor, best first, or by name where there is no order; two columns a term, in the order of `TERMS`."""
    return table_schema(
        "ranking",
        [
            _field("contributor", pa.string(), "name", "as in the data"),
            _field(
                "verdict",
                pa.string(),
                "word",
                f"{', '.join(VERDICTS)}: whether value and interval lie above, at or below value_of_empty",
            ),
            _field(
                "doubted_by",
                pa.string(),
                "word",
                f"kind of the serious warning for which the verdict is not {TAKE}; none otherwise",
                nullable=True,
            ),
            _field(
                "rank",
                pa.int32(),
                "rank",
                "1 is best; equal values share a rank; none without an interval, and for all where there is no order",
                nullable=True,
            ),
            _field("value", pa.float64(), "by value_kind", "higher is better"),
            _field("value_kind", pa.string(), "word", f"what the value is, and its unit: {', '.join(VALUE_KINDS)}"),
            _field("value_low", pa.float64(), "as value", "lower end of the interval; none where unknown", nullable=True),
            _field("value_high", pa.float64(), "as value", "upper end of the interval; none where unknown", nullable=True),
            _field(
                "value_of_empty",
                pa.float64(),
                "as value",
                "value of training on no rows; none where value_kind has none",
                nullable=True,
            ),
            _field(
                "tie_group",
                pa.int32(),
                "group",
                "contributors of one group do not differ significantly from its best at the configured level; none without an "
                "interval",
                nullable=True,
            ),
            *(_field(term.name, pa.float64(), term.unit, term.sentence) for term in TERMS.values()),
            *(
                _field(f"weighted_{term.name}", pa.float64(), "score", f"contribution of the {term.word} term to Eq. 8's value")
                for term in TERMS.values()
            ),
            _field("n_rows", pa.int64(), "rows", "admitted rows"),
            _field("n_real", pa.int64(), "rows", "admitted real rows"),
            _field("real_share", pa.float64(), "1", "pi, the share of real rows"),
            _field("n_sampled", pa.int64(), "rows", "rows whose gradients were taken"),
            _field("bound", pa.float64(), "nats", "right-hand side of Theorem 1 without epsilon"),
            _field("gate_verdict", pa.string(), "word", "admitted, or trimmed: admitted after bad rows were dropped"),
        ],
        source="arXiv 2511.13640, Eq. 8 and Theorem 1",
    )


def terms_schema() -> pa.Schema:
    """One row a contributor, term and part."""
    *others, last = TERMS
    return table_schema(
        "terms",
        [
            _field("contributor", pa.string(), "name", "as in the data"),
            _field("part", pa.string(), "word", "real, synthetic, or all"),
            _field(
                "term", pa.string(), "word", f"{', '.join(others)} or {last}; {NTK_REGRESSION}, the regression behind the value"
            ),
            _field("estimate", pa.float64(), "as in ranking.parquet", "the term, or its part before pi"),
            _field("standard_error", pa.float64(), "as estimate", "over replicates, or of the mean", nullable=True),
            _field("low", pa.float64(), "as estimate", "lower end of the interval; none where unknown", nullable=True),
            _field("high", pa.float64(), "as estimate", "upper end of the interval; none where unknown", nullable=True),
            _field("n", pa.int64(), "rows", "rows it was computed from"),
            _field("diagnostics", pa.string(), "JSON", "estimator, lambda, jitter, residual, condition, bandwidths"),
        ],
    )


REJECTED = table_schema(
    "rejected",
    [
        _field("contributor", pa.string(), "name", "as in the data"),
        _field("verdict", pa.string(), "word", "rejected or failed"),
        _field("expectation", pa.string(), "name", "the expectation that was not met, or the step that failed"),
        _field("column", pa.string(), "name", "column it is about", nullable=True),
        _field("count", pa.int64(), "rows", "rows or values that break it"),
        _field("n_checked", pa.int64(), "rows", "rows or values that were checked"),
        _field("samples", pa.list_(pa.string()), "values", "a few of them, shortened"),
        _field("reason", pa.string(), "sentence", "what was expected, what was found, what to do"),
    ],
)

COALITIONS = table_schema(
    "coalitions",
    [
        _field("contributor", pa.string(), "name", "as in the data"),
        _field(
            "alone", pa.float64(), "as value", "value of its rows alone, from its sufficient statistics; gains to first order"
        ),
        _field("leave_one_out", pa.float64(), "as value", "value of the coalition of all less that without it"),
        _field(
            "leave_one_out_error",
            pa.float64(),
            "as value",
            "standard error of leave_one_out by rows of contributors and target; none where it is not known",
            nullable=True,
        ),
        _field("shapley", pa.float64(), "as value", "mean marginal contribution over all orders"),
        _field("shapley_error", pa.float64(), "as value", "standard error of shapley; none where it is exact", nullable=True),
        _field("greedy_step", pa.int32(), "step", "1 is taken first by the greedy search; none where not taken", nullable=True),
        _field("greedy_value", pa.float64(), "as value", "value of the coalition after that step", nullable=True),
        _field("greedy_low", pa.float64(), "as value", "lower end of its interval; none where it is not known", nullable=True),
        _field("greedy_high", pa.float64(), "as value", "upper end of its interval; none where it is not known", nullable=True),
        _field(
            "greedy_gain_error",
            pa.float64(),
            "as value",
            "standard error, as of leave_one_out, of what that step adds; none where it is not known",
            nullable=True,
        ),
    ],
    source="the ranking's value for coalitions of contributors; its unit is that of the ranking's value_kind",
)

REDUNDANCY = table_schema(
    "redundancy",
    [
        _field("contributor", pa.string(), "name", "as in the data; sorts before `other`"),
        _field("other", pa.string(), "name", "another contributor"),
        _field(
            "redundancy",
            pa.float64(),
            "as value",
            "v(all) - v(without both), less the leave-one-out values of the two: above 0 they are redundant",
        ),
        _field(
            "redundancy_error", pa.float64(), "as value", "its standard error; of many, by target rows alone", nullable=True
        ),
        _field("near_rows", pa.float64(), "1", "share of the contributor's rows that repeat one of `other`, exactly or nearly"),
        _field("near_rows_of_other", pa.float64(), "1", "share of the rows of `other` that repeat one of the contributor's"),
    ],
)

_WHO = _field("contributor", pa.string(), "name", "as in the data; none: all ranked contributors together", nullable=True)


def _interval(name: str, of: str, unit: str = "as value") -> list[pa.Field]:
    words = "end of the interval of {}; none where unknown".format
    return [
        _field(f"{name}_low", pa.float64(), unit, f"lower {words(of)}", nullable=True),
        _field(f"{name}_high", pa.float64(), unit, f"upper {words(of)}", nullable=True),
    ]


def _worths(share: str, others: str, verdict: str) -> list[pa.Field]:
    return [
        _field("value", pa.float64(), "as value", f"value of training on {share} alone; none where unknown", nullable=True),
        *_interval("value", "value"),
        _field("adds", pa.float64(), "as value", others, nullable=True),
        *_interval("adds", "adds"),
        _field("verdict", pa.string(), "word", verdict, nullable=True),
    ]


_CURVES = "copies 1 and weight 1 is what is there; all together by the first-order gain, where values are gains"

PARTS_TABLE = table_schema(
    "parts",
    [
        _WHO,
        _field("part", pa.string(), "word", "real, synthetic, or both"),
        _field("n_rows", pa.int64(), "rows", "admitted rows of the part"),
        *_worths(
            "this part",
            "value of both parts less that of the other alone; none of both, and where there is no other part",
            f"{', '.join(VERDICTS)}: whether adds and its interval lie above or below 0, as a contributor's above no rows",
        ),
    ],
    source="the ranking's value; of all together, where values are gains, the first-order gain",
)

MIXTURE = table_schema(
    "mixture",
    [
        _WHO,
        _field("copies", pa.float64(), "1", "share of the rows, drawn at random; above 1, times that every row is counted"),
        _field("weight", pa.float64(), "1", "times that a synthetic row is counted for each time that a real one is"),
        _field("synthetic_share", pa.float64(), "1", "share of synthetic rows among rows as they are counted"),
        _field("value", pa.float64(), "as value", "value of training on the rows as they are counted"),
        *_interval("value", "value; none for other copies than 1"),
        _field("below_best", pa.float64(), "as value", "value at the best weight for these copies less this one"),
        *_interval("below_best", "below_best; none for other copies than 1"),
        _field("is_extrapolated", pa.bool_(), "", "whether more rows are counted than there are"),
    ],
    source=_CURVES,
)

MIXTURE_BEST = table_schema(
    "mixture_best",
    [
        _WHO,
        _field("copies", pa.float64(), "1", "share of the rows, drawn at random; above 1, times that every row is counted"),
        _field("n_real", pa.int64(), "rows", "admitted real rows"),
        _field("n_synthetic", pa.int64(), "rows", "admitted synthetic rows"),
        _field("weight", pa.float64(), "1", "weight of synthetic rows, 0 to 4, at which the value is highest"),
        *_interval("weight", "weight; none for other copies than 1", "1"),
        _field("synthetic_share", pa.float64(), "1", "share of synthetic rows at that weight"),
        *_interval("synthetic_share", "synthetic_share; none for other copies than 1", "1"),
        _field("is_at_end", pa.bool_(), "", "whether the value still rises at weight 4, so that the best one may be higher"),
        _field("value", pa.float64(), "as value", "value at that weight"),
        _field("gain", pa.float64(), "as value", "value at that weight less value at weight 1"),
        *_interval("gain", "gain at that weight; none for other copies than 1"),
        _field("is_extrapolated", pa.bool_(), "", "whether more rows are counted than there are"),
    ],
    source=_CURVES,
)

GROUPS = table_schema(
    "groups",
    [
        _WHO,
        _field("column", pa.string(), "name", "the data's column, of `value.groups`"),
        _field("group", pa.string(), "name", "what stands there; none for rows without it, and for the others", nullable=True),
        _field("is_others", pa.bool_(), "", "whether these are the rows of all groups that are not told apart"),
        _field("n_rows", pa.int64(), "rows", "admitted rows of the group, estimated where not all rows were measured"),
        *_worths(
            "the group",
            "value of all rows less that of those outside the group; none where there are no others",
            "on adds, as in parts",
        ),
    ],
    source="the ranking's value; of all together, where values are gains, the first-order gain",
)

COALITION_TABLES = {"coalitions": COALITIONS, "redundancy": REDUNDANCY}
"""Tables of a run that values coalitions."""
MIXTURE_TABLES = {"parts": PARTS_TABLE, "mixture": MIXTURE, "mixture_best": MIXTURE_BEST}
"""Tables of a run that values parts and mixtures of them."""
GROUP_TABLES = {"groups": GROUPS}
"""The table of a run that values groups of rows."""
CORPUS_TABLES = {"corpora": CORPORA}
"""The table of a run that counts tokens."""
TRUNCATION_TABLES = {"truncation": TRUNCATION}
"""The table of a run that says where synthetic rows stop."""
OPTIONAL_TABLES = frozenset({*COALITION_TABLES, *MIXTURE_TABLES, *GROUP_TABLES, *CORPUS_TABLES, *TRUNCATION_TABLES})
"""Tables that a run may lack."""


def published_schemas() -> dict[str, pa.Schema]:
    """File name without `.parquet` -> schema, for every table of a valuation's run."""
    own = {"ranking": ranking_schema(), "terms": terms_schema(), "rejected": REJECTED}
    return {**own, **COALITION_TABLES, **MIXTURE_TABLES, **GROUP_TABLES, **CORPUS_TABLES, **TRUNCATION_TABLES}
