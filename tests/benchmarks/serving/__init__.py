"""The serving benchmark: Everloop and its peers answer the same questions with the same model, one after the other.

::

    make bench-serving                      # a table
    make bench-serving ARGS="--json"        # one JSON object

The limit is a bare Starlette application under uvicorn that reads JSON, calls the model and writes JSON: no check, no
log, no trace, no version, and nothing that could outlive it. Every ratio is to the limit measured in the same round.
"""
