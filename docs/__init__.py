"""Pictures and reasons, and the generator of what is written from the code."""
