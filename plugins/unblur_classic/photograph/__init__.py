"""The recommended blind estimator: the kind of the photograph and of its blur, by evidence."""
