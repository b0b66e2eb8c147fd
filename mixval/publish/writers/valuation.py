"""The files of a valuation's run, in the order in which they are written; the manifest follows them."""

from mixval.publish.publication import Writer
from mixval.publish.results import PublishedValuation
from mixval.publish.writers.gate_results import write_gate_results
from mixval.publish.writers.ranking_csv import write_ranking_csv
from mixval.publish.writers.ranking_markdown import write_ranking_markdown
from mixval.publish.writers.report import write_report
from mixval.publish.writers.tables import write_tables

WRITERS: tuple[Writer[PublishedValuation], ...] = (
    write_gate_results,
    write_tables,
    write_ranking_csv,
    write_ranking_markdown,
    write_report,
)
