"""`python -m guidance` is `guide`."""

from guidance.cli import main

main()
