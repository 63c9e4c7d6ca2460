"""The protocols, one package each, sans-IO. They never import one another: services of `qstack.base` join them."""
