"""What every worker needs, imported once in the process that local workers are forked from. It must not start a thread."""

from mixval_flows.uncollected import uncollected

with uncollected():
    from mixval.gate.engine import great_expectations
    from mixval_flows.worker import import_passes

    import_passes()
    great_expectations()
