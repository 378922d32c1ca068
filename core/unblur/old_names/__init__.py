"""Reading of the previous release's names, as the tables of `unblur.renamed` list them."""

from unblur.old_names.attributes import current_keywords
from unblur.old_names.content import (
    current_laws,
    current_options,
    current_params,
    current_report,
    with_old_keys,
)
from unblur.old_names.imports import install
from unblur.old_names.warning import OldNameWarning

__all__ = [
    "OldNameWarning",
    "current_keywords",
    "current_laws",
    "current_options",
    "current_params",
    "current_report",
    "install",
    "with_old_keys",
]
