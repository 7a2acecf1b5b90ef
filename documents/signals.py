"""What the corpus announces to whoever is above it."""

from django.dispatch import Signal

# Somebody asked for these sources to be read again. Arguments: sources (a list of Source), and
# optionally keys (of the documents to read; none: all). Receivers return the rows of the work.
ingestion_wanted = Signal()

# Somebody describes a source by hand. Argument: source. Receivers raise ValidationError if nothing
# could be read by that description.
source_described = Signal()

# The index could not be told of a change; whoever works in the background should do it later.
index_owes = Signal()

# The interval of a source was changed: it may be due earlier than anybody thinks.
schedule_changed = Signal()

# These documents are gone for good: work that waits for them is not needed any more, and copies of
# them go, too. Sent inside of the transaction. Arguments: source, keys, urls (where readers found
# them), chunk_ids. Receivers return how many rows they removed or changed.
documents_deleted = Signal()
