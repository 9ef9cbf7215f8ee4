"""The registry as it was, and as it might have been: at an earlier time, from its log, under other gates."""
