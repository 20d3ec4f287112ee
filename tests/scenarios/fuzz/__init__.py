"""The runner's own parts, and the whole runner, under the fuzzer; by dotted name: `tests.scenarios.fuzz.runner:scenario`."""
