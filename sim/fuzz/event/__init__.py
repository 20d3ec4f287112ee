"""The event depth of the fuzzer: compiled schedules over the real `decide` and `apply`; see README.md."""
