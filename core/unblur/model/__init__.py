"""The nouns that every stage is written in: images, kernels, contexts, stages, formats."""
