"""Types that every stage uses: images, kernels, contexts, params, stages, formats."""
