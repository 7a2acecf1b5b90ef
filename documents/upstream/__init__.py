"""The services that we call over the network: what all calls to them have in common."""
