"""State of the widget as plain data, without Qt."""
