"""``python -m everloop.cli``, for where the script is not on PATH."""

from everloop.cli.main import main

main()
