"""The registry answers MLflow's clients as a stock MLflow server does.

Stories are requests in order; ``python -m tests.conformance.mlflow.record`` plays them against a stock server and
keeps its answers under ``answers/``; the test plays them against the registry. Where the registry means to answer
otherwise, ``differences`` says how, and why.
"""
