"""What follows what: Prefect flows and the cluster that they run on."""
