"""The Model Context Protocol at /mcp: assistants search and ask. door.py lets in and loads the SDK;
nothing else in here is imported before somebody comes."""
