"""Forms for the parameters of stages."""
