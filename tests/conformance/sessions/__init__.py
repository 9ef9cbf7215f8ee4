"""What clients do whose pinned dependencies can't stand beside ours; each runs in an environment of its own.

To record them again: ``python -m tests.conformance.record kserve /path/to/environment/bin/python``.
"""
