"""Where the asynchronous side meets the ORM."""

from functools import partial

from channels.db import database_sync_to_async

# Runs a synchronous function in a pool of threads and gives its database connection back when it
# returns. Not thread-sensitive: all sockets of a process would otherwise queue for one thread.
in_database_thread = partial(database_sync_to_async, thread_sensitive=False)
