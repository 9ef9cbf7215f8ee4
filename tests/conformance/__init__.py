"""Clients and specifications of others, held against what we serve."""
