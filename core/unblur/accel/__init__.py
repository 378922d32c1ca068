"""Access to the hardware: memory allocation, threads, compiled loops, fast convolutions."""
