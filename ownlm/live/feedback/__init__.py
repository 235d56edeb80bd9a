"""What people did with completions: events, stores, reports, training data."""
