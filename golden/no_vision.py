"""A stand-in for torchvision that has nothing: timm imports it, and only wants it for pictures."""

import importlib.abc
import importlib.machinery
import types


class Anything(type):
    """A class of which every attribute is its own name."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"{cls.__name__}.{name}"


class NoVision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Any module of torchvision, and any name in it as a class."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []

        def absent(name):
            if name.startswith("__"):
                raise AttributeError(name)
            return Anything(name, (), {})

        module.__getattr__ = absent
        return module

    def exec_module(self, module):
        pass
