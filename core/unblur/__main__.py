"""`python -m unblur` is the `unblur` command."""

from unblur.cli import main

main()
