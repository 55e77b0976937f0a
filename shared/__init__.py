import shared.quick  # noqa: F401 - before anybody imports dataclasses, which it loads without inspect
