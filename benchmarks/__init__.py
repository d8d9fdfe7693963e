"""The comparisons that the README quotes; each module is one command, `make bench` runs all."""
