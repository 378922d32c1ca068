"""Application of a pipeline's steps to one block of an image."""
