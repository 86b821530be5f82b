"""The figures that the README and the docs quote, each as one command."""
