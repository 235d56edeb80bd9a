"""Our own decoder as an engine: `engine` serves requests as they come, `batches` computes many known beforehand."""
