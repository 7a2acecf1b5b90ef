"""The form of OpenAI's Chat Completions: their requests in, their chunks out. Nothing is looked up
here, and nobody is asked: chat/views/completions.py does that."""
