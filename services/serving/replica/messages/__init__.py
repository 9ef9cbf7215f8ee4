"""The replica on the broker: requests with a reply, queued requests, and rows that are scored as they come."""
