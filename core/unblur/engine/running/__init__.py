"""Execution of tiles: schedulers, clusters, streaming to a store, resumable runs."""
