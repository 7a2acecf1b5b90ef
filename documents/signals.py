"""What the corpus announces to whoever is above it."""

from django.dispatch import Signal

# A curator asked for these sources to be read again. Arguments: sources (a list of Source).
ingestion_wanted = Signal()
