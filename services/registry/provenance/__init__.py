"""Where versions come from: what differs between two of them, and which of them something led to."""
