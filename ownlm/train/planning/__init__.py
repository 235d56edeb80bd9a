"""Before training: the memory it needs, the layouts that fit, the learning rate a small proxy finds."""
