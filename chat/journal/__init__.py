"""What was said in a turn, numbered, for as long as somebody may want to read it again."""
