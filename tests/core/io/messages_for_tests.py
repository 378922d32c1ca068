"""The form of an error message."""


def one_line(info):
    """Return the text of an error, which is one short line."""
    text = str(info.value)
    assert "\n" not in text
    assert len(text) < 400
    return text
