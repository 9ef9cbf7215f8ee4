"""Owns pipelines, triggers and training runs.

Hears new datasets, drift, degraded quality, labels, promotions and people; decides whether a run is due and
sees it through on the cluster. Says that runs wait, start, progress, succeed, fail, or that a cause led to none.
"""
