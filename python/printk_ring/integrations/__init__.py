"""The package's ends that fit other logging systems."""
