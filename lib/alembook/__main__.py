"""``python -m alembook``."""

from alembook.cli import main

main()
