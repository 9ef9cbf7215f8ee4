"""A year of real flights in a few minutes: the whole loop, watched from outside."""
