"""Helpers and suites."""
