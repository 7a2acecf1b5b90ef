"""Asks each part that is configured whether it can be used: what `manage.py doctor` shows."""
