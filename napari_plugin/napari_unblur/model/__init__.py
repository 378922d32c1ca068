"""State of the widget, free of Qt."""
