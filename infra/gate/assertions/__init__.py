"""What must be true of every environment; importing this package fills the list of `infra.gate.findings`."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
