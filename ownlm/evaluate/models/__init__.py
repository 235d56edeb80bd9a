"""Who is measured: anything that continues text."""
