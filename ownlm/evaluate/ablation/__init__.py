"""Which of two versions of the data is better: the same questions to models of both, and what noise allows to say."""
