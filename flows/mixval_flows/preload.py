"""What every worker needs, imported once in the process that local workers are forked from. It must not start a thread."""

from mixval_flows.uncollected import uncollected

with uncollected():
    from transformers import modeling_utils  # noqa: F401  comes with a worker's first model otherwise, 3 s of a core for each

    from mixval.gate.engine import great_expectations
    from mixval_flows.worker import import_passes

    import_passes()
    great_expectations()
