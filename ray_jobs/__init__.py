"""What runs on the cluster: a job is given a spec and leaves a report."""
