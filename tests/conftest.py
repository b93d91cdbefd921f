"""Makes the checkout importable for all tests: the drills' nights serve the tests of the chain, too."""
