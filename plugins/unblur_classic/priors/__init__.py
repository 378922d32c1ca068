"""Image priors."""
