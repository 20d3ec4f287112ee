"""What the runner depth plays on: a broker, a process of the runner, journals in memory, runners that stand ready."""
