"""What a policy says of a measured delivery: the first rule that holds decides, and what none decides waits.

The gate stays closed by default: whatever could not be measured, compared or afforded is quarantined with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from mixval.config.policy import Action, Budget, PolicyConfig, QuantityName, Rule
from mixval.contracts.ingestion import Measured, Quantity, Ruling, Standing
from mixval.publish.numerals import MINUS

DONE: Mapping[Action, str] = {"accept": "accepted", "quarantine": "quarantined", "reject": "rejected"}
FAILED, GATE, OVERWRITE, BUDGET, EXPLORATION, UNDECIDED = (
    "failed", "row gate", "overwrite", "budget", "exploration", "undecided",
)  # fmt: skip
"""What decides where no rule of the policy does."""
SHARES: frozenset[QuantityName] = frozenset({"redundancy", "duplicate-share", "overlap-share", "dropped-share"})
_PHRASES: Mapping[QuantityName, str] = {
    "marginal-value": "its rows add {} to what the table's rows are worth",
    "marginal-value-per-row": "a row of it adds {}",
    "marginal-value-per-token": "an answer token of it adds {}",
    "marginal-value-per-price": "a unit of its price adds {}",
    "standalone-value": "by itself it is worth {}",
    "redundancy": "{} of what it brings by itself the table holds already",
    "duplicate-share": "{} of its rows repeat others of its rows",
    "overlap-share": "{} of its rows are in the table already",
    "drift": "it lies {} from what this contributor delivered before",
    "rows": "it has {}",
    "dropped-share": "the gate leaves out {} of its rows",
}
_ENDS = {"low": "low end", "value": "estimate", "high": "high end"}
_UNITS = {"nats": " nats", "score": ""}


def decide(policy: PolicyConfig, measured: Measured, standing: Standing) -> Ruling:
    """The policy's word on a delivery, from what is measured of it and what was decided before."""
    if measured.failed is not None:
        return _ruling("quarantine", FAILED, f"it could not be measured: {measured.failed}")
    if measured.rejected is not None:
        return _ruling("reject", GATE, f"its rows do not meet the gate's limits: {measured.rejected}")
    if standing.overwrites and policy.on_overwrite != "accept":
        return _ruling(
            policy.on_overwrite, OVERWRITE, "a delivery of the same name came before with other bytes (`policy.on_overwrite`)"
        )
    for rule in policy.rules:
        if _holds(rule, measured):
            return _affordable(policy, measured, standing, _ruling(rule.then, rule.name, _because(rule, measured)))
    left = policy.exploration.rows - standing.accepted_rows
    if 0 < measured.n_rows <= left:
        words = (
            f"no rule could decide, and its {measured.n_rows:,} rows are within the {left:,} that are left of the "
            f"{policy.exploration.rows:,} a new contributor may bring unproven"
        )
        return _affordable(policy, measured, standing, _ruling("accept", EXPLORATION, words))
    return _ruling("quarantine", UNDECIDED, f"no rule could decide: {_open(policy, measured)}")


def spending(budget: Budget, measured: Measured) -> float | None:
    """What accepting this delivery takes of the budget, in its units; None where that is not known."""
    return {"rows": float(measured.n_rows), "tokens": measured.n_tokens, "price": measured.price}[budget.of]


def _holds(rule: Rule, measured: Measured) -> bool:
    found = _compared(rule, measured)
    if found is None:
        return False
    return found > rule.above if rule.above is not None else rule.below is not None and found < rule.below


def _compared(rule: Rule, measured: Measured) -> float | None:
    quantity = measured.quantities.get(rule.quantity)
    return None if quantity is None else {"low": quantity.low, "value": quantity.value, "high": quantity.high}[rule.at]


def _affordable(policy: PolicyConfig, measured: Measured, standing: Standing, ruling: Ruling) -> Ruling:
    """The ruling, unless it accepts more than the budget has left."""
    budget = policy.budget
    if budget is None or ruling.action != "accept":
        return ruling
    cost = spending(budget, measured)
    if cost is None:
        words = f"`{ruling.rule}` would accept it, but how many {budget.of} it takes of the budget is not known"
        return _ruling("quarantine", BUDGET, words)
    if standing.spent + cost <= budget.most:
        return ruling
    unit = "in prices" if budget.of == "price" else budget.of
    words = (
        f"`{ruling.rule}` would accept it, but its {cost:,.10g} {unit} do not fit the {budget.most:,.10g} a {budget.every}, of "
        f"which {standing.spent:,.10g} are spent"
    )
    return _ruling("quarantine", BUDGET, words)


def _ruling(action: Action, rule: str, words: str) -> Ruling:
    return Ruling(action=action, rule=rule, sentence=f"{DONE[action]} by `{rule}`: {words}".rstrip(".") + ".")


def _because(rule: Rule, measured: Measured) -> str:
    quantity = measured.quantities[rule.quantity]
    side, limit = ("above", rule.above) if rule.above is not None else ("below", rule.below)
    unit = _UNITS[measured.unit]
    told = _PHRASES[rule.quantity].format(_number(rule.quantity, quantity, unit))
    which = "" if rule.at == "value" else f"the {_ENDS[rule.at]} is "
    return f"{told}; {which}{side} {_plain(rule.quantity, float(limit or 0.0), unit)}"


def _open(policy: PolicyConfig, measured: Measured) -> str:
    """Why no rule held: each quantity that a rule asks for, with its numbers or why it is unknown."""
    names = list(dict.fromkeys(rule.quantity for rule in policy.rules))
    return "; ".join(_state(name, measured.quantities.get(name), _UNITS[measured.unit]) for name in names)


def _state(name: QuantityName, quantity: Quantity | None, unit: str) -> str:
    if quantity is None or quantity.value is None:
        return f"{name} is unknown" + (f", since {quantity.why_unknown}" if quantity and quantity.why_unknown else "")
    return _PHRASES[name].format(_number(name, quantity, unit))


def _number(name: QuantityName, quantity: Quantity, unit: str) -> str:
    """The estimate with its interval, in its unit: `97 % (93 to 99 %)`."""
    value, low, high = quantity.value, quantity.low, quantity.high
    if value is None:
        return "an unknown share" if name in SHARES else "an unknown amount"
    if name == "rows":
        return f"{value:,.0f} row{'' if value == 1 else 's'}"
    if low is None or high is None:
        return _plain(name, value, unit) + ("" if name == "drift" else ", give or take an unknown amount")
    if low == high:
        return _plain(name, value, unit)
    if name in SHARES:
        return f"{_percent(value)} % ({_percent(low)} to {_percent(high)} %)"
    return f"{_figure(value)} ({_figure(low)} to {_figure(high)}){unit}"


def _plain(name: QuantityName, value: float, unit: str) -> str:
    if name in SHARES:
        return f"{_percent(value)} %"
    unit = {"rows": "", "drift": " standard errors"}.get(name, unit)
    return f"{value:,.0f}{unit}" if name == "rows" else f"{_figure(value)}{unit}"


def _figure(value: float) -> str:
    """Three significant digits, with a true minus sign."""
    return f"{value:.3g}".replace("-", MINUS)


def _percent(share: float) -> str:
    """To whole percents; finer next to 0 and 100, so that no share is told as all or nothing which is not."""
    percent = 100 * share
    near = min(abs(percent), abs(100 - percent))
    return (f"{percent:.0f}" if near >= 1 or near < 1e-9 else f"{percent:.2f}").replace("-", MINUS)
