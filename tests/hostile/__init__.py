"""Files made to do harm, generated: small code, the same bytes every time."""
