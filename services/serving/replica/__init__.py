"""What runs inside Ray Serve: one deployment per model that holds versions and answers, and the front door."""
