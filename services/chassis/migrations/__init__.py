"""Migrations of the tables every service has."""
