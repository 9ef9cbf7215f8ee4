"""The whole platform on one machine: broker, Ray, trace store and services under one supervisor.

`everloop up` is this package. Nothing here is imported by services or jobs; they only see the environment
variables that `processes` gives them.
"""
