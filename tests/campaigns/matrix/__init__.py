"""Every route, method and frame, by everybody, with ids that are not theirs."""
