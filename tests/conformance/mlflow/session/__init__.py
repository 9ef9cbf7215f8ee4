"""What data scientists do with MLflow's own client: ``python -m tests.conformance.mlflow.session URL``.

Nothing of Everloop is imported. Runs with MLflow 3 and MLflow 2, against the registry and against a stock server
(``… URL stock``, which leaves out what only the registry does).
"""
