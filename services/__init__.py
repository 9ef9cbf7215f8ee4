"""The five services, one package per process, and the machinery they share."""
