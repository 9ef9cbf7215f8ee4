"""The ingestion service: batches of rows become versions of datasets, or are refused with every reason.

Owns: raw files, datasets (Delta Lake tables), their versions and profiles, quarantines.
Hears: ``PipelineRegistered``, ``IngestDataset``; uploads over HTTP.
Says: ``DatasetIngested``, ``DatasetRejected``.
"""
