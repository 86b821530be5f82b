"""The version of the product, shown on the System page and written down by each node."""

VERSION = "0.1.0"
