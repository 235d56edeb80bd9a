"""What keeps a run going, or ends it well: stop signals, stuck processes, lost processes and machines."""
