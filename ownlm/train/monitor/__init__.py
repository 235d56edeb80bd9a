"""What is seen of a run while it trains: losses by source and language, norms, speed, the machine, money, samples."""
