"""The libraries and servers that generative models run in, one module a kind."""
