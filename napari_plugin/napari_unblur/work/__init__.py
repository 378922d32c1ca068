"""Tasks of the widget in worker threads."""
