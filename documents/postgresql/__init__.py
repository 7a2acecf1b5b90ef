"""Django's backend for PostgreSQL, for a server that sleeps and stands behind a pooler."""
