"""Every figure that the project promises, measured on the machine at hand: `make bench`."""
