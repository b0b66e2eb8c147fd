"""What a run tells those who watch it: metrics for Prometheus, lineage for OpenLineage, a log in JSON lines."""
