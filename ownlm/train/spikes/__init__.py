"""Spikes: found while training, answered as the recipe says, traced back to the documents, replayed bit for bit."""
