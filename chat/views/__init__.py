"""REST and SSE: translate requests into turns and searches, and events into bytes."""
