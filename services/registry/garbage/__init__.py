"""What nobody can get back any more: found, collected, and its bytes erased."""
