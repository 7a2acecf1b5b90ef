"""Long trials that replay: run by hand or in CI, not with the tests."""
