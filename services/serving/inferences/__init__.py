"""Results of queued inference requests, written by replicas and found by the request's id."""
