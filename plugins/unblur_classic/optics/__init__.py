"""PSFs of microscopes from their optics."""
