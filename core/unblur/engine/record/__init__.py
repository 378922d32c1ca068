"""Records of a run: the log, the result and its report."""
