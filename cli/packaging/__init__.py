"""What is deployed: the code folder that s.yaml points to, and its archive."""

from cli.packaging.build import Packaged, Warn, build
from cli.packaging.python import RUNTIMES, interpreter

__all__ = ["RUNTIMES", "Packaged", "Warn", "build", "interpreter"]
