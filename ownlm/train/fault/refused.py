"""The mark of a job one of whose processes has refused to go on. Light to import: no torch."""

REFUSED = "refused"
"""In the job's folder, which all machines see: no machine starts its processes again."""
