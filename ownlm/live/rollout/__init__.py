"""Who gets which version of the model: channels, staged switches, experiments; durable, audited, followed at once."""
