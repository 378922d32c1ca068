"""Background work of the widget."""
