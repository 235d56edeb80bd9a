"""The model in use: feedback (what people did with completions), rollout (who gets which version), experiments."""
