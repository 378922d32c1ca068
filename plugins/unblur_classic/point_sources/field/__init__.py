"""PSFs that vary over the field."""
