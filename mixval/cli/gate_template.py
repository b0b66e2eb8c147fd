"""The configuration that `mixval init --gate` writes: a gate in front of a table, with its policy spelt out."""

from string import Template

from mixval.cli.template import Kind
from mixval.config.ingestion import IngestionConfig

TEMPLATE = Template("""\
# yaml-language-server: $$schema=./${schema}
# A gate in front of a table. Run it with `mixval gate ${file}`, at night or whenever files arrive: it takes what lies in the
# inbox, decides, and ends. `mixval gate ${file} --shadow` decides and changes nothing.
# Relative paths are relative to this file. An unknown key is an error. What to do for each outcome: docs/ingestion.md.

task: ${task}

# One subfolder per contributor (contributor=NAME/ or NAME/). Each Parquet, JSON Lines, CSV or Arrow file in one is a delivery,
# decided by itself. Write elsewhere and rename into place. Or s3://bucket/prefix.
# Rows: ${rows}.
inbox: ./inbox
# The Delta table that accepted rows are appended to. Made with the first of them when there is none.
table: ./table
# The target set T: real, held-out rows of what the model should be good at. Never put them into the inbox.
target: ./target
# Pinned copies, decisions, statistics and reports. Keep it as long as the table.
state: ./gate-state
${columns_at_top}
# origin: real                                 # if files have no column `origin`
# storage: {endpoint_url: "http://127.0.0.1:9000"}   # keys: AWS_ACCESS_KEY_ID or a Prefect block
# limits: {files: 100000, file_bytes: 34359738368}     # most of a contributor in the inbox

backbone:
${backbone}

gate:
  min_rows: 20                                   # deliveries with fewer good rows are rejected
  max_bad_row_share: 0.1                         # bad rows are dropped; above this share the delivery is rejected

policy:
  # The first rule that holds decides. What none decides waits in quarantine, and is valued anew when the table has changed.
  rules:
    - {name: too small, quantity: rows, below: 50, then: quarantine}
    - {name: held already, quantity: overlap-share, above: 0.5, then: quarantine}
    # The whole interval below zero: training on it would make the model worse.
    - {name: harmful, quantity: marginal-value, at: high, below: 0, then: reject}
    - {name: redundant, quantity: redundancy, at: low, above: 0.9, then: quarantine}
    # The whole interval above zero: it adds something to what the table holds.
    - {name: worth it, quantity: marginal-value, at: low, above: 0, then: accept}
  on_overwrite: quarantine                       # a name that was delivered before, with other bytes
  schema_change: quarantine                      # columns that the table lacks; or widen
  freshness: strict                              # valued against the very version that it enters; a number tolerates so many
  # budget: {most: 100000, of: rows, every: month}
  # exploration: {rows: 500}                     # of a contributor of whom nothing was accepted yet, undecided
  # price_column: price                          # for marginal-value-per-price, and budgets of prices
  shadow: false                                  # decide and report, change nothing

valuation:
  ntk:
    sketch_features: 2048                        # dimensions of a projected gradient; the report warns when too few
    parameters: [linear, conv]                   # whose gradients are taken; with backbone.lora, [lora] costs less
  value:
    replicates: 200                              # replicates for the intervals, without which no rule on an interval holds
    confidence: 0.95
  sample: {count: 2000}                          # most rows of a delivery that pass through the backbone

${runtime}

seed: 0
""")

GATE = Kind("gate.yaml", TEMPLATE, IngestionConfig, "mixval gate")
