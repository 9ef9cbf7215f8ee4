"""The peers' sides: each does what its documentation shows, and asks the same model."""
