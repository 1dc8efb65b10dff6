"""Layers, latent distributions and likelihoods that the models are made of."""
