"""Owns pipelines, triggers and training runs.

Hears new datasets, drift, degraded quality, labels, promotions, refusals and people; decides whether a run is due and
sees it through on the cluster. Says that runs wait, start, progress, succeed, fail, that a cause led to none or waits,
and that a person must look.
"""
