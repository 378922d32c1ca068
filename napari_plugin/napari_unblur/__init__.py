"""A napari widget for unblur: choose a layer and a pipeline, try it on what is in view, run it."""
