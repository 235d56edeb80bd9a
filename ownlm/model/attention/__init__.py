"""Softmax attention: the layer, and one file for each way to compute it over packed documents."""
