"""napari widget of unblur: choose a layer and a pipeline, preview the visible part, run."""
